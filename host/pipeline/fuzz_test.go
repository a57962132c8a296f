package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// FuzzPipeline reads, compiles and runs what anybody could write, on whatever
// inputs: nothing panics, what compiles can be shown, planned and run within
// bounds, and what it gives can be written.
func FuzzPipeline(f *testing.F) {
	for _, seed := range []string{
		"steps: [{name: a, model: m, with: {prompt: \"{{ input.text }}\"}}]\ninput: {text: {type: string}}",
		"input: {l: {type: list<string>}}\nsteps: [{name: a, model: m, each: input.l, with: {prompt: \"{{ item + string(index) }}\"}}]\noutput: \"{{ map(a, #.text) }}\"",
		"steps: [{name: g, parallel: [{name: a, model: m, op: embeddings, with: {input: x}}, {name: b, model: m, with: {prompt: y}, on_error: skip}]}]\noutput: {a: \"{{ a.vector }}\", b: \"{{ b.ok ? toJSON(b) : '' }}\"}",
		"budget: 1\ndeadline: 5s\nsteps: [{name: a, model: m, json: {schema: {type: object, properties: {x: {type: array, items: {type: number}}}}}, with: {prompt: '{\"x\": [1]}'}}]\noutput: \"{{ sum(a.json.x) }}\"",
		"input: {s: {type: audio}}\nsteps: [{name: a, model: m, op: transcription, with: {file: \"{{ input.s }}\"}}]",
		"steps: [{name: a, model: m, with: {prompt: \"{{ {'a': [1, 2.5, nil, 'x']}.a[1:3] }} {{ 'x' matches '^x' }}\"}, retry: {attempts: 1, backoff: 1ns}}]",
		"output: \"{{ replace(toJSON(input), '\\\"', join(split('a b', ' '), '')) }}\"\nsteps: [{name: a, model: m, when: 'len(input.t) > 1', with: {prompt: x}}]\ninput: {t: {type: string, default: ab}}",
		"input: {l: {type: list<string>}}\nsteps: [{name: g, each: input.l, min_success: 0, retry: {attempts: 1, backoff: 1ns}, steps: [{name: a, model: m, with: {prompt: \"{{ item }}\"}}, {name: b, model: m, each: '[item, a.text]', with: {prompt: \"{{ item }}\"}}]}]\noutput: \"{{ map(g, #.b) }}\"",
		"input: {p: {type: list<image>}}\nsteps: [{name: a, model: m, op: image-edits, with: {image: \"{{ input.p }}\", prompt: x, n: 2}}, {name: b, model: m, op: completions, max_tokens: 5, with: {prompt: x}}]\noutput: \"{{ a.images }}\"",
	} {
		f.Add([]byte(seed), []byte(`{"input": {"text": "hi", "l": ["a", "b"], "s": "data:audio/wav;base64,AAAA"}}`))
		f.Add([]byte(seed), []byte(`{}`))
	}
	f.Fuzz(func(t *testing.T, source, given []byte) {
		spec, err := config.ParsePipeline("p", source)
		if err != nil {
			return
		}
		p, err := pipeline.Compile("p", &spec, nil)
		if err != nil {
			return
		}
		for _, v := range []any{p.Shown(), p.Graph(), p.Plan(priced{})} {
			if _, err := json.Marshal(v); err != nil {
				t.Fatalf("%T cannot be written: %v", v, err)
			}
		}
		inputs, _, bad := p.Body("application/json", given)
		if bad != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c := echo()
		c.answer = func(_ context.Context, r *pipeline.Request, prompt string) (string, *wire.Error) {
			if r.Op != wire.OpChat {
				return `{"data": [{"embedding": [1]}], "text": "x", "results": []}`, nil
			}
			return prompt, nil
		}
		rec, failed := p.Run(ctx, "r", inputs, c, pipeline.Watch{})
		if ctx.Err() != nil {
			t.Fatal("it does not end")
		}
		out, unwritten := rec.Append(nil)
		if failed == nil && unwritten == nil && !json.Valid(bytes.TrimSpace(out)) {
			t.Fatalf("%s", out)
		}
	})
}
