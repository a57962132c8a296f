package dispatch_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// purse covers an answer step by step until it is empty.
type purse struct {
	ledger
	step, most int64
	covered    int64
	asked      int
}

func (p *purse) Flow(*call.Call) int64 {
	p.asked++
	p.covered = min(p.covered+p.step, p.most)
	return p.covered
}

// TestReportedReasoningIsCovered: what an upstream reports underway counts, also
// where the caller is shown none of it.
func TestReportedReasoningIsCovered(t *testing.T) {
	account := &purse{step: 500, most: 1000}
	r := &rig{t: t, d: dispatch.New(dispatch.Options{}, account)}
	piece := `data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":1,"thoughtsTokenCount":2000}}` + "\n\n"
	r.target("a", events(piece, piece, piece, "HANG"), func(e *call.Endpoint, _ *call.Provider) { e.Dialect = wire.GeminiGenerate })
	c := r.call(streamCall)
	c.Dialect, c.Stepped = wire.GeminiGenerate, true
	out, err, _ := r.do(c)
	if err != nil || strings.Count(out, `"text":"a"`) != 1 || c.Err == nil || c.Err.Code != "budget_cut" {
		t.Errorf("2000 tokens of reasoning pass where 1000 are covered: %v, %v: %s", err, c.Err, out)
	}
}

// TestStreamIsCutInItsDialect: where nothing more is covered an answer ends as
// its dialect ends one that has become too long, and the upstream is left.
func TestStreamIsCutInItsDialect(t *testing.T) {
	f := func(d wire.Dialect, body string, before []string, piece, last string, want ...string) {
		t.Helper()
		account := &purse{step: 4, most: 10}
		r := &rig{t: t, d: dispatch.New(dispatch.Options{}, account)}
		var left atomic.Bool
		gone := make(chan struct{})
		list := before
		for range 10 {
			list = append(list, piece)
		}
		up := events(append(list, piece, piece, "HANG")...)
		r.target("a", func(w http.ResponseWriter, req *http.Request) {
			up(w, req)
			left.Store(true)
			close(gone)
		}, func(e *call.Endpoint, _ *call.Provider) { e.Dialect = d })
		c := r.call(body)
		c.Dialect, c.Stepped = d, true
		out, err, werr := r.do(c)
		if err != nil || werr != nil {
			t.Fatalf("%s: %v, %v", d, err, werr)
		}
		<-gone
		if n := strings.Count(out, piece); n != 10 || account.asked < 3 {
			t.Errorf("%s: %d pieces came, %d steps were asked for: %s", d, n, account.asked, out)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: there is no %s in %s", d, w, out)
			}
		}
		if !strings.HasSuffix(out, last) {
			t.Errorf("%s: the end is %s", d, out)
		}
		for line := range strings.Lines(out) {
			data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
			if ok && data != "[DONE]" && !json.Valid([]byte(data)) {
				t.Errorf("%s: %s is no JSON", d, data)
			}
		}
		if c.Err == nil || c.Err.Code != "budget_cut" || c.Err.Status != 200 || account.finished != 1 || c.Events != 10+int64(len(before)) && d != wire.OpenAIChat {
			t.Errorf("%s: recorded as %+v with %d events, finished %d times", d, c.Err, c.Events, account.finished)
		}
	}
	f(wire.OpenAIChat, streamCall, nil, delta("word"), doneEvent, `"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}`, `"id":"x"`)
	f(wire.OpenAIChat, `{"model":"fast","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`, nil,
		delta("word"), doneEvent, `"finish_reason":"length"`, `"choices":[],"usage":{"prompt_tokens":`)
	f(wire.OpenAICompletions, streamCall, nil, "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"text\":\"word\",\"finish_reason\":null}]}\n\n", doneEvent,
		`"object":"text_completion"`, `"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"length"}]}`)
	f(wire.AnthropicMessages, streamCall, []string{
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n",
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"},
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_delta\",\"text\":\"word\"}}\n\n",
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", `{"type":"content_block_stop","index":2}`, `"stop_reason":"max_tokens"`)
	f(wire.OpenAIResponses, streamCall, []string{
		"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}\n\n"},
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"delta\":\"word\"}\n\n",
		"\n\n", `event: response.incomplete`, `"sequence_number":5`, `"id":"resp_1"`, `"incomplete_details":{"reason":"max_output_tokens"}`)
	f(wire.GeminiGenerate, streamCall, nil,
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"word\"}],\"role\":\"model\"},\"index\":0}],\"modelVersion\":\"g-1\"}\n\n",
		"\n\n", `"finishReason":"MAX_TOKENS"`, `"modelVersion":"g-1"`)
}

// TestLongPiecesCountAsSeveralTokens: an event may carry more than one.
func TestLongPiecesCountAsSeveralTokens(t *testing.T) {
	account := &purse{step: 1000, most: 99}
	r := &rig{t: t, d: dispatch.New(dispatch.Options{}, account)}
	long := delta(strings.Repeat("x", 200)) // about 50 tokens
	r.target("a", events(delta("x"), long, long, long, "HANG"))
	c := r.call(streamCall)
	c.Stepped = true
	out, _, _ := r.do(c)
	if n := strings.Count(out, long); n != 2 {
		t.Errorf("%d long pieces came: %s", n, out)
	}
	if c.Events < 99 {
		t.Errorf("%d tokens are accounted for", c.Events)
	}
}

// TestWholeAnswerInSteps: what is covered to its end is not touched.
func TestWholeAnswerInSteps(t *testing.T) {
	account := &purse{step: 2, most: 1 << 40}
	r := &rig{t: t, d: dispatch.New(dispatch.Options{}, account)}
	r.target("a", events(delta("a"), delta("b"), delta("c"), finish, usage, doneEvent))
	c := r.call(streamCall)
	c.Stepped = true
	out, err, werr := r.do(c)
	if err != nil || werr != nil || !strings.HasPrefix(out, delta("a")+delta("b")+delta("c")+finish) || c.Err != nil || strings.Contains(out, "length") {
		t.Errorf("got %s, %v, %v, recorded %v", out, err, werr, c.Err)
	}
}

// TestCapGoesUpstream: what a budget leaves for an answer is what the upstream
// is asked for, unless the caller or policy wants less.
func TestCapGoesUpstream(t *testing.T) {
	f := func(body string, policy, budget int64, want string) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		got := make(chan string, 1)
		r.target("a", func(w http.ResponseWriter, req *http.Request) {
			var b struct {
				MaxTokens json.Number `json:"max_tokens"`
			}
			_ = json.NewDecoder(req.Body).Decode(&b)
			got <- b.MaxTokens.String()
			answer(w, req)
		})
		c := r.call(body)
		c.Decision, c.MaxTokens = &call.Decision{Allow: true, MaxTokens: policy}, budget
		if _, err, _ := r.do(c); err != nil {
			t.Fatal(err)
		}
		if n := <-got; n != want {
			t.Errorf("%s under %d and %d: upstream was asked for %q; want %q", body, policy, budget, n, want)
		}
	}
	f(jsonCall, 0, 50, "50")
	f(jsonCall, 40, 50, "40")
	f(jsonCall, 60, 50, "50")
	f(`{"model":"fast","max_tokens":30,"messages":[]}`, 0, 50, "30")
	f(`{"model":"fast","max_tokens":300,"messages":[]}`, 0, 50, "50")
}
