package pipeline_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestGroupsAreMapped: steps in a row, branches and steps with each of their own
// are done for each element, as one step is.
func TestGroupsAreMapped(t *testing.T) {
	const in = "input: {l: {type: list<string>, default: [x, y, z]}, deep: {type: list<list<string>>, default: [[a, b], [c]]}}\n"
	busyErr := wire.Errorf(503, "overloaded", "too busy")
	f := func(source string, answer func(prompt string, n int) *wire.Error, want, code string, asked int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			c, times, answered := &fake{cost: 7}, map[string]int{}, int64(0)
			c.answer = func(_ context.Context, _ *pipeline.Request, prompt string) (string, *wire.Error) {
				c.mu.Lock()
				times[prompt]++
				n := times[prompt]
				answered++
				c.mu.Unlock()
				if answer == nil {
					return prompt, nil
				}
				return prompt, answer(prompt, n)
			}
			rec, err := run(t, mustCompile(t, in+source), c, `{}`)
			got, _ := json.Marshal(rec.Output)
			if code == "" && (err != nil || string(got) != want) || code != "" && (err == nil || err.Code != code) || len(c.asked) != asked || int64(rec.Cost) != 7*answered {
				t.Errorf("%s\ngives %s, %v after %d requests for %d; want %s, %q after %d", source, got, err, len(c.asked), rec.Cost, want, code, asked)
			}
		})
	}
	const row = "steps: [{name: a, model: m, with: {prompt: \"{{ item }}\"}}, {name: b, model: m, with: {prompt: \"{{ a.text }}{{ index }}\"}}]"
	fails := func(prompt string, times int) func(string, int) *wire.Error {
		return func(p string, n int) *wire.Error {
			if p == prompt && n <= times {
				return busyErr
			}
			return nil
		}
	}
	f("steps: [{name: g, each: input.l, "+row+"}]\noutput: \"{{ map(g, #.b.text) }}\"", nil, `["x0","y1","z2"]`, "", 6)
	f("steps: [{name: g, each: input.l, parallel: [{name: a, model: m, with: {prompt: \"1{{ item }}\"}}, {name: b, model: m, with: {prompt: \"2{{ item }}\"}}]}]\noutput: \"{{ map(g, #.a.text + #.b.text) }}\"",
		nil, `["1x2x","1y2y","1z2z"]`, "", 6)
	f("steps: [{name: g, each: input.deep, steps: [{name: a, model: m, each: item, with: {prompt: \"{{ item }}{{ index }}\"}}, {name: b, model: m, with: {prompt: \"{{ len(item) }}{{ join(map(a, #.text), '') }}\"}}]}]\noutput: \"{{ map(g, #.b.text) }}\"",
		nil, `["2a0b1","1c0"]`, "", 5)
	f("steps: [{name: o, each: input.deep, steps: [{name: g, each: item, steps: [{name: a, model: m, with: {prompt: \"{{ item }}\"}}]}]}]\noutput: \"{{ map(o, len(#.g)) }}\"", nil, `[2,1]`, "", 3)
	f("steps: [{name: g, each: '[]', "+row+"}]\noutput: \"{{ g }}\"", nil, `[]`, "", 0)
	f("steps: [{name: g, when: 'false', each: input.l, "+row+"}]\noutput: \"{{ len(g) }}\"", nil, `0`, "", 0)
	// An item fails with what lies within it, and may.
	f("steps: [{name: g, each: input.l, concurrency: 1, "+row+"}]\noutput: x", fails("y", 9), "", "overloaded", 3)
	f("steps: [{name: g, each: input.l, concurrency: 1, min_success: 2, "+row+"}]\noutput: [\"{{ map(g, #.ok) }}\", \"{{ g[1].error contains 'too busy' }}\", \"{{ g[1].b.text }}\", \"{{ g[2].b.text }}\"]",
		fails("y", 9), `[[true,false,true],true,"","z2"]`, "", 5)
	// A group is tried again as a whole, and each of its items by itself.
	f("steps: [{name: g, retry: {attempts: 2}, steps: [{name: a, model: m, with: {prompt: p}}, {name: b, model: m, with: {prompt: q}}]}]\noutput: \"{{ b.text }}\"",
		fails("q", 2), `"q"`, "", 6)
	f("steps: [{name: g, retry: {attempts: 1}, parallel: [{name: a, model: m, with: {prompt: p}}, {name: b, model: m, with: {prompt: q}}]}]\noutput: x", fails("q", 9), "", "overloaded", 4)
	f("steps: [{name: g, each: input.l, concurrency: 1, retry: {attempts: 1}, "+row+"}]\noutput: \"{{ map(g, #.b.text) }}\"", fails("y1", 1), `["x0","y1","z2"]`, "", 8)
	f("steps: [{name: g, retry: {attempts: 3}, steps: [{name: a, model: m, with: {prompt: p}}]}]\noutput: x", func(string, int) *wire.Error { return wire.Errorf(400, "bad", "no") }, "", "bad", 1)
	// A step's budget is one, however often its group is done.
	f("steps: [{name: g, each: input.l, concurrency: 1, min_success: 0, steps: [{name: a, model: m, budget: 0.000000014, with: {prompt: \"{{ item }}\"}}]}]\noutput: \"{{ map(g, #.ok) }}\"", nil, `[true,true,false]`, "", 3)
}

// TestARunThatEndsBetweenItems: what was not begun is not passed off as done.
func TestARunThatEndsBetweenItems(t *testing.T) {
	f := func(more string, fail bool) {
		t.Helper()
		ctx, leave := context.WithCancel(context.Background())
		defer leave()
		c := echo()
		c.answer = func(_ context.Context, _ *pipeline.Request, prompt string) (string, *wire.Error) {
			leave() // and the answer is there all the same
			if fail {
				return "", wire.Errorf(400, "bad", "no")
			}
			return prompt, nil
		}
		rec, err := mustCompile(t, "steps: [{name: a, model: m, concurrency: 1, each: '[\"x\", \"y\"]', with: {prompt: \"{{ item }}\"}"+more+"}]").Run(ctx, "r", map[string]any{}, c, pipeline.Watch{})
		if err == nil || err.Code != "client_closed_request" || rec.Output != nil || rec.Status != pipeline.StatusFailed || len(c.asked) != 1 {
			t.Errorf("%s: %v, %v after %q", more, rec.Output, err, c.asked)
		}
	}
	f("", false)
	f(", min_success: 0", false)
	f(", min_success: 0", true)
}

// TestGroupsOfAPlan: what a group is done for, and how often it is tried, counts
// for what is within.
func TestGroupsOfAPlan(t *testing.T) {
	const in = "input: {l: {type: list<string>, max: 10, max_items: 4}}\n"
	bound := func(source string) (once, worst int64, p *pipeline.Plan) {
		t.Helper()
		p = mustCompile(t, in+source).Plan(priced{})
		if p.Bound == nil || p.Worst == nil {
			t.Fatalf("%s: %v", source, p.Unbounded)
		}
		return int64(*p.Bound), int64(*p.Worst), p
	}
	const step = "{name: a, model: m, max_tokens: 10, with: {prompt: x}}"
	once, worst, _ := bound("steps: [" + step + "]")
	all, most, p := bound("output: x\nsteps: [{name: g, each: input.l, max_items: 5, retry: {attempts: 2}, steps: [" + step + "]}]")
	if all != 5*once || most != 5*3*worst || p.Steps[0].MaxItems != 5 || p.Steps[0].Retries != 2 || p.Steps[0].Concurrency != 4 {
		t.Errorf("%d and %d nano-dollars; want %d and %d", all, most, 5*once, 15*worst)
	}
	capped, _, _ := bound("output: x\nsteps: [{name: g, each: input.l, max_items: 5, steps: [{name: a, model: m, max_tokens: 10, budget: 0.000001, with: {prompt: x}}]}]")
	if capped != 1000 {
		t.Errorf("a budget of 1000 nano-dollars in a group bounds it by %d", capped)
	}
	item, _, _ := bound("output: x\nsteps: [{name: g, each: input.l, max_items: 1, steps: [{name: a, model: m, max_tokens: 10, with: {prompt: \"{{ item }}\"}}]}]")
	if item < once+4*10*6 {
		t.Errorf("an item of a list of 240 bytes adds %d", item-once)
	}
	grown, _, _ := bound("steps: [{name: a, model: m, max_tokens: 10, with: {prompt: \"{{ replace(join(input.l, ''), 'x', join(input.l, '')) }}\"}}]")
	if grown < 8<<20 {
		t.Errorf("a text that replace makes is taken for %d bytes", grown)
	}
}

// TestGroupsInTheRecord: each try and item of a group is there, and edges tell
// what a group itself reads.
func TestGroupsInTheRecord(t *testing.T) {
	const source = "input: {l: {type: list<string>, default: [x, y]}}\noutput: x\nsteps: [{name: g, each: input.l, when: 'len(input.l) > 1', steps: [{name: a, model: m, with: {prompt: \"{{ item }}\"}}]}]"
	p := mustCompile(t, source)
	c := echo()
	c.cost = 3
	rec, err := run(t, p, c, `{}`)
	if err != nil || len(rec.Steps) != 1 || len(rec.Steps[0].Items) != 2 || rec.Steps[0].Items[1].Steps[0].Name != "a" || *rec.Steps[0].Items[1].Index != 1 || rec.Tree.Cost != 6 || len(rec.Tree.Children[0].Children) != 2 {
		got, _ := json.Marshal(rec)
		t.Errorf("%v: %s", err, got)
	}
	g := p.Graph()
	for _, e := range []pipeline.Edge{{From: "input.l", To: "g", Field: "each"}, {From: "input.l", To: "g", Field: "when"}} {
		if !slices.Contains(g.Edges, e) {
			t.Errorf("%v is not among %v", e, g.Edges)
		}
	}
	if want := "list<{a: {"; !strings.HasPrefix(g.Steps[0].Type, want) {
		t.Errorf("the type is %s; want %s…", g.Steps[0].Type, want)
	}
}

// TestEditsAndCompletions: what goes out has the form of the operation, and what
// comes is read.
func TestEditsAndCompletions(t *testing.T) {
	var got []*pipeline.Request
	c := echo()
	c.answer = func(_ context.Context, r *pipeline.Request, _ string) (string, *wire.Error) {
		got = append(got, r)
		if r.Op == wire.OpImageEdits {
			return `{"data": [{"b64_json": "iVBORw0KGgo="}]}`, nil
		}
		return `{"choices": [{"text": "and so on", "finish_reason": "length"}]}`, nil
	}
	p := mustCompile(t, `
input: {pic: {type: image}, more: {type: list<image>}, mask: {type: image}, n: {type: number, default: 2}}
output: ["{{ edit.image.type }}", "{{ len(many.images) }}", "{{ text.text }}", "{{ text.finish_reason }}"]
steps:
  - {name: edit, model: m, op: image-edits, with: {image: "{{ input.pic }}", mask: "{{ input.mask }}", prompt: "a \"cat\"", n: "{{ input.n }}", size: 64x64}}
  - {name: many, model: m, op: image-edits, with: {image: "{{ concat(input.more, [edit.image]) }}", prompt: x}, params: {background: clear}}
  - {name: text, model: m, op: completions, max_tokens: 7, with: {prompt: "once", suffix: end}}`)
	const pic = `"data:image/png;base64,AAAA"`
	rec, err := run(t, p, c, `{"input": {"pic": `+pic+`, "mask": `+pic+`, "more": [`+pic+`]}}`)
	out, _ := json.Marshal(rec.Output)
	if err != nil || string(out) != `["image/png",1,"and so on","length"]` || len(got) != 3 {
		t.Fatalf("%s, %v", out, err)
	}
	form := func(f *pipeline.Form, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(string(f.Body), w) {
				t.Errorf("%q is not in\n%s", w, f.Body)
			}
		}
		if string(f.Body[f.ModelFrom:f.Model]) != "m" {
			t.Errorf("the model is %q", f.Body[f.ModelFrom:f.Model])
		}
	}
	one := got[0].Form
	form(one, "name=\"image\"; filename=\"image.png\"\r\nContent-Type: image/png\r\n\r\n\x00\x00\x00\r\n", "name=\"mask\"; filename", "name=\"prompt\"\r\n\r\na \"cat\"\r\n", "name=\"n\"\r\n\r\n2\r\n")
	if one.N != 2 || one.Files != 2 || one.Size != "64x64" || strings.Contains(string(one.Body), "response_format") {
		t.Errorf("%+v", one)
	}
	form(got[1].Form, "name=\"image[]\"; filename", "name=\"background\"\r\n\r\nclear\r\n")
	if want := `{"max_tokens":7,"model":"m","prompt":"once","suffix":"end"}`; string(got[2].Body) != want {
		t.Errorf("a completion is asked for as %s, want %s", got[2].Body, want)
	}
	for given, want := range map[string]string{`{"input": {"pic": ` + pic + `, "n": 11}}`: "n is 11: give a whole number from 1 to 10", `{"input": {"pic": ` + pic + `, "n": 1.5}}`: "n is 1.5", `{}`: "image is empty"} {
		if _, err := run(t, p, c, given); err == nil || !strings.Contains(err.Message, want) || err.Param != "steps.edit.with" {
			t.Errorf("%s: %+v; want %q", given, err, want)
		}
	}
}

// TestADeadlineHoldsForGroups: it ends their tries and items too.
func TestADeadlineHoldsForGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := echo()
		c.answer = func(context.Context, *pipeline.Request, string) (string, *wire.Error) {
			return "", wire.Errorf(503, "overloaded", "too busy")
		}
		begun := time.Now()
		_, err := run(t, mustCompile(t, "deadline: 3s\noutput: x\nsteps: [{name: g, each: '[1, 2]', retry: {attempts: 5, backoff: 9s}, steps: [{name: a, model: m, retry: {attempts: 5, backoff: 2s}, with: {prompt: x}}]}]"), c, `{}`)
		if err == nil || err.Code != "pipeline_deadline" || time.Since(begun) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}
