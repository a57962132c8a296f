package dispatch

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// The flaws that a check finds in an answer, as attempts are recorded with.
const (
	flawEmpty    = "empty"          // neither text nor a call of a tool
	flawLength   = "length"         // cut short at the cap on its tokens
	flawFiltered = "content_filter" // cut short by the provider's filter
	flawFailed   = "failed"         // it says of itself that it failed
	flawJSON     = "not_json"       // JSON was asked for
	flawTool     = "tool_arguments" // a tool is called with what is no JSON
)

// inspect checks a complete answer where the plan has it checked.
func (x *exchange) inspect() {
	if !x.check || x.c.Op != wire.OpChat && x.c.Op != wire.OpCompletions {
		return
	}
	x.flaw = flawOf(x.c.Dialect, x.c.Buf, wantsJSON(x.c.Dialect, x.c.Body))
}

// part is one answer of those that a body holds, whatever the dialect.
type part struct {
	text    []byte
	other   bool // there is something of use beside text
	badTool bool
	finish  string // a flaw, "": it ended as answers should
}

// flawOf is what is wrong with an answer, "" if nothing is that can be seen.
func flawOf(d wire.Dialect, body []byte, asJSON bool) string {
	parts, ok := partsOf(d, body)
	if !ok {
		return ""
	}
	if len(parts) == 0 {
		return flawEmpty
	}
	for i := range parts {
		switch p := &parts[i]; {
		case p.finish != "":
			return p.finish
		case p.badTool:
			return flawTool
		case len(bytes.TrimSpace(p.text)) == 0 && !p.other:
			return flawEmpty
		case asJSON && !(p.other && len(p.text) == 0) && !json.Valid(p.text):
			return flawJSON
		}
	}
	return ""
}

// partsOf reads the answers of a body; ok is false where there is nothing that
// could be checked.
func partsOf(d wire.Dialect, body []byte) (parts []part, ok bool) {
	switch d {
	case wire.OpenAIChat, wire.OpenAICompletions:
		return chatParts(body)
	case wire.OpenAIResponses:
		return responseParts(body)
	case wire.AnthropicMessages:
		return messageParts(body)
	case wire.GeminiGenerate:
		return geminiParts(body)
	}
	return nil, false
}

// ended is the flaw that a dialect's reason for ending an answer tells of.
func ended(reason string) string {
	switch reason {
	case "length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_context_window_exceeded":
		return flawLength
	case "content_filter", "refusal", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE":
		return flawFiltered
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL":
		return flawTool
	case "failed":
		return flawFailed
	}
	return ""
}

// wantsJSON reports whether a request asks for an answer of JSON.
func wantsJSON(d wire.Dialect, body []byte) bool {
	type format struct {
		Type string `json:"type"`
		MIME string `json:"responseMimeType"`
		Mime string `json:"response_mime_type"`
	}
	var q struct {
		ResponseFormat format `json:"response_format"`
		Text           struct {
			Format format `json:"format"`
		} `json:"text"`
		OutputFormat format `json:"output_format"`
		OutputConfig struct {
			Format format `json:"format"`
		} `json:"output_config"`
		Generation  format `json:"generationConfig"`
		Generation2 format `json:"generation_config"`
	}
	marks := []string{`"response_format"`, `"format"`, `"output_format"`, `"responseMimeType"`, `"response_mime_type"`}
	if !slices.ContainsFunc(marks, func(m string) bool { return bytes.Contains(body, []byte(m)) }) {
		return false // most requests: no need to read them
	}
	_ = json.Unmarshal(body, &q) // what is of another type stays empty
	f := q.ResponseFormat
	switch d {
	case wire.OpenAIResponses:
		f = q.Text.Format
	case wire.AnthropicMessages:
		f.Type = or(q.OutputConfig.Format.Type, q.OutputFormat.Type)
	case wire.GeminiGenerate:
		g := or(q.Generation.MIME, q.Generation.Mime)
		return or(g, or(q.Generation2.MIME, q.Generation2.Mime)) == "application/json"
	}
	return f.Type == "json_object" || f.Type == "json_schema"
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// flaw is what is wrong with a stream that has ended while it was held back.
func (h *held) flaw() string {
	if h.finish == "" && !h.content {
		return flawEmpty
	}
	return h.finish
}

// spare is an answer that was rejected. The caller gets it all the same if
// nothing better comes.
type spare struct {
	ans        call.Answer
	buf        []byte
	dropped    []byte
	target     *call.Target
	usage      wire.Usage
	provenance call.Provenance
	at         int // of the attempts
}

// another reports whether there is something to try beside step.
func (r *run) another(step int) bool {
	return r.left > 0 && r.c.Plan.N > bits.OnesCount64(r.dead|1<<step) && !r.c.Gone.Left()
}

// reject notes an answer that is not good enough, and keeps it.
func (r *run) reject(cand *call.Candidate, res *result) {
	c, t := r.c, cand.Target
	att := r.noted(cand, res)
	att.Rejected = res.flaw
	used := &Consumed{Usage: c.Usage, Provenance: c.Provenance, Bytes: int64(len(c.Buf))}
	if s, ok := res.ans.Stream.(carried); ok {
		used = s.discard()
		c.Streamed, c.FirstByte = false, 0
	} else {
		r.spare = &spare{ans: res.ans, buf: c.Buf, dropped: slices.Clone(c.Dropped), target: t, usage: c.Usage, provenance: c.Provenance, at: len(c.Attempts)}
		c.Buf = nil
	}
	t.State.Observe(false, res.took, 0)
	c.Usage, c.Provenance = wire.Usage{}, call.CostNone
	r.charge(&att, cand, used)
	c.Attempts = append(c.Attempts, att)
	r.skipped = true // it is not asked again
	r.last = failure{class: wire.ClassServer, status: att.Status,
		err: wire.Errorf(502, "answer_rejected", "the answer of %s was not good enough (%s), and no other target gave one", t.Name, res.flaw)}
}

// giveSpare is the answer that was rejected, after all.
func (r *run) giveSpare() call.Answer {
	c, s := r.c, r.spare
	c.Buf, c.Usage, c.Provenance, c.Target = s.buf, s.usage, s.provenance, s.target
	c.Dropped = append(c.Dropped[:0], s.dropped...)
	att := c.Attempts[s.at]
	att.Rejected, att.Cost, att.Tokens, att.Provenance = "", 0, 0, call.CostNone
	c.Attempts = append(slices.Delete(c.Attempts, s.at, s.at+1), att)
	return s.ans
}
