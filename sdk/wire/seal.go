package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// seal is what a model's maker puts on reasoning so that it can be handed back
// in the next turn: Anthropic's signature, or the entries of OpenRouter's
// reasoning_details. Reasoning goes back only to where its seal is known.
type seal struct {
	format raw // sealAnthropic, an OpenRouter format, nil: plain reasoning_content
	id     raw
	value  raw // the signature, or the sealed data
}

var (
	// sealAnthropic marks a signature that came from an Anthropic caller as it is.
	sealAnthropic = raw("anthropic")
	// formatAnthropic is how the openai dialect names the same.
	formatAnthropic = raw("anthropic-claude-v1")
	formatUnknown   = raw("unknown")
	// sealResponses marks encrypted_content of a reasoning item, whose id is the
	// seal's. The words are OpenRouter's.
	sealResponses = raw("openai-responses-v1")
	// sealGemini marks a thought signature. That of a tool call goes as a
	// sealedPart (deltaSealed) of its own before the call, with the call's id:
	// every dialect then hands it back, and the reader of the next request finds
	// its call by the id.
	sealGemini = raw("google-gemini-v1")
)

func (s seal) anthropic() bool {
	return len(s.value) > 0 && (bytes.Equal(s.format, sealAnthropic) || bytes.Equal(s.format, formatAnthropic))
}

// sealMark begins the signature that an Anthropic caller is given for
// reasoning of another maker. It is followed by format, id and value.
const sealMark = "sb1:"

// appendSeal appends s as the value of an Anthropic signature.
func appendSeal(dst []byte, s seal) []byte {
	if bytes.Equal(s.format, sealAnthropic) {
		return append(dst, s.value...)
	}
	dst = append(dst, sealMark...)
	dst = append(dst, s.format...)
	dst = append(dst, ':')
	if !bytes.ContainsRune(s.id, ':') {
		dst = append(dst, s.id...)
	}
	dst = append(dst, ':')
	return append(dst, s.value...)
}

// parseSeal reads an Anthropic signature.
func parseSeal(signature raw) seal {
	rest, ok := bytes.CutPrefix(signature, []byte(sealMark))
	if !ok {
		return seal{format: sealAnthropic, value: signature}
	}
	format, rest, _ := bytes.Cut(rest, []byte(":"))
	id, value, _ := bytes.Cut(rest, []byte(":"))
	if len(format) == 0 {
		format = nil
	}
	return seal{format: format, id: id, value: value}
}

// appendDetail appends one entry of reasoning_details. typ is text or encrypted.
func appendDetail(dst []byte, typ string, text raw, s seal, index int) []byte {
	format := s.format
	if bytes.Equal(format, sealAnthropic) {
		format = formatAnthropic
	}
	dst = append(dst, `{"type":"reasoning.`...)
	dst = append(dst, typ...)
	dst = append(dst, '"')
	if text != nil {
		dst = appendRawMember(dst, "text", text)
	}
	if s.value != nil && typ == "text" {
		dst = appendRawMember(dst, "signature", s.value)
	} else if s.value != nil {
		dst = appendRawMember(dst, "data", s.value)
	}
	if len(s.id) > 0 {
		dst = appendRawMember(dst, "id", s.id)
	}
	dst = appendRawMember(dst, "format", format)
	dst = append(dst, `,"index":`...)
	dst = appendInt(dst, int64(index))
	return append(dst, '}')
}

// detail is an entry of reasoning_details as it is read.
type detail struct {
	part
	index int64
}

// readDetail reads one entry of reasoning_details. Fields of other types count as absent.
func readDetail(r *lex.Reader) detail {
	d := detail{part: part{kind: thinkingPart}, index: -1}
	d.seal.format = formatUnknown
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			if string(r.Text()) == "reasoning.encrypted" {
				d.kind = sealedPart
			}
		case "text", "summary":
			d.text, _ = r.Raw()
		case "signature", "data":
			if v, ok := r.Raw(); ok {
				d.seal.value = v
			}
		case "id":
			d.seal.id, _ = r.Raw()
		case "format":
			if f, ok := r.Raw(); ok && len(f) > 0 && !bytes.ContainsAny(f, ":\\") {
				d.seal.format = f
			}
		case "index":
			if n, ok := r.Int(); ok {
				d.index = n
			}
		}
	}
	return d
}

// readDetails reads reasoning_details and joins what was streamed in pieces.
func readDetails(r *lex.Reader) (parts []part) {
	last := detail{index: -1}
	joined := false // the last part's text is its own
	for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
		d := readDetail(r)
		if n := len(parts) - 1; n >= 0 && d.kind == thinkingPart && last.kind == thinkingPart && d.index == last.index && last.seal.value == nil {
			if !joined {
				parts[n].text = append(make([]byte, 0, 2*len(parts[n].text)+len(d.text)), parts[n].text...)
				joined = true
			}
			parts[n].text = append(parts[n].text, d.text...)
			if d.seal.value != nil {
				parts[n].seal = d.seal
			}
			last = detail{part: parts[n], index: d.index}
			continue
		}
		if d.text != nil || d.seal.value != nil {
			parts = append(parts, d.part)
			last, joined = d, false
		}
	}
	return parts
}
