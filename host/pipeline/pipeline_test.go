package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// models serves what begins with "m", chats alone where it is "mc".
type models struct{}

// Serves implements pipeline.Models.
func (models) Serves(model string, op wire.Op, _ wire.Dialect) error {
	switch {
	case !strings.HasPrefix(model, "m"):
		return fmt.Errorf("there is no model %q", model)
	case model == "mc" && op != wire.OpChat:
		return fmt.Errorf("model %q does not serve %s", model, op)
	}
	return nil
}

func compile(source string) (*pipeline.Pipeline, error) {
	spec, err := config.ParsePipeline("p", []byte(source))
	if err != nil {
		return nil, err
	}
	return pipeline.Compile("p", &spec, models{})
}

func mustCompile(t testing.TB, source string) *pipeline.Pipeline {
	t.Helper()
	p, err := compile(source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fake answers chats with what answer says of the prompt.
type fake struct {
	mu     sync.Mutex
	asked  []string
	answer func(ctx context.Context, r *pipeline.Request, prompt string) (string, *wire.Error)
	cost   int64
}

// Call implements pipeline.Caller.
func (f *fake) Call(ctx context.Context, r *pipeline.Request) (pipeline.Reply, *wire.Error) {
	prompt := promptOf(r)
	f.mu.Lock()
	f.asked = append(f.asked, r.Model+"<"+prompt)
	n := len(f.asked)
	f.mu.Unlock()
	out := pipeline.Reply{ID: fmt.Sprintf("req_%d", n), Model: r.Model, Attempts: 1, Cost: f.cost, Usage: wire.Usage{Input: 2, Output: 1}}
	if r.Purse != nil {
		if err := r.Purse.Hold(f.cost); err != nil {
			out.Cost, out.Attempts = 0, 0
			return out, err
		}
		defer r.Purse.Settle(f.cost, f.cost)
	}
	text, err := f.answer(ctx, r, prompt)
	if err != nil {
		return out, err
	}
	switch r.Op {
	case wire.OpChat:
		out.Body = chatBody(text)
	default:
		out.Body = []byte(text)
	}
	if r.Into == nil {
		return out, nil
	}
	out.Body = nil
	for word := range strings.SplitAfterSeq(text, " ") {
		data, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]string{"content": word}}}})
		if _, err := fmt.Fprintf(r.Into, "data: %s\n\n", data); err != nil {
			return out, wire.Errorf(499, "client_closed_request", "%v", err)
		}
	}
	return out, nil
}

func chatBody(text string) []byte {
	b, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"message": map[string]string{"content": text}, "finish_reason": "stop"}}})
	if err != nil {
		panic(err)
	}
	return b
}

// promptOf is the text of the last message, or the body's input.
func promptOf(r *pipeline.Request) string {
	var body struct {
		Messages []struct {
			Content any `json:"content"`
		} `json:"messages"`
		Input any `json:"input"`
	}
	if r.Form != nil {
		return fmt.Sprintf("form of %d bytes", len(r.Form.Body))
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return err.Error()
	}
	if n := len(body.Messages); n > 0 {
		return fmt.Sprint(body.Messages[n-1].Content)
	}
	return fmt.Sprint(body.Input)
}

func echo() *fake {
	return &fake{answer: func(_ context.Context, _ *pipeline.Request, prompt string) (string, *wire.Error) { return prompt, nil }}
}

func run(t testing.TB, p *pipeline.Pipeline, c pipeline.Caller, given string) (*pipeline.Record, *wire.Error) {
	t.Helper()
	inputs, _, err := p.Body("application/json", []byte(given))
	if err != nil {
		return &pipeline.Record{}, err
	}
	return p.Run(context.Background(), "run_1", inputs, c, pipeline.Watch{})
}

// TestWhatIsWrongIsSaid: every slip names the field and the step, all of a
// pipeline's at once.
func TestWhatIsWrongIsSaid(t *testing.T) {
	f := func(source string, want ...string) {
		t.Helper()
		_, err := compile(source)
		if err == nil {
			t.Errorf("no error of\n%s", source)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("the error of\n%s\nis\n%v\nwant %q in it", source, err, w)
			}
		}
	}
	const in = "input: {text: {type: string}, list: {type: list<string>}, pic: {type: image}, n: {type: number}}\n"
	step := func(fields string) string { return in + "steps:\n  - {name: a, model: m, " + fields + "}\n" }
	f("", "pipelines.p.steps: there is none")
	f(step(`with: {prompt: "{{ input.txt }}"}`), `pipelines.p.steps[0].with.prompt (step "a")`, "unknown field txt", "column 8")
	f(step(`with: {prompt: "{{ imput.text }}"}`), `did you mean "input"?`)
	f(step(`with: {prompt: "{{ input.text"}`), "has {{ without }}")
	f(step(`with: {prompt: "{{ input.n }}"}`), "is number, and must be string")
	f(step(`with: {promt: x}`), `takes no "promt", did you mean "prompt"?`, "steps[0].with.prompt (step \"a\"): is missing")
	f(step(`with: {prompt: x, image: "{{ input.text }}"}`), "is string, and must be image")
	f(step(`with: {prompt: "of {{ input.pic }}"}`), "puts a file into a text")
	f(step(`with: {prompt: x}, op: chatt`), `no operation "chatt" for steps, did you mean "chat"?`)
	f(step(`with: {prompt: x}, when: input.text`), "steps[0].when", "is string, and must be boolean")
	f(step(`with: {prompt: x}, each: input.text`), "steps[0].each", "is string, and must be list<any>")
	f(step(`with: {prompt: "{{ item }}"}`), "it is there in steps that have each")
	f(step(`with: {prompt: "{{ a.text }}"}`), "the step needs what it gives itself")
	f(step(`with: {prompt: x}, on_error: default`), "steps[0].default", "is missing")
	f(step(`with: {prompt: x}, on_error: default, default: 5`), "is number, and must be string")
	f(step(`with: {prompt: x}, on_error: maybe`), `is "maybe": give fail, skip or default`)
	f(step(`with: {prompt: x}, min_success: 2`), "steps[0].each", "is missing")
	f(step(`with: {prompt: x}, budget: -1`), "steps[0].budget", "give dollars")
	f(step(`with: {prompt: x}, retry: {attempts: 9}`), "steps[0].retry.attempts", "give 0 to 5")
	f(step(`op: image-edits, with: {prompt: x}`), "steps[0].with.image (step \"a\"): is missing", "image or list<image>")
	f(step(`op: image-edits, with: {prompt: x, image: "{{ input.text }}"}`), "with.image", "is string, and must be image")
	f(step(`op: image-edits, with: {prompt: x, image: "{{ input.pic }}"}, params: {mask: "https://x/y.png"}`), "params.mask", "write it under with")
	f(step(`op: completions, with: {}`), "steps[0].with.prompt", "completions needs it")
	f(step(`op: completions, with: {prompt: x}, json: {}`), "json", "is of chat steps")
	f(step(`with: {prompt: "{{ string($env) }}"}`), "names do not begin with __ or $")
	const group = "steps: [{name: b, model: m, with: {prompt: x}}]"
	g := func(fields string) string { return in + "output: x\nsteps:\n  - {name: a, " + fields + "}\n" }
	f(g(group+`, each: input.text`), `pipelines.p.steps[0].each (step "a")`, "is string, and must be list<any>")
	f(g(group+`, retry: {attempts: 9}`), `steps[0].retry.attempts (step "a")`, "give 0 to 5")
	f(g(group+`, min_success: 1`), `steps[0].each (step "a")`, "is missing")
	f(g(group+`, each: input.list, max_items: -1`), `steps[0].max_items (step "a")`)
	f(g(group+`, each: input.list, on_error: skip`), `steps[0].on_error (step "a")`, "this one is a group")
	f(g(`each: input.list, steps: [{name: ok, model: m, with: {prompt: x}}]`), `(step "ok")`, "choose another name")
	f(g(`each: input.list, steps: [{name: b, model: m, with: {prompt: "{{ itm }}"}}]`), `steps[0].steps[0].with.prompt (step "b")`, "unknown name itm")
	f(g(`each: input.list, max_items: 1000, steps: [{name: b, model: m, each: input.list, with: {prompt: x}}]`), `steps[0].steps[0].each (step "b")`, "up to 100000 times")
	f(g(`each: input.list, concurrency: 64, max_items: 2, parallel: [{name: b, model: m, each: input.list, with: {prompt: x}}]`), `steps[0].parallel[0].each (step "b")`, "256 at a time")
	f(in+"output: \"{{ b.text }}\"\nsteps: [{name: a, each: input.list, "+group+"}]", "pipelines.p.output", "read what it gives as map(a, #.b)")
	f(step(`with: {prompt: x}, fallback: [x]`), "steps[0].fallback[0]", `there is no model "x"`)
	f(step(`with: {prompt: x}, params: {stream: true}`), "params.stream", "is set by the step itself")
	f(step(`with: {prompt: x}, json: {schema: {}}`), "json.schema.type")
	f(step(`with: {prompt: x}, tiemout: 3s`), `unknown key "tiemout", did you mean "timeout"?`)
	f(step(`with: {prompt: x}, timeout: 3`), "must be a duration")
	f("steps: [{name: a, model: pipeline/x, with: {prompt: x}}]", "is a pipeline, and steps ask models")
	f("steps: [{name: a, model: mc, op: speech, with: {input: x}}]", `model "mc" does not serve speech`)
	f("steps: [{name: A-b, model: m, with: {prompt: x}}]", "a step's name has lower-case letters")
	f("steps: [{name: filter, model: m, with: {prompt: x}}]", "expressions have already")
	f("steps: [{name: a, model: m, with: {prompt: x}}, {name: a, model: m, with: {prompt: x}}]", "is used twice")
	f(`steps: [{name: a, model: m, with: {prompt: "{{ b.text }}"}}, {name: b, model: m, with: {prompt: "{{ a.text }}"}}]`, "which is a cycle", `steps[0].with.prompt (step "a")`)
	f(`steps: [{name: a, model: m, with: {prompt: "{{ b.text }}"}}, {name: b, model: m, with: {prompt: x}}]`, `step "b" runs later, or beside this one`)
	f(`steps: [{name: g, parallel: [{name: a, model: m, with: {prompt: "{{ b.text }}"}}, {name: b, model: m, with: {prompt: x}}]}]`, "parallel[0].with.prompt", "beside this one")
	f(`steps: [{name: g, model: m, parallel: [{name: a, model: m, with: {prompt: x}}]}]`, "steps[0].model", "this one is a group", "pipelines.p.output: is missing")
	f(`{output: "{{ a.txet }}", steps: [{name: a, model: m, with: {prompt: x}}]}`, "pipelines.p.output: ", "unknown field txet")
	f("input: {a: {type: text}}\nsteps: [{name: b, model: m, with: {prompt: x}}]", "pipelines.p.input.a.type")
	f("input: {a: {type: number, from: chat.text}}\nsteps: [{name: b, model: m, with: {prompt: x}}]", "chat.text gives string, and the input is number")
	f("input: {a: {type: string, default: 3}}\nsteps: [{name: b, model: m, with: {prompt: x}}]", "input.a.default", "a is a number, and must be string")
	f("input: {a: {type: string, default: x, enum: [y]}}\nsteps: [{name: b, model: m, with: {prompt: x}}]", "a is none of y")
	f("grant: all\nbudget: -3\nsteps: [{model: x}]", "pipelines.p.grant", "pipelines.p.budget", "steps[0].name", "steps[0].model")
}

// TestWhatGoesOutIsWhatWasWritten: values keep their types, texts are joined.
func TestWhatGoesOutIsWhatWasWritten(t *testing.T) {
	f := func(source, given, want string) {
		t.Helper()
		rec, err := run(t, mustCompile(t, source), echo(), given)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			return
		}
		got, err := rec.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		var shown struct{ Output json.RawMessage }
		if err := json.Unmarshal(got, &shown); err != nil || string(shown.Output) != want {
			t.Errorf("%s\ngives %s (%v), want %s", source, shown.Output, err, want)
		}
	}
	const in = "input: {text: {type: string, default: hi}, n: {type: number}, list: {type: list<string>}, deep: {type: object}, yes: {type: boolean}}\n"
	out := func(value string) string {
		return in + "output: " + value + "\nsteps: [{name: a, model: m, with: {prompt: \"say {{ input.text }}\"}}]"
	}
	f(out(`"{{ a.text }}"`), `{}`, `"say hi"`)
	f(out(`"{{ input.n }}"`), `{"input": {"n": 1.5}}`, `1.5`)
	f(out(`"n={{ input.n }}, {{ input.list }}"`), `{"input": {"n": 2, "list": ["x"]}}`, `"n=2, [\"x\"]"`)
	f(out(`{a: [1, "{{ input.yes }}", x], b: "{{ {k: {v: 1}}.k.v }}"}`), `{"input": {"yes": true}}`, `{"a":[1,true,"x"],"b":1}`)
	f(out(`"{{ join(map(input.list, upper(#)), '-') }}"`), `{"input": {"list": ["x", "y"]}}`, `"X-Y"`)
	f(out(`"{{ input.deep.a.b }}"`), `{"input": {"deep": {"a": {"b": [1]}}}}`, `[1]`)
	f(out(`"{{ flatten([[1, [2]], [], ['x']]) }}"`), `{}`, `[1,2,"x"]`)
	f(out(`"{{ string(1.5) + string(true) + string(input.list) + fromJSON(string({a: 'b'})).a }}"`), `{"input": {"list": ["x"]}}`, `"1.5true[\"x\"]b"`)
	f(out(`"{{ split('a,b', ',') }}"`), `{}`, `["a","b"]`)
	f(out(`"{{ replace('}} {{', '}', ']') + toJSON({a: 1}) }}"`), `{}`, `"]] {{{\"a\":1}"`)
	f(out(`"{{ len(input.list) > 1 ? 'many' : 'few' }}"`), `{}`, `"few"`)
	f(in+"steps: [{name: a, model: m, each: input.list, with: {prompt: \"{{ index }}:{{ item }}\"}}]", `{"input": {"list": ["x", "y"]}}`, `["0:x","1:y"]`)
	f(in+"steps: [{name: a, model: m, when: input.yes, with: {prompt: x}}]", `{}`, `""`)
	f("steps: [{name: a, model: m, json: {schema: {type: object, required: [n], properties: {n: {type: number}, s: {type: string}}}}, with: {prompt: '{\"n\": 4}'}}]\noutput: {n: \"{{ a.json.n + 1 }}\", s: \"{{ a.json.s }}\"}", `{}`, `{"n":5,"s":""}`)
	f("steps: [{name: a, model: m, op: embeddings, with: {input: '{}'}, on_error: default, default: [1, 2]}]", `{}`, `[1,2]`)
}

// TestExpressionBombs: what takes more than it may is refused, before or while
// it runs.
func TestExpressionBombs(t *testing.T) {
	long := `{"input": {"text": "` + strings.Repeat("x", 1<<20) + `", "list": [` + strings.TrimSuffix(strings.Repeat(`"xxxxxxxxxx",`, 1000), ",") + `]}}`
	f := func(expression, want string) {
		t.Helper()
		p, err := compile("input: {text: {type: string}, list: {type: list<string>}}\noutput: \"{{ " + expression + " }}\"\nsteps: [{name: a, model: m, with: {prompt: x}}]")
		if err == nil {
			_, failed := run(t, p, echo(), long)
			if err = failed; failed == nil {
				t.Errorf("%.80s is evaluated", expression)
				return
			}
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v; want %q", expression, err, want)
		}
	}
	const cost = "takes more than it may"
	f("1..1000000000", "ranges are not available")
	f("let x = 1; x", "let is not available")
	f("1; 2", "; is not available")
	f("repeat('x', 1000000000)", "unknown name repeat")
	f("reduce(input.list, #acc + #acc, input.text)", "there is no function reduce")
	f("count(input.list, count(input.list, count(input.list, true) > 0) > 0)", "nested deeper than 2")
	f("count(input.list, count(input.list, # != '') > 2000)", cost)
	f("replace(input.text, '', input.text)", cost)
	f("join(map(input.list, input.text), '')", cost)
	f("toJSON(map(input.list, input.list))", cost)
	f("map(input.list, map(input.list, input.text + #))", cost)
	f("split(input.text, '')", "pieces of a text, more than 1000")
	f("map(input.list, map(input.list, split(join(input.list, ','), ',')))", cost)
	f("string(map(input.list, input.text))", cost)
	f("map(input.list, fromJSON(input.text))", "invalid character")
	f("map(input.list, fromJSON(toJSON(input.list)))", cost)
	f("flatten(map(input.list, input.list))", cost)
	f(strings.Repeat("1 + ", 500)+"1", "exceeds maximum allowed nodes")
	f(strings.Repeat("(", 3000)+"1"+strings.Repeat(")", 3000), "longer than 4096 bytes")
	f("__tick()", "names do not begin with __")
}

func TestInputsAreChecked(t *testing.T) {
	p := mustCompile(t, `
input:
  text: {type: string, required: true, max: 5}
  tone: {type: string, enum: [a, b]}
  n: {type: number}
  yes: {type: boolean}
  list: {type: list<string>, max_items: 2}
  pic: {type: image, max: 4}
  sound: {type: audio}
steps: [{name: a, model: m, with: {prompt: x}}]`)
	f := func(given, want, param string) {
		t.Helper()
		_, err := run(t, p, echo(), given)
		if err == nil || !strings.Contains(err.Message, want) || err.Param != param || err.Status != 400 {
			t.Errorf("%s: %+v; want %q about %s", given, err, want, param)
		}
	}
	in := func(more string) string { return `{"input": {"text": "a"` + more + `}}` }
	f(`[1]`, "must be a JSON object", "")
	f(`{`, "cannot be read", "")
	f(`{"input": 3}`, "input must be an object", "input")
	f(`{"inputs": {}}`, `did you mean "input"?`, "inputs")
	f(`{"input": {}}`, `needs the input "text", string`, "input.text")
	f(in(`, "tone": "c"`), "tone is none of a, b", "input.tone")
	f(`{"input": {"text": "abcdef"}}`, "has 6 characters, more than 5", "input.text")
	f(in(`, "txt": 1`), `has no input "txt", did you mean "text"?`, "input.txt")
	f(in(`, "n": "1"`), "n is a string, and must be number", "input.n")
	f(in(`, "yes": 1`), "yes is a number, and must be boolean", "input.yes")
	f(in(`, "list": ["a", 2]`), "list[1] is a number, and must be string", "input.list")
	f(in(`, "list": ["a", "b", "c"]`), "has 3 elements, more than 2", "input.list")
	f(in(`, "pic": "https://x/y.png"`), "give a data URL", "input.pic")
	f(in(`, "pic": "data:text/plain;base64,AAAA"`), "is a file of type text/plain, and must be image", "input.pic")
	f(in(`, "pic": "data:image/png;base64,AAAAAAAA"`), "has 6 bytes, more than 4", "input.pic")
	f(in(`, "pic": {"type": "image/png", "data": "*"}`), "base64 cannot be decoded", "input.pic")
	f(in(`, "sound": {"type": "audio/x\r\ny", "data": "AAAA"}`), "characters that neither can have", "input.sound")
	f(in(`, "n": `+strings.Repeat("[", 500)+strings.Repeat("]", 500)), "nested deeper", "")
	if _, err := run(t, p, echo(), in(`, "pic": "data:image/png;base64,AAAA", "n": null`)); err != nil {
		t.Error(err)
	}
}

func TestForms(t *testing.T) {
	p := mustCompile(t, `
input: {sound: {type: audio, required: true}, n: {type: number}, yes: {type: boolean}, tags: {type: list<string>}, pics: {type: list<image>}}
output: {n: "{{ input.n }}", yes: "{{ input.yes }}", tags: "{{ input.tags }}", pics: "{{ len(input.pics) }}", kind: "{{ input.sound.type }}"}
steps: [{name: a, model: m, with: {prompt: x}}]`)
	part := func(name, more, body string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"" + more + "\r\n\r\n" + body + "\r\n"
	}
	sound := part("sound", "; filename=\"a.wav\"\r\nContent-Type: audio/wave", "RIFF")
	f := func(body, want string) {
		t.Helper()
		inputs, _, err := p.Body("multipart/form-data; boundary=b", []byte(body))
		if err != nil {
			if !strings.Contains(err.Message, want) {
				t.Errorf("%q: %v; want %q", body, err, want)
			}
			return
		}
		rec, err := p.Run(context.Background(), "r", inputs, echo(), pipeline.Watch{})
		got, _ := json.Marshal(rec.Output)
		if err != nil || string(got) != want {
			t.Errorf("%q: %s, %v; want %s", body, got, err, want)
		}
	}
	f(sound+part("n", "", "2")+part("yes", "", "true")+part("tags", "", "a, b")+"--b--\r\n", `{"kind":"audio/wav","n":2,"pics":0,"tags":["a","b"],"yes":true}`)
	f(sound+part("input", "", `{"n": 3}`)+part("pics", "; filename=x.png", "\x89PNG\r\n\x1a\n")+part("pics", "; filename=y.png", "\x89PNG\r\n\x1a\n")+"--b--\r\n",
		`{"kind":"audio/wav","n":3,"pics":2,"tags":[],"yes":false}`)
	f(part("n", "", "2")+"--b--\r\n", `needs the input "sound", audio: send it as a part of a form`)
	f(sound+part("n", "", "two")+"--b--\r\n", "n is a string, and must be number")
	f(sound+sound+"--b--\r\n", "is there twice")
	f(part("sound", "; filename=a.png\r\nContent-Type: image/png", "x")+"--b--\r\n", "is a file of type image/png, and must be audio")
	f(part("sound", "", "plain")+"--b--\r\n", "must be audio")
	f(sound, "ends before its last boundary")
	f("", "cannot be read")
	f(sound+part("input", "", "[]")+"--b--\r\n", "must be a JSON object")
	if _, _, err := p.Body("multipart/form-data", nil); err == nil {
		t.Error("a form without a boundary is read")
	}
}

// TestAllProblemsAreListed: the error can be taken apart.
func TestAllProblemsAreListed(t *testing.T) {
	_, err := compile("steps: [{name: a, model: x, with: {prompt: \"{{ y }}\"}, on_error: z}]")
	var all *pipeline.Error
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	var paths []string
	for _, p := range all.Problems {
		paths = append(paths, p.Path)
	}
	if want := []string{"steps[0].model", "steps[0].with.prompt", "steps[0].on_error"}; !slices.Equal(paths, want) {
		t.Errorf("the problems are at %q, want %q", paths, want)
	}
}
