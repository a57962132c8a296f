package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// appendGeminiAnswer appends a as a GenerateContentResponse.
func appendGeminiAnswer(dst []byte, a *answer, s *stamp) []byte {
	dst = append(dst, `{"candidates":[`...)
	dst = appendGeminiCandidate(dst, a, 0)
	for i := range a.others {
		dst = appendGeminiCandidate(append(dst, ','), &a.others[i], i+1)
	}
	dst = append(dst, `],"usageMetadata":`...)
	dst = appendGeminiUsage(dst, &a.usage)
	return append(appendGeminiTail(dst, a.id, s), '}')
}

// appendGeminiTail appends what says where an answer comes from.
func appendGeminiTail(dst []byte, id raw, s *stamp) []byte {
	if len(id) == 0 {
		id = s.id("")
	}
	dst = append(dst, `,"modelVersion":`...)
	dst = lex.AppendString(dst, s.model)
	return appendRawMember(dst, "responseId", id)
}

func appendGeminiCandidate(dst []byte, a *answer, index int) []byte {
	dst = append(dst, `{"content":{"parts":[`...)
	from := len(dst)
	var logprobs []byte
	var message raw
	for i := range a.parts {
		p := &a.parts[i]
		if p.kind == refusalPart && a.stop == stopRefusal {
			message = p.text
			continue
		}
		if p.kind == textPart && logprobs == nil {
			logprobs = p.logprobs
		}
		mark := len(dst)
		if mark > from {
			dst = append(dst, ',')
		}
		var ok bool
		if dst, ok = appendGeminiPart(dst, p, a.parts); !ok {
			dst = dst[:mark]
		}
	}
	dst = append(dst, `],"role":"model"},"finishReason":"`...)
	dst = append(append(dst, geminiFinish[a.stop]...), '"')
	if message != nil {
		dst = appendRawMember(dst, "finishMessage", message)
	}
	if len(logprobs) > len("[]") {
		dst = appendGeminiLogprobs(dst, logprobs)
	}
	dst = append(dst, `,"index":`...)
	return append(appendInt(dst, int64(index)), '}')
}

// appendGeminiPart appends one part of an answer; a signature of Gemini's own
// goes with the call that it is of.
func appendGeminiPart(dst []byte, p *part, all []part) (out []byte, ok bool) {
	switch p.kind {
	case toolCallPart:
		dst = append(dst, `{"functionCall":{"id":`...)
		dst = appendRaw(dst, p.id)
		dst = appendRawMember(dst, "name", p.name)
		dst = append(appendJSON(dst, "args", p.json), '}')
		for i := range all {
			if s := &all[i]; s.kind == sealedPart && signs(s.seal, p.id) {
				dst = appendRawMember(dst, "thoughtSignature", s.seal.value)
			}
		}
	case thinkingPart:
		dst = append(dst, `{"text":`...)
		dst = append(appendRaw(dst, p.text), `,"thought":true`...)
		if len(p.seal.value) > 0 {
			dst = append(dst, `,"thoughtSignature":"`...)
			dst = append(appendGeminiSignature(dst, p.seal, openMark), '"')
		}
	case sealedPart:
		for i := range all {
			if c := &all[i]; c.kind == toolCallPart && signs(p.seal, c.id) {
				return dst, false
			}
		}
		dst = append(dst, `{"text":""`...)
		if !bytes.Equal(p.seal.format, sealGemini) {
			dst = append(dst, `,"thought":true`...)
		}
		dst = append(dst, `,"thoughtSignature":"`...)
		dst = append(appendGeminiSignature(dst, p.seal, sealedMark), '"')
	default:
		dst = append(dst, `{"text":`...)
		dst = appendRaw(dst, p.text)
	}
	return append(dst, '}'), true
}

// signs reports whether s is Gemini's signature of the call with that id.
func signs(s seal, id raw) bool {
	return len(id) > 0 && bytes.Equal(s.format, sealGemini) && bytes.Equal(s.id, id)
}

// appendGeminiLogprobs appends choices[].logprobs.content as a logprobsResult.
func appendGeminiLogprobs(dst, content []byte) []byte {
	dst = append(dst, `,"logprobsResult":{"chosenCandidates":[`...)
	top := []byte(`],"topCandidates":[`)
	r := lex.New(content)
	n := 0
	for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
		if n++; n > 1 {
			dst, top = append(dst, ','), append(top, ',')
		}
		top = append(top, `{"candidates":[`...)
		dst, top = appendChosen(dst, top, &r)
		top = append(top, "]}"...)
	}
	return append(append(dst, top...), "]}"...)
}

// appendChosen appends one token to dst, and those that it was chosen from to top.
func appendChosen(dst, top []byte, r *lex.Reader) (chosen, others []byte) {
	token, value := raw(""), []byte("0")
	from := len(top)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "token":
			token, _ = r.Raw()
		case "logprob":
			if r.Kind() == '0' {
				value = r.Skip()
			}
		case "top_logprobs":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				if len(top) > from {
					top = append(top, ',')
				}
				top, _ = appendChosen(top, nil, r)
			}
		}
	}
	dst = append(appendRaw(append(dst, `{"token":`...), token), `,"logProbability":`...)
	return append(append(dst, value...), '}'), top
}
