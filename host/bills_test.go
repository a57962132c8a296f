package host

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
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

// charging is an upstream that keeps its own bill, a nano-dollar a token.
type charging struct {
	bill, asked atomic.Int64
	silent      bool             // one request in three is never answered
	answer      http.HandlerFunc // nil: as ServeHTTP says
}

func (u *charging) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if u.answer != nil {
		u.answer(w, req)
		return
	}
	_, _ = io.ReadAll(req.Body)
	n := u.asked.Add(1)
	if u.silent && n%3 == 0 {
		<-req.Context().Done()
		return
	}
	content, reason := "fine", "stop"
	switch n % 5 {
	case 1:
		content = ""
	case 2:
		reason = "length"
	case 3:
		w.WriteHeader(503)
		return
	}
	tokens := n%7 + 2
	u.bill.Add(tokens)
	s := strconv.FormatInt(tokens, 10)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"choices":[{"index":0,"message":{"content":"`+content+`"},"finish_reason":"`+reason+
		`"}],"usage":{"prompt_tokens":0,"completion_tokens":`+s+`,"total_tokens":`+s+`}}`)
}

// at is a target at u.
func (u *charging) at(t *testing.T, name string) *call.Target {
	srv := httptest.NewServer(u)
	addr := strings.TrimPrefix(srv.URL, "http://")
	ep := &call.Endpoint{Op: wire.OpChat, Dialect: wire.OpenAIChat, Network: "tcp", Addr: addr, Host: addr, Path: "/"}
	ep.Transport = dispatch.NewTransport(ep)
	t.Cleanup(func() { ep.Transport.Close(); srv.CloseClientConnections(); srv.Close() })
	p := &call.Provider{Name: name}
	p.Publish(call.NewEndpoints([]*call.Endpoint{ep}))
	return &call.Target{Name: name + "/m", Provider: p, Model: "m", Price: perToken(), State: call.NewTargetState()}
}

// TestThreeSumsAgree: the upstreams' own bill, the ledger and the budget, for
// answers that are checked and rejected and, where all that was asked was
// answered, for hedges. What was never answered is charged at its bound at most.
func TestThreeSumsAgree(t *testing.T) {
	f := func(name string, hedge time.Duration, silent bool) {
		h, first := moneyHost(t)
		chain := first.chain
		h.Done(&first.Call)
		ups := [3]*charging{{silent: silent}, {}, {}}
		var targets [3]*call.Target
		for i, u := range ups {
			targets[i] = u.at(t, "p"+strconv.Itoa(i))
		}
		d := dispatch.New(dispatch.Options{Attempts: 3, Backoff: time.Millisecond, Log: h.log,
			Timeouts: call.Timeouts{FirstByte: 200 * time.Millisecond}}, h)
		var ledger atomic.Int64
		ids := call.NewIDs(1, 0)
		one := func() {
			c := h.New()
			fl := c.Owner.(*flight)
			fl.gen, fl.chain = &generation{}, chain
			c.ID, c.Received, c.Op, c.Dialect = ids.Next(time.Now()), time.Now(), wire.OpChat, wire.OpenAIChat
			c.Principal = &call.Principal{KeyID: "k-1", KeyName: "dev"}
			c.Body = []byte(`{"model":"x","max_tokens":20,"messages":[]}`)
			if err := scan.Request(&c.Facts, c.Body); err != nil {
				t.Error(err)
			}
			for i, tgt := range targets {
				c.Candidates = append(c.Candidates, call.Candidate{Target: tgt, Bound: 100})
				c.Plan.Attempts[i] = call.PlannedAttempt{Index: uint8(i), Flags: call.AttemptCheck, Hedge: hedge}
			}
			c.Plan.N = len(targets)
			_, c.Err = d.Do(c)
			h.Finish(c)
			cost, found, err := h.ledger.Row(context.Background(), c.ID)
			if !found || err != nil {
				t.Errorf("%s: not recorded: %v", name, err)
			}
			ledger.Add(cost)
			h.Done(c)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 25 {
					one()
				}
			})
		}
		wg.Wait()
		bill := ups[0].bill.Load() + ups[1].bill.Load() + ups[2].bill.Load()
		spent := spentOf(h, chain)
		if ledger.Load() != spent || bill > spent || hedge == 0 && bill != spent {
			t.Errorf("%s: the upstreams' bill is %d, the ledger's %d, the budget's %d", name, bill, ledger.Load(), spent)
		}
		if h.budget.Stats().Open != 0 || h.budget.Stats().Overruns != 0 {
			t.Errorf("%s: %+v", name, h.budget.Stats())
		}
	}
	f("checked", 0, false)
	f("hedged", 200*time.Microsecond, true)
}

// spentOf is what the budget of a dollar has lost.
func spentOf(h *Host, chain *budget.Chain) int64 {
	left, limit, _ := h.budget.Left(chain, time.Now())
	return limit.Max - left
}
