package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// busy answers after a second, and knows how many it was asked at a time.
type busy struct {
	fake
	running, most atomic.Int64
}

func newBusy() *busy {
	b := &busy{}
	b.answer = func(ctx context.Context, _ *pipeline.Request, prompt string) (string, *wire.Error) {
		n := b.running.Add(1)
		defer b.running.Add(-1)
		for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
		}
		select {
		case <-time.After(time.Second):
			return prompt, nil
		case <-ctx.Done():
			return "", wire.Errorf(499, "client_closed_request", "ended")
		}
	}
	return b
}

// TestSideBySide: branches and items run beside each other, no more of them than
// they may, and what they give is in order.
func TestSideBySide(t *testing.T) {
	f := func(source string, most int64, took time.Duration, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			b, begun := newBusy(), time.Now()
			rec, err := run(t, mustCompile(t, source), b, `{}`)
			got, _ := json.Marshal(rec.Output)
			if err != nil || string(got) != want || b.most.Load() != most || time.Since(begun) != took {
				t.Errorf("%s\ngives %s, %v, after %s with %d at a time; want %s after %s with %d", source, got, err, time.Since(begun), b.most.Load(), want, took, most)
			}
		})
	}
	f(`
steps:
  - name: g
    parallel:
      - {name: a, model: m, with: {prompt: a}}
      - name: s
        steps: [{name: b, model: m, with: {prompt: b}}, {name: c, model: m, with: {prompt: "{{ b.text }}c"}}]
      - {name: d, model: m, with: {prompt: d}}
output: "{{ a.text + c.text + d.text }}"`, 3, 2*time.Second, `"abcd"`)
	list := func(more string) string {
		return "input: {l: {type: list<number>, default: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}}\nsteps: [{name: a, model: m, each: input.l, with: {prompt: \"{{ string(item) }}\"}" + more + "}]"
	}
	const all = `["0","1","2","3","4","5","6","7","8","9"]`
	f(list(""), 4, 3*time.Second, all)
	f(list(", concurrency: 10"), 10, time.Second, all)
	f(list(", concurrency: 1"), 1, 10*time.Second, all)
}

// TestWhatFails: what becomes of a step that fails, by what it says of that.
func TestWhatFails(t *testing.T) {
	busyErr := wire.Errorf(503, "overloaded", "too busy")
	f := func(name, source string, answer func(n int, r *pipeline.Request, prompt string) (string, *wire.Error), output, status string, asked int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			c := &fake{cost: 1000}
			n := 0
			c.answer = func(_ context.Context, r *pipeline.Request, prompt string) (string, *wire.Error) {
				c.mu.Lock()
				n++
				k := n
				c.mu.Unlock()
				return answer(k, r, prompt)
			}
			rec, err := run(t, mustCompile(t, source), c, `{}`)
			got, _ := json.Marshal(rec.Output)
			if err != nil {
				got = []byte(err.Code + ": " + err.Message)
			}
			if !strings.Contains(string(got), output) || string(rec.Steps[0].Status) != status || len(c.asked) != asked || int64(rec.Cost) != 1000*int64(asked) {
				t.Errorf("%s: %s with %s after %d requests for %d; want %s, %s, %d", name, got, rec.Steps[0].Status, len(c.asked), rec.Cost, output, status, asked)
			}
		})
	}
	failing := func(until int) func(int, *pipeline.Request, string) (string, *wire.Error) {
		return func(n int, _ *pipeline.Request, prompt string) (string, *wire.Error) {
			if n <= until {
				return "", busyErr
			}
			return prompt, nil
		}
	}
	step := func(more string) string { return "steps: [{name: a, model: m, with: {prompt: hi}" + more + "}]" }
	f("fails", step(""), failing(9), `overloaded: pipeline "p", step "a": too busy`, "failed", 1)
	f("retried", step(", retry: {attempts: 2}"), failing(2), `"hi"`, "ok", 3)
	f("retried too seldom", step(", retry: {attempts: 1}"), failing(2), "overloaded", "failed", 2)
	f("another model", step(", retry: {attempts: 1}, fallback: [m2, m3]"), func(_ int, r *pipeline.Request, prompt string) (string, *wire.Error) {
		if r.Model != "m3" {
			return "", busyErr
		}
		return prompt, nil
	}, `"hi"`, "ok", 5)
	f("nothing else helps", step(", retry: {attempts: 2}, fallback: [m2]"), func(int, *pipeline.Request, string) (string, *wire.Error) {
		return "", wire.Errorf(400, "bad", "no such thing")
	}, "bad", "failed", 1)
	f("skipped", step(", on_error: skip"), failing(9), `""`, "skipped", 1)
	f("a default", step(", on_error: default, default: none"), failing(9), `"none"`, "defaulted", 1)
	f("what it says of itself", step(", on_error: skip")+"\noutput: [\"{{ a.ok }}\", \"{{ a.error contains 'too busy' }}\"]", failing(9), `[false,true]`, "skipped", 1)
	f("not what was asked for", step(", json: {schema: {type: object, required: [x], properties: {x: {type: string}}}}, retry: {attempts: 1}"), func(n int, _ *pipeline.Request, _ string) (string, *wire.Error) {
		return []string{`{"x": 3}`, "```json\n{\"x\": \"y\"}\n```"}[n-1], nil
	}, `{"x":"y"}`, "ok", 2)
	f("without what is required", step(", json: {schema: {type: object, required: [x], properties: {x: {type: string}}}}"), func(int, *pipeline.Request, string) (string, *wire.Error) { return `{}`, nil },
		"x is missing", "failed", 1)
	each := func(more string) string {
		return "input: {l: {type: list<number>, default: [0, 1, 2, 3]}}\nsteps: [{name: a, model: m, concurrency: 1, each: input.l, with: {prompt: \"{{ string(item) }}\"}" + more + "}]"
	}
	second := func(n int, _ *pipeline.Request, prompt string) (string, *wire.Error) {
		if n == 2 {
			return "", busyErr
		}
		return prompt, nil
	}
	f("an item fails", each(""), second, "overloaded", "failed", 2)
	f("an item may fail", each(", min_success: 3"), second, `["0","","2","3"]`, "ok", 4)
	f("more than may", each(", min_success: 3"), failing(2), "overloaded", "failed", 2)
	f("an item has a default", each(", on_error: default, default: none"), second, `["0","none","2","3"]`, "ok", 4)
	f("which have", each(", min_success: 0")+"\noutput: \"{{ map(filter(a, #.ok), #.text) }}\"", second, `["0","2","3"]`, "ok", 4)
	f("too many items", each(", max_items: 3"), second, "more than max_items (3)", "failed", 0)
}

// TestMoneyIsNotOverspent: requests beside each other hold their worst case.
func TestMoneyIsNotOverspent(t *testing.T) {
	f := func(source string, asked int, want string) {
		t.Helper()
		c := echo()
		c.cost = 1_000_000 // 0.001 USD
		rec, err := run(t, mustCompile(t, source), c, `{}`)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Message, want) || err.Status != 402) || int(rec.Cost) != asked*1_000_000 {
			t.Errorf("%s: %v, for %d; want %q for %d", source, err, rec.Cost, want, asked*1_000_000)
		}
	}
	const list = "input: {l: {type: list<number>, default: [0, 1, 2, 3, 4, 5, 6, 7]}}\n"
	each := func(more string) string {
		return "steps: [{name: a, model: m, concurrency: 8, each: input.l, min_success: 0, with: {prompt: \"{{ string(item) }}\"}" + more + "}]"
	}
	f("budget: 0.008\n"+list+each(""), 8, "")
	f(list+each(", budget: 0.005"), 5, "")
	f("budget: 0.003\n"+list+each(""), 3, "")
	f("budget: 0.0015\nsteps: [{name: a, model: m, with: {prompt: x}}, {name: b, model: m, with: {prompt: x}}]", 1,
		`step "b": its request may cost up to 0.001 USD, and of the budget of pipeline "p", 0.0015 USD, 0.0005 USD is left`)
	f("steps: [{name: a, model: m, budget: 0.0001, with: {prompt: x}}]", 0, `of the budget of the step, 0.0001 USD`)
}

// TestItEndsInTime: deadlines and timeouts end what runs, callers who leave too.
func TestItEndsInTime(t *testing.T) {
	f := func(source string, leave time.Duration, code, message string, took time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if leave > 0 {
				time.AfterFunc(leave, cancel)
			}
			b, begun := newBusy(), time.Now()
			rec, err := mustCompile(t, source).Run(ctx, "r", map[string]any{}, b, pipeline.Watch{})
			if err == nil || err.Code != code || !strings.Contains(err.Message, message) || time.Since(begun) != took || rec.Status != pipeline.StatusFailed || b.running.Load() != 0 {
				t.Errorf("%s: %v after %s, %d still run; want %s after %s", source, err, time.Since(begun), b.running.Load(), code, took)
			}
		})
	}
	const two = "steps: [{name: a, model: m, with: {prompt: x}}, {name: g, parallel: [{name: b, model: m, with: {prompt: x}}, {name: c, model: m, with: {prompt: x}}]}]\noutput: x\n"
	f("deadline: 1500ms\n"+two, 0, "pipeline_deadline", "within its deadline of 1.5s", 1500*time.Millisecond)
	f(two, 1200*time.Millisecond, "client_closed_request", "the caller closed the connection", 1200*time.Millisecond)
	f("steps: [{name: a, model: m, timeout: 300ms, with: {prompt: x}}]", 0, "step_timeout", `step "a": "m" did not answer within the step's timeout of 300ms`, 300*time.Millisecond)
	f("steps: [{name: a, model: m, timeout: 300ms, fallback: [m2], with: {prompt: x}}]", 0, "step_timeout", `"m2"`, 600*time.Millisecond)
}

// TestAFailureEndsTheOthers: branches beside one that fails are not waited for.
func TestAFailureEndsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBusy()
		slow := b.answer
		b.answer = func(ctx context.Context, r *pipeline.Request, prompt string) (string, *wire.Error) {
			if r.Step == "bad" {
				return "", wire.Errorf(400, "bad", "no")
			}
			return slow(ctx, r, prompt)
		}
		begun := time.Now()
		rec, err := run(t, mustCompile(t, "steps: [{name: g, parallel: [{name: bad, model: m, with: {prompt: x}}, {name: c, model: m, with: {prompt: x}}]}]\noutput: x"), b, `{}`)
		if err == nil || err.Code != "bad" || err.Param != "steps.bad" || time.Since(begun) != 0 {
			t.Errorf("%+v after %s", err, time.Since(begun))
		}
		if got := []pipeline.Status{rec.Steps[0].Steps[0].Status, rec.Steps[0].Steps[1].Status}; !slices.Equal(got, []pipeline.Status{pipeline.StatusFailed, pipeline.StatusCancelled}) {
			t.Errorf("the branches are %s", got)
		}
	})
}

// TestTheLastStepStreams: its chunks are handed on as they come, and what later
// reads its text finds all of it.
func TestTheLastStepStreams(t *testing.T) {
	f := func(source string, want ...string) {
		t.Helper()
		var got []string
		p := mustCompile(t, source)
		inputs, _, err := p.Body("", nil)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := p.Run(context.Background(), "r", inputs, echo(), pipeline.Watch{Chunk: func(data []byte) error {
			got = append(got, pipeline.ChunkText(data))
			return nil
		}})
		if err != nil || !slices.Equal(got, want) || len(want) > 0 && rec.Output != strings.Join(want, "") {
			t.Errorf("%s: %q, %v, %v; want %q", source, got, rec.Output, err, want)
		}
	}
	f("steps: [{name: a, model: m, with: {prompt: one two}}, {name: b, model: m, with: {prompt: \"{{ a.text }} three\"}}]", "one ", "two ", "three")
	f("steps: [{name: b, model: m, with: {prompt: a b}}]\noutput: \"{{ b.text }}\"", "a ", "b")
	f("steps: [{name: b, model: m, with: {prompt: a b}}]\noutput: \"{{ b.text }}!\"")
	f("steps: [{name: b, model: m, when: 'true', with: {prompt: a b}}]")
	f("steps: [{name: b, model: m, json: {}, on_error: skip, with: {prompt: a b}}]\noutput: x")
}

// TestAStreamThatBeganIsNotTriedAgain: what has left cannot be taken back.
func TestAStreamThatBeganIsNotTriedAgain(t *testing.T) {
	p := mustCompile(t, "steps: [{name: a, model: m, retry: {attempts: 3, backoff: 1ms}, fallback: [m2], with: {prompt: x}}]")
	c := &cutting{}
	sent := 0
	_, err := p.Run(context.Background(), "r", map[string]any{}, c, pipeline.Watch{Chunk: func([]byte) error { sent++; return nil }})
	if err == nil || err.Code != "stream_interrupted" || c.calls != 2 || sent != 1 {
		t.Errorf("%v after %d calls, %d chunks", err, c.calls, sent)
	}
}

// cutting fails before its first chunk, then after it.
type cutting struct{ calls int }

// Call implements pipeline.Caller.
func (c *cutting) Call(_ context.Context, r *pipeline.Request) (pipeline.Reply, *wire.Error) {
	if c.calls++; c.calls > 1 {
		fmt.Fprint(r.Into, "data: {\"choices\": [{\"delta\": {\"content\": \"half\"}}]}\n\n")
	}
	return pipeline.Reply{}, wire.Errorf(502, "stream_interrupted", "cut")
}

// TestPlan: a bound for each step and the whole, and what has none is said.
func TestPlan(t *testing.T) {
	p := mustCompile(t, `
input: {text: {type: string, max: 100}, langs: {type: list<string>, max: 5}}
budget: 0.5
steps:
  - {name: a, model: m, max_tokens: 10, retry: {attempts: 1}, with: {prompt: "{{ input.text }}"}}
  - {name: b, model: m, each: input.langs, max_items: 3, max_tokens: 10, with: {prompt: "{{ item }} {{ a.text }}"}}
  - {name: c, model: munknown, when: "b[0].ok", with: {prompt: x}}`)
	plan := p.Plan(priced{})
	if plan.Bound == nil || *plan.Bound != 500_000_000 || len(plan.Unbounded) != 1 || !strings.Contains(plan.Unbounded[0], `step "c": no price`) {
		t.Errorf("plan = %+v", plan)
	}
	a, b := plan.Steps[0], plan.Steps[1]
	if a.Bound == nil || *a.Bound < 600 || *a.Worst != 2*2**a.Bound || b.MaxItems != 3 || *b.Bound%3 != 0 || *b.Bound <= 3**a.Bound/2 {
		t.Errorf("a = %+v, b = %+v", a, b)
	}
}

// priced asks a nano-dollar a byte and a token.
type priced struct{}

func (priced) Attempts() int        { return 2 }
func (priced) Longest(string) int64 { return 100 }

// Bound implements pipeline.Bounds.
func (priced) Bound(model string, a *pipeline.Ask) (int64, string) {
	if model == "munknown" {
		return 0, "no price"
	}
	return a.Bytes + a.MaxTokens, ""
}

// TestAPanicCostsItsStep: wherever it happens, the run ends with an error.
func TestAPanicCostsItsStep(t *testing.T) {
	f := func(source string) {
		t.Helper()
		c := echo()
		c.answer = func(_ context.Context, r *pipeline.Request, prompt string) (string, *wire.Error) {
			if prompt == "boom" {
				panic("boom")
			}
			return prompt, nil
		}
		told := 0
		rec, err := mustCompile(t, source).Run(context.Background(), "r", map[string]any{}, c, pipeline.Watch{Panic: func(step string, what any, stack []byte) {
			if step == "a" && what == "boom" && len(stack) > 0 {
				told++
			}
		}})
		if err == nil || err.Code != "internal_error" || err.Param != "steps.a" || rec.Status != pipeline.StatusFailed || told != 1 {
			t.Errorf("%s: %v, %+v, told %d times", source, err, rec, told)
		}
	}
	f("steps: [{name: a, model: m, with: {prompt: boom}}]")
	f("steps: [{name: a, model: m, each: '[\"boom\", \"x\"]', with: {prompt: \"{{ item }}\"}}]")
	f("output: x\nsteps: [{name: g, parallel: [{name: a, model: m, with: {prompt: boom}}, {name: b, model: m, with: {prompt: x}}]}]")
}
