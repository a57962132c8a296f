package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

// defaultCompletion is max_tokens of completions that name none, as with OpenAI.
const defaultCompletion = 16

func (d *demo) complete(r *provider.Request, w *provider.Writer) error {
	body, c, name, err := d.begin(r, chatModels...)
	if err != nil {
		return err
	}
	model, _, _ := strings.Cut(name, "?")
	a := &ask{controls: c, name: name, model: model, n: min(max(body.GetInt("n"), 1), 16), maxTokens: defaultCompletion,
		stream: body.GetBool("stream"), includeUsage: body.GetBool("stream_options", "include_usage")}
	if a.model == "fixed" && a.Tokens > 0 {
		a.maxTokens = 0
	}
	if n := body.GetInt("max_tokens"); n > 0 {
		a.maxTokens = n
	}
	prompts, err := inputs(body.Get("prompt"))
	if err != nil {
		return invalid("prompt", "a text, or 1 to 2048 texts or lists of tokens")
	}
	for _, p := range prompts {
		a.promptBytes += len(p)
	}
	a.text = prompts[0]
	o := a.answer()
	o.usage.Output += o.usage.Reasoning // this dialect has no place for reasoning
	o.usage.Reasoning = 0
	if a.stream {
		s := completionEvents(r.ID(), a, o)
		return w.Stream(func(out *provider.Stream) error { return s.play(r, a, o, out) })
	}
	w.Usage(o.usage)
	return reply(w, &c, completion(r.ID(), a, o))
}

func completionHead(dst []byte, id string, a *ask) []byte {
	dst = append(append(dst, `{"id":"cmpl-`...), id...)
	return append(quote(append(dst, `","object":"text_completion","created":`+created+`,"model":`...), a.name), `,"choices":[`...)
}

func completionChoice(dst []byte, i int, text, finish string) []byte {
	dst = strconv.AppendInt(append(dst, `{"index":`...), int64(i), 10)
	dst = quote(append(dst, `,"text":`...), text)
	return append(append(append(dst, `,"logprobs":null,"finish_reason":`...), finish...), '}')
}

func completion(id string, a *ask, o *answer) []byte {
	dst := completionHead(nil, id, a)
	for i := range a.n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = completionChoice(dst, i, o.text, `"`+o.finish("stop", "length", "stop")+`"`)
	}
	return append(openAIUsage(append(dst, `],"usage":`...), o.usage), '}')
}

func completionEvents(id string, a *ask, o *answer) (s script) {
	head := completionHead([]byte("data: "), id, a)
	s.mark()
	for _, p := range a.pieces(o) {
		for i := range a.n {
			s.buf = append(completionChoice(append(s.buf, head...), i, p, "null"), "]}\n\n"...)
			s.mark()
		}
	}
	for i := range a.n {
		s.buf = append(completionChoice(append(s.buf, head...), i, "", `"`+o.finish("stop", "length", "stop")+`"`), "]}\n\n"...)
	}
	if a.includeUsage {
		s.buf = append(append(s.buf, head...), `],"usage":`...)
		s.buf = append(openAIUsage(s.buf, o.usage), "}\n\n"...)
	}
	s.buf = append(s.buf, "data: [DONE]\n\n"...)
	return s
}

// count answers how many tokens a chat request has, as its usage would say.
func (d *demo) count(r *provider.Request, w *provider.Writer) error {
	body, c, _, err := d.begin(r, chatModels...)
	if err != nil {
		return err
	}
	var n int64
	if r.Dialect == wire.GeminiGenerate {
		n = max(tokens(geminiText(body)), 1)
		out := strconv.AppendInt([]byte(`{"totalTokens":`), n, 10)
		out = strconv.AppendInt(append(out, `,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`...), n, 10)
		return reply(w, &c, append(out, `}]}`...))
	}
	messages := body.GetArray("messages")
	if len(messages) == 0 {
		return invalid("messages", "at least one")
	}
	size := visitText(body.Get("system"), nil)
	for _, m := range messages {
		size += visitText(m.Get("content"), nil)
	}
	n = max(tokens(size), 1)
	return reply(w, &c, append(strconv.AppendInt([]byte(`{"input_tokens":`), n, 10), '}'))
}

// geminiText is the size of the texts of a Gemini request, plain or within
// generateContentRequest.
func geminiText(body *fastjson.Value) (n int) {
	if whole := body.Get("generateContentRequest"); whole != nil {
		body = whole
	}
	contents := append(slices.Clone(body.GetArray("contents")), body.Get("systemInstruction"))
	for _, content := range contents {
		for _, part := range content.GetArray("parts") {
			n += len(part.GetStringBytes("text"))
		}
	}
	return n
}
