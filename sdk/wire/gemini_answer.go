package wire

import (
	"bytes"
	"encoding/json"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// readGeminiAnswer reads a GenerateContentResponse.
func readGeminiAnswer(body []byte) (*answer, *Error) {
	r, ids := lex.New(body), callIDs{from: body}
	a := &answer{}
	found := false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "responseId":
			a.id, _ = r.Raw()
		case "candidates":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				var c answer
				geminiCandidate(&r, &c, &ids)
				if !found {
					a.parts, a.stop, found = append(a.parts, c.parts...), c.stop, true
				} else {
					a.others = append(a.others, c)
				}
			}
		case "promptFeedback":
			if why := geminiBlocked(&r); why != nil && !found {
				a.parts, a.stop = append(a.parts, part{kind: refusalPart, text: why}), stopRefusal
				found = true
			}
		case "usageMetadata":
			a.reported = geminiUsage(&r, &a.usage)
		}
	}
	if !r.Done() || !found {
		return nil, badAnswer("answer has neither a candidate nor a reason why not")
	}
	return a, nil
}

// geminiBlocked takes promptFeedback: why the prompt was refused, nil: it was not.
func geminiBlocked(r *lex.Reader) raw {
	var reason []byte
	var message raw
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "blockReason":
			reason = r.Text()
		case "blockReasonMessage":
			message, _ = r.Raw()
		}
	}
	if len(reason) == 0 || string(reason) == "BLOCKED_REASON_UNSPECIFIED" || string(reason) == "BLOCK_REASON_UNSPECIFIED" {
		return nil
	}
	return explain("The prompt was blocked: ", reason, message)
}

func geminiCandidate(r *lex.Reader, a *answer, ids *callIDs) {
	var reason, logprobs []byte
	var message raw
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "content":
			a.parts = geminiContent(r, a.parts, ids)
		case "finishReason":
			reason = r.Text()
		case "finishMessage":
			message, _ = r.Raw()
		case "logprobsResult":
			logprobs = geminiLogprobs(r)
		}
	}
	stop, plain := stopOfGemini(reason)
	said := false
	for i := range a.parts {
		switch p := &a.parts[i]; p.kind {
		case toolCallPart:
			said = true
			if stop == stopEnd {
				stop = stopTool
			}
		case textPart:
			said = true
			p.logprobs, logprobs = logprobs, nil // those of the candidate, once
		}
	}
	a.stop = stop
	if !plain && (!said || len(message) > 0) {
		a.parts = append(a.parts, part{kind: refusalPart, text: explain("The model stopped: ", reason, message)})
	}
}

// geminiContent takes the content of a candidate.
func geminiContent(r *lex.Reader, parts []part, ids *callIDs) []part {
	calls := 0
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) != "parts" {
			continue
		}
		for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
			gp := geminiAnswerPart(r)
			switch gp.kind {
			case toolCallPart:
				if len(gp.p.id) == 0 {
					gp.p.id = ids.id(calls)
				}
				calls++
			case imagePart:
				gp.kind, gp.p.text, gp.spoken = noPart, geminiMedia(&gp.p), true
			}
			gp.maker = sealGemini
			if !gp.thought && gp.kind == noPart && len(gp.p.text) == 0 && len(gp.signature) == 0 {
				continue // nothing that has a form here
			}
			parts = gp.append(parts)
		}
	}
	return parts
}

// compact is a JSON text without white space: Google indents its answers.
func compact(text []byte) []byte {
	if !bytes.ContainsAny(text, "\r\n") { // either would break an event
		return text
	}
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return text
	}
	return out.Bytes()
}

// geminiAnswerPart takes one part of an answer. Its kind is toolCallPart,
// imagePart for bytes of any type, or noPart for text.
func geminiAnswerPart(r *lex.Reader) (gp geminiPart) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "text":
			gp.p.text, gp.spoken = r.Raw()
		case "thought":
			gp.thought = r.Bool()
		case "thoughtSignature":
			gp.signature, _ = r.Raw()
		case "functionCall":
			gp.kind, gp.p.json = toolCallPart, []byte("{}")
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "id":
					gp.p.id, _ = r.Raw()
				case "name":
					gp.p.name, _ = r.Raw()
				case "args":
					if r.Kind() == '{' {
						gp.p.json = compact(r.Skip())
					}
				}
			}
		case "inlineData":
			gp.kind = imagePart
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "mimeType":
					gp.p.mime, _ = r.Raw()
				case "data":
					gp.p.data, _ = r.Raw()
				}
			}
		}
	}
	return gp
}

// geminiMedia is bytes that a model made, in the form that a text has for
// them: chat dialects have no other for all of these.
func geminiMedia(p *part) raw {
	out := make(raw, 0, len(p.data)+64)
	if bytes.HasPrefix(p.mime, []byte("image/")) {
		out = append(out, '!')
	}
	out = append(append(append(out, '['), p.mime...), `](data:`...)
	out = append(append(out, p.mime...), `;base64,`...)
	return append(append(out, p.data...), ')')
}

// geminiLogprobs takes a logprobsResult in the form of choices[].logprobs.content.
func geminiLogprobs(r *lex.Reader) []byte {
	var chosen, top [][]byte
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "chosenCandidates":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				chosen = append(chosen, geminiLogprob(nil, r))
			}
		case "topCandidates":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				var list []byte
				for ok := r.Object() && r.Key(); ok; ok = r.Key() {
					if string(r.Name()) != "candidates" {
						continue
					}
					for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
						if len(list) > 0 {
							list = append(list, ',')
						}
						list = append(geminiLogprob(list, r), '}')
					}
				}
				top = append(top, list)
			}
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	out := []byte{'['}
	for i, c := range chosen {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, c...), `,"top_logprobs":[`...)
		if i < len(top) {
			out = append(out, top[i]...)
		}
		out = append(out, "]}"...)
	}
	return append(out, ']')
}

// geminiLogprob appends a token with its probability, the object left open.
func geminiLogprob(dst []byte, r *lex.Reader) []byte {
	token, value := raw(""), []byte("0") // protobuf leaves zeros out
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "token":
			token, _ = r.Raw()
		case "logProbability":
			if r.Kind() == '0' {
				value = r.Skip()
			}
		}
	}
	dst = append(dst, `{"token":`...)
	dst = appendRaw(dst, token)
	dst = append(append(dst, `,"logprob":`...), value...)
	return append(dst, `,"bytes":null`...)
}
