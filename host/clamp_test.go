package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// greedy answers with as many tokens as it may, a nano-dollar each.
type greedy struct{ bill, shorter atomic.Int64 }

func (g *greedy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var ask struct {
		MaxTokens int64 `json:"max_tokens"`
		Stream    bool
	}
	if err := json.NewDecoder(req.Body).Decode(&ask); err != nil {
		panic(err)
	}
	if ask.MaxTokens < 1000 {
		g.shorter.Add(1)
	}
	if !ask.Stream {
		g.bill.Add(ask.MaxTokens)
		w.Header().Set("Content-Type", "application/json")
		n := strconv.FormatInt(ask.MaxTokens, 10)
		_, _ = io.WriteString(w, `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":`+n+`,"total_tokens":`+n+`}}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for range ask.MaxTokens {
		if _, err := io.WriteString(w, `data: {"id":"x","choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}]}`+"\n\n"); err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
	_, _ = fmt.Fprintf(w, "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"+
		"data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\ndata: [DONE]\n\n", ask.MaxTokens, ask.MaxTokens)
}

// shortBench is a host whose budget leaves too little for what is asked of it.
type shortBench struct {
	t      *testing.T
	h      *Host
	d      *dispatch.Dispatcher
	up     *greedy
	target *call.Target
	chain  *budget.Chain
	ids    *call.IDs
}

func newShortBench(t *testing.T, limits ...call.Limit) *shortBench {
	t.Helper()
	h, first := moneyHost(t)
	h.Done(&first.Call)
	b := &shortBench{t: t, h: h, up: &greedy{}, ids: call.NewIDs(2, 0)}
	b.d = dispatch.New(dispatch.Options{Log: h.log}, h)
	b.target = (&charging{answer: b.up.ServeHTTP}).at(t, "a")
	var err error
	if b.chain, err = h.budget.Chain(limits); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *shortBench) ask(body string) (c *call.Call, out string, err *wire.Error) {
	c = planned(b.h, b.chain, b.ids.Next(time.Now()), []*call.Target{b.target}, 0)
	c.Body = []byte(body)
	if err := scan.Request(&c.Facts, c.Body); err != nil {
		b.t.Error(err)
	}
	f := c.Owner.(*flight)
	bound, err := b.h.bound(f, b.target)
	if err != nil {
		return c, "", err
	}
	c.Candidates[0].Bound, c.Candidates[0].Tokens = bound.USD, bound.Tokens
	ans, err := b.d.Do(c)
	if err == nil && ans.Stream != nil {
		var text bytes.Buffer
		if _, err := ans.Stream.WriteTo(&text); err != nil {
			b.t.Error(err)
		}
		if err := ans.Stream.Close(); err != nil {
			b.t.Error(err)
		}
		return c, text.String(), nil
	}
	c.Err = err
	b.h.Finish(c)
	return c, string(ans.Body), err
}

func within(unit call.Unit, max int64, way call.OnExceed) call.Limit {
	return call.Limit{Scope: "team/short", Unit: unit, Window: call.Window{Unit: "total", Size: 1}, Max: max, OnExceed: way}
}

const (
	longAsk   = `{"model":"x","max_tokens":1000,"messages":[]}`
	streamAsk = `{"model":"x","max_tokens":2000,"stream":true,"messages":[]}`
)

// TestAnswersAreMadeToFit: under a limit that clamps, requests at once get what
// is left, the upstream's bill is what the budget lost, and nearly all is used.
func TestAnswersAreMadeToFit(t *testing.T) {
	for _, unit := range []call.Unit{call.UnitUSD, call.UnitTokens} {
		const most = 10_000
		wide := within(call.UnitUSD, 1<<40, call.OnDeny)
		wide.Scope = "org/o"
		b := newShortBench(t, within(unit, most, call.OnClamp), wide)
		var clamped, refused atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					c, _, err := b.ask(longAsk)
					switch {
					case err != nil && err.Code != "budget_exceeded" && err.Code != "budget_unavailable":
						t.Errorf("refused with %+v", err)
					case err != nil:
						refused.Add(1)
					case c.MaxTokens > 0:
						clamped.Add(1)
						if c.Usage.Output != c.MaxTokens || c.MaxTokens < leastAnswer {
							t.Errorf("clamped to %d, got %d", c.MaxTokens, c.Usage.Output)
						}
					}
					b.h.Done(c)
				}
			})
		}
		wg.Wait()
		room := b.h.budget.Room(b.chain, time.Now())
		spent := most - room[unit]
		if bill := b.up.bill.Load(); bill != spent || spent > most || most-spent > 200 {
			t.Errorf("%s: the upstream's bill is %d, the budget lost %d of %d", unit, bill, spent, most)
		}
		if clamped.Load() == 0 || refused.Load() == 0 || b.up.shorter.Load() != clamped.Load() || b.h.budget.Stats().Open != 0 {
			t.Errorf("%s: %d clamped, %d refused, %d came shorter, %+v", unit, clamped.Load(), refused.Load(), b.up.shorter.Load(), b.h.budget.Stats())
		}
	}
}

// TestDenyGoesBeforeClamp: a limit that refuses is not softened by another.
func TestDenyGoesBeforeClamp(t *testing.T) {
	deny := within(call.UnitUSD, 300, call.OnDeny)
	deny.Scope = "key/k"
	b := newShortBench(t, within(call.UnitUSD, 500, call.OnClamp), deny)
	if _, _, err := b.ask(longAsk); err == nil || err.Status != 402 || !strings.Contains(err.Message, "key/k") {
		t.Errorf("got %+v", err)
	}
	b = newShortBench(t, within(call.UnitUSD, 60, call.OnClamp))
	if _, _, err := b.ask(longAsk); err == nil || err.Code != "budget_exceeded" { // the prompt leaves no room for an answer
		t.Errorf("got %+v", err)
	}
	b = newShortBench(t, within(call.UnitRequests, 1, call.OnClamp))
	if _, _, err := b.ask(longAsk); err != nil {
		t.Error(err)
	}
	if _, _, err := b.ask(longAsk); err == nil || err.Code != "budget_exceeded" {
		t.Errorf("a request beyond the last one: %+v", err)
	}
}

// TestStreamsInSteps: streams at once share what is left step by step; where
// nothing is, they end as if they had become too long, and what they are
// charged is within the budget.
func TestStreamsInSteps(t *testing.T) {
	for _, unit := range []call.Unit{call.UnitUSD, call.UnitTokens} {
		const most = 6000
		b := newShortBench(t, within(unit, most, call.OnStream))
		var cut, whole, words, charged atomic.Int64
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				c, out, err := b.ask(streamAsk)
				if err != nil {
					return // too little was left to begin
				}
				n := int64(strings.Count(out, `"word"`))
				words.Add(n)
				charged.Add(c.Cost)
				switch {
				case strings.Contains(out, `"finish_reason":"length"`) && strings.HasSuffix(out, "data: [DONE]\n\n"):
					cut.Add(1)
					if c.Err == nil || c.Err.Code != "budget_cut" || c.Cost < n {
						t.Errorf("cut after %d words: recorded as %v, %d", n, c.Err, c.Cost)
					}
				case n == 2000:
					whole.Add(1)
				default:
					t.Errorf("an answer of %d words: …%s", n, out[max(0, len(out)-300):])
				}
				b.h.Done(c)
			})
		}
		wg.Wait()
		spent := most - b.h.budget.Room(b.chain, time.Now())[unit]
		if spent > most || words.Load() > spent || unit == call.UnitUSD && charged.Load() != spent {
			t.Errorf("%s: %d words came, %d were charged, the budget lost %d of %d", unit, words.Load(), charged.Load(), spent, most)
		}
		if cut.Load() == 0 || spent < most*8/10 || b.h.budget.Stats().Open != 0 || b.h.budget.Stats().Overruns != 0 {
			t.Errorf("%s: %d cut, %d whole, %d spent, %+v", unit, cut.Load(), whole.Load(), spent, b.h.budget.Stats())
		}
	}
}

// TestSoftLimitIsTold: a request beyond it goes on, and the answer says so.
func TestSoftLimitIsTold(t *testing.T) {
	b := newShortBench(t, within(call.UnitTokens, 500, call.OnWarn))
	c, _, err := b.ask(`{"model":"x","max_tokens":100,"messages":[]}`)
	if err != nil || c.Warned != "" {
		t.Errorf("got %v, warned %q", err, c.Warned)
	}
	c, _, err = b.ask(longAsk)
	if err != nil || c.Warned != "team/short: 500 tokens in total" || c.MaxTokens != 0 {
		t.Errorf("got %v, warned %q", err, c.Warned)
	}
}
