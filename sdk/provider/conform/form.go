package conform

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// form is one operation in one dialect as a caller writes and reads it.
type form struct {
	method  string // "": POST; others have no body
	ask     string // a request; $MODEL and $STREAM stand in it
	kind    string // content type of ask, "": JSON
	wants   string // member that every answer has, "": an answer of any kind with bytes in it
	streams bool
	ends    string // in the last event of a whole stream
	counts  bool   // answers cost tokens that must be told
}

const boundary = "conform0b0undary"

// part writes a multipart form with a file.
func part(name, file, kind, content string, fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", boundary, fields[i], fields[i+1])
	}
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q; filename=%q\r\nContent-Type: %s\r\n\r\n%s\r\n--%s--\r\n", boundary, name, file, kind, content, boundary)
	return b.String()
}

const multipart = "multipart/form-data; boundary=" + boundary

const claudeAsk = `{"model":"$MODEL","max_tokens":64,"messages":[{"role":"user","content":"hello"}]$STREAM}`

const geminiAsk = `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`

type kind struct {
	op      wire.Op
	dialect wire.Dialect
}

var forms = map[kind]*form{
	{wire.OpChat, wire.OpenAIChat}: {ask: `{"model":"$MODEL","messages":[{"role":"user","content":"hello"}],"max_tokens":64$STREAM}`,
		wants: "choices", streams: true, ends: "[DONE]", counts: true},
	{wire.OpChat, wire.AnthropicMessages}:        {ask: claudeAsk, wants: "content", streams: true, ends: `"message_stop"`, counts: true},
	{wire.OpChat, wire.OpenAIResponses}:          {ask: `{"model":"$MODEL","input":"hello","max_output_tokens":64$STREAM}`, wants: "output", streams: true, ends: `"response.completed"`, counts: true},
	{wire.OpChat, wire.GeminiGenerate}:           {ask: geminiAsk, wants: "candidates", streams: true, ends: `"finishReason"`, counts: true},
	{wire.OpCountTokens, wire.AnthropicMessages}: {ask: strings.Replace(strings.Replace(claudeAsk, `"max_tokens":64,`, "", 1), "$STREAM", "", 1), wants: "input_tokens"},
	{wire.OpCountTokens, wire.GeminiGenerate}:    {ask: geminiAsk, wants: "totalTokens"},
	{wire.OpCompletions, wire.OpenAICompletions}: {ask: `{"model":"$MODEL","prompt":"hello","max_tokens":64$STREAM}`, wants: "choices", streams: true, ends: "[DONE]", counts: true},
	{wire.OpEmbeddings, wire.OpenAIEmbeddings}:   {ask: `{"model":"$MODEL","input":"hello"}`, wants: "data", counts: true},
	{wire.OpImages, wire.OpenAIImages}:           {ask: `{"model":"$MODEL","prompt":"a signal box","n":1,"size":"1024x1024"}`, wants: "data", counts: true},
	{wire.OpImageEdits, wire.OpenAIImageEdits}:   {kind: multipart, ask: part("image", "a.png", "image/png", "\x89PNG", "model", "$MODEL", "prompt", "a signal box"), wants: "data", counts: true},
	{wire.OpSpeech, wire.OpenAISpeech}:           {ask: `{"model":"$MODEL","input":"hello","voice":"alloy"}`, counts: true},
	{wire.OpTranscription, wire.OpenAITranscription}: {kind: multipart, ask: part("file", "a.mp3", "audio/mpeg", "ID3 conform", "model", "$MODEL"),
		wants: "text", counts: true},
	{wire.OpTranslation, wire.OpenAITranslation}: {kind: multipart, ask: part("file", "a.mp3", "audio/mpeg", "ID3 conform", "model", "$MODEL"), wants: "text", counts: true},
	{wire.OpModeration, wire.OpenAIModeration}:   {ask: `{"model":"$MODEL","input":"hello"}`, wants: "results"},
	{wire.OpRerank, wire.CohereRerank}:           {ask: `{"model":"$MODEL","query":"hello","documents":["bye","hello"]}`, wants: "results", counts: true},
	{wire.OpCredential, wire.Raw}:                {method: http.MethodGet},
}

// body is a request in this form.
func (f *form) body(model string, stream bool) (contentType, body string) {
	s := ""
	if stream {
		s = `,"stream":true`
		if f.ends == "[DONE]" {
			s += `,"stream_options":{"include_usage":true}`
		}
	}
	return or(f.kind, "application/json"), strings.NewReplacer("$MODEL", model, "$STREAM", s).Replace(f.ask)
}

// json reports whether requests are JSON.
func (f *form) json() bool { return f.kind == "" && f.method == "" }

// with adds members to a JSON request.
func (f *form) with(model string, members string) string {
	_, body := f.body(model, false)
	return strings.TrimSuffix(body, "}") + members + "}"
}

// answer checks a whole answer.
func (f *form) answer(r *reply) error {
	if f.wants == "" {
		if r.body == "" {
			return fmt.Errorf("the answer is empty")
		}
		return nil
	}
	if kind := r.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		return fmt.Errorf("Content-Type is %q; want application/json", kind)
	}
	var v map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		return fmt.Errorf("the answer is not a JSON object: %s", clip(r.body))
	}
	if v[f.wants] == nil {
		return fmt.Errorf("the answer has no member %q, which the dialect's answers have: %s", f.wants, clip(r.body))
	}
	return nil
}

// whole checks a stream that has ended.
func (f *form) whole(r *reply) error {
	if kind := r.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return fmt.Errorf("Content-Type is %q; want text/event-stream", kind)
	}
	if !strings.HasSuffix(r.body, "\n\n") {
		return fmt.Errorf("the last event is not ended by an empty line: …%s", clip(r.body[max(0, len(r.body)-200):]))
	}
	list := events(r.body)
	for i := len(list) - 1; i >= 0; i-- {
		if strings.HasPrefix(list[i], ":") {
			continue // a comment
		}
		if strings.Contains(list[i], f.ends) {
			return nil
		}
		return fmt.Errorf("the stream does not end with %s, as the dialect's do, but with %s", f.ends, clip(list[i]))
	}
	return fmt.Errorf("the stream has no event")
}

// usage reads the dialect's own count, where an answer tells one.
func (f *form) usage(d wire.Dialect, body string) (u wire.Usage, ok bool) {
	if strings.HasPrefix(strings.TrimSpace(body), "{") {
		return wire.ReadUsage(d, []byte(body))
	}
	for line := range strings.Lines(body) {
		if data, isData := strings.CutPrefix(line, "data:"); isData {
			ok = wire.ReadUsageEvent(d, []byte(strings.TrimSpace(data)), &u) || ok
		}
	}
	return u, ok
}
