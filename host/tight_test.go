package host

import (
	"io"
	"net/http"
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

// TestTightBudget: where every attempt costs all that was reserved for it, as
// many are made as the budget has room for, hedges and rejected answers
// included, and none beyond.
func TestTightBudget(t *testing.T) {
	h, first := moneyHost(t)
	h.Done(&first.Call)
	const bound, room = 100, 20
	chain, err := h.budget.Chain([]call.Limit{{Scope: "key/k-2", Window: call.Window{Unit: "total", Size: 1}, Max: bound * room}})
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	up := &charging{}
	targets := []*call.Target{up.at(t, "a"), up.at(t, "b")}
	up.answer = costly(&n)
	d := dispatch.New(dispatch.Options{Attempts: 3, Backoff: time.Millisecond, MaxWait: time.Millisecond, Log: h.log,
		Timeouts: call.Timeouts{FirstByte: 50 * time.Millisecond}}, h)
	ids := call.NewIDs(1, 0)
	one := func(hedge time.Duration, flags uint32) *wire.Error {
		c := planned(h, chain, ids.Next(time.Now()), targets, bound)
		defer h.Done(c)
		for i := range c.Plan.N {
			c.Plan.Attempts[i].Flags, c.Plan.Attempts[i].Hedge = flags, hedge
		}
		_, c.Err = d.Do(c)
		h.Finish(c)
		return c.Err
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2 {
				_ = one(time.Millisecond, call.AttemptCheck) // some are refused
			}
		})
	}
	wg.Wait()
	for range 1000 { // one after another, all that is left
		if err := one(0, 0); err != nil && err.Code == "budget_exceeded" {
			break
		}
	}
	left, limit, _ := h.budget.Left(chain, time.Now())
	if s := h.budget.Stats(); left < 0 || left >= bound || s.Open != 0 || s.Overruns != 0 {
		t.Errorf("%d of %d are left, %+v", left, limit.Max, s)
	}
}

// costly answers one request in two, for a hundred tokens; of the others one gets
// an error and one nothing.
func costly(n *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadAll(req.Body)
		switch n.Add(1) % 4 {
		case 1:
			<-req.Context().Done()
			return
		case 2:
			w.WriteHeader(503)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":100,"total_tokens":100}}`)
	}
}

// planned is a call on a budget, along targets in their order.
func planned(h *Host, chain *budget.Chain, id call.ID, targets []*call.Target, bound int64) *call.Call {
	c := h.New()
	fl := c.Owner.(*flight)
	fl.gen, fl.chain = &generation{}, chain
	c.ID, c.Received, c.Op, c.Dialect = id, time.Now(), wire.OpChat, wire.OpenAIChat
	c.Principal = &call.Principal{KeyID: "k-2", KeyName: "dev"}
	c.Body = []byte(`{"model":"x","max_tokens":20,"messages":[]}`)
	if err := scan.Request(&c.Facts, c.Body); err != nil {
		panic("BUG: the test's own request; got " + err.Error())
	}
	for i, tgt := range targets {
		c.Candidates = append(c.Candidates, call.Candidate{Target: tgt, Bound: bound})
		c.Plan.Attempts[i] = call.PlannedAttempt{Index: uint8(i)}
	}
	c.Plan.N = len(targets)
	return c
}
