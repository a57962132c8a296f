package text

import (
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// Chunked reports whether the events of streams in dialect d are chunks of an
// answer, of which AppendPiece can make more. The events of others say what they
// are: one that has brought a piece can be sent again with another.
func Chunked(d wire.Dialect) bool {
	return d == wire.OpenAIChat || d == wire.OpenAICompletions || d == wire.GeminiGenerate
}

// AppendHead appends the members of a chunk that every chunk of its stream has,
// with a comma behind each.
func AppendHead(dst, data []byte) []byte {
	r := lex.New(data)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		name := string(r.Name())
		switch name {
		case "id", "object", "created", "model", "system_fingerprint", "service_tier", "provider", "modelVersion", "responseId", "createTime":
			if raw := r.Skip(); raw != nil {
				dst = append(append(append(append(dst, '"'), name...), `":`...), raw...)
				dst = append(dst, ',')
			}
		}
	}
	return dst
}

// AppendPiece appends a chunk of a stream in dialect d that brings a piece of
// k's text and nothing else. head is what AppendHead gave.
func AppendPiece(dst []byte, d wire.Dialect, head []byte, k Key, piece []byte) []byte {
	dst = append(append(dst, '{'), head...)
	if d == wire.GeminiGenerate {
		dst = append(dst, `"candidates":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(k.Choice), 10)
		dst = append(dst, `,"content":{"role":"model","parts":[{"text":`...)
		dst = lex.AppendString(dst, piece)
		if k.Channel == ChannelReasoning {
			dst = append(dst, `,"thought":true`...)
		}
		return append(dst, `}]}}]}`...)
	}
	dst = append(dst, `"choices":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(k.Choice), 10)
	if d == wire.OpenAICompletions {
		dst = lex.AppendString(append(dst, `,"text":`...), piece)
		return append(dst, `,"logprobs":null,"finish_reason":null}]}`...)
	}
	before, after := chatDelta(k)
	dst = append(dst, `,"delta":{`...)
	dst = append(dst, before[0]...)
	if before[1] != "" {
		n := k.Index
		if k.Channel == ChannelReasoning {
			n = k.Piece
		}
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, before[1]...)
	}
	dst = lex.AppendString(dst, piece)
	return append(append(dst, after...), `},"finish_reason":null}]}`...)
}

// chatDelta is what stands in the delta of a chat's chunk before and behind a
// piece of k's text; a number comes between the two parts of what stands before.
func chatDelta(k Key) (before [2]string, after string) {
	switch {
	case k.Channel == ChannelReasoning && k.Track == trackContent:
		return [2]string{`"reasoning_content":`}, ""
	case k.Channel == ChannelReasoning && k.Track == trackDetails:
		return [2]string{`"reasoning_details":[{"type":"reasoning.text","index":`, `,"text":`}, "}]"
	case k.Channel == ChannelReasoning:
		return [2]string{`"reasoning":`}, ""
	case k.Channel == ChannelToolArguments && k.Track == trackCall:
		return [2]string{`"function_call":{"arguments":`}, "}"
	case k.Channel == ChannelToolArguments && k.Track == trackCustom:
		return [2]string{`"tool_calls":[{"index":`, `,"custom":{"input":`}, "}}]"
	case k.Channel == ChannelToolArguments:
		return [2]string{`"tool_calls":[{"index":`, `,"function":{"arguments":`}, "}}]"
	case k.Track == trackRefusal:
		return [2]string{`"refusal":`}, ""
	case k.Track == trackOther:
		return [2]string{`"audio":{"transcript":`}, "}"
	}
	return [2]string{`"content":`}, ""
}

// Number is the number of a Responses event and where it stands; to is 0 when
// there is none.
func Number(data []byte) (n int64, from, to int) {
	r := lex.New(data)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) != "sequence_number" || r.Kind() != '0' {
			continue
		}
		at := r
		if n, ok := at.Int(); ok {
			raw := r.Skip()
			return n, r.Pos() - len(raw), r.Pos()
		}
	}
	return 0, 0, 0
}
