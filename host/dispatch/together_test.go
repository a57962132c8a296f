package dispatch_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// moody answers in any of the ways that upstreams have.
func moody(name string, n *atomic.Int32) http.HandlerFunc {
	ways := []http.HandlerFunc{
		events(": ping\n\n", delta(name), delta(name), finish, usage, doneEvent),
		events(delta(name), "CUT"),
		events(`data: {"error":{"message":"x","type":"overloaded_error"}}` + "\n\n"),
		events(delta(name), `data: {"error":{"message":"x"}}`+"\n\n"),
		events(finish, doneEvent), // empty
		events(": ping\n\n", "HANG"),
		events(delta(name), "HANG"),
		status(503, `{}`, "Retry-After", "0"),
		status(200, named(name)),
		status(200, `{"choices":[]}`),
	}
	return func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadAll(req.Body)
		ways[int(n.Add(1))*7%len(ways)](w, req)
	}
}

// impatient leaves after so many writes; below 0 it stays.
type impatient struct {
	c    *call.Call
	left int
	strings.Builder
}

func (w *impatient) Write(p []byte) (int, error) {
	if w.left--; w.left == 0 {
		w.c.Gone.Leave()
		return 0, errors.New("gone")
	}
	return w.Builder.Write(p)
}

// TestAllTogether: hedges, checks, holds, drains, breakers and callers who leave
// at any moment leave nothing behind, and a caller gets one target's bytes.
func TestAllTogether(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.d = dispatch.New(dispatch.Options{Attempts: 3, Backoff: time.Millisecond, MaxWait: time.Millisecond,
		Timeouts: call.Timeouts{FirstByte: 50 * time.Millisecond, Idle: 50 * time.Millisecond}}, &r.account)
	var n atomic.Int32
	for _, name := range []string{"a", "b", "c"} {
		tgt := r.target(name, moody(name, &n), func(_ *call.Endpoint, p *call.Provider) { p.Drain = 20 * time.Millisecond })
		tgt.MaxInFlight = 6
		tgt.Breaker = &call.Breaker{Errors: .8, Attempts: 5, Window: time.Second, Rest: time.Millisecond, MaxRest: 4 * time.Millisecond}
	}
	var streams atomic.Int64
	one := func(rng *rand.Rand) {
		c := r.call([]string{jsonCall, streamCall}[rng.IntN(2)])
		for i := range c.Plan.N {
			a := &c.Plan.Attempts[i]
			a.Index = uint8((i + rng.IntN(2)) % 3)
			a.Flags = uint32(rng.IntN(2)) * call.AttemptCheck
			a.Hedge = time.Duration(rng.IntN(3)) * time.Millisecond
		}
		c.Model = &call.Model{Hold: call.Hold{Events: rng.IntN(3), Time: time.Duration(rng.IntN(2)) * time.Millisecond}}
		if rng.IntN(4) == 0 {
			timer := time.AfterFunc(time.Duration(rng.IntN(10))*time.Millisecond, c.Gone.Leave)
			defer timer.Stop()
		}
		ans, err := r.d.Do(c)
		if err == nil && ans.Stream != nil {
			streams.Add(1)
			w := &impatient{c: c, left: rng.IntN(5) - 1}
			_, _ = ans.Stream.WriteTo(w)
			if err := ans.Stream.Close(); err != nil {
				t.Error(err)
			}
			name := c.Target.Provider.Name
			for _, other := range []string{"a", "b", "c"} {
				if other != name && strings.Contains(w.String(), `"content":"`+other+`"`) {
					t.Errorf("%s's stream holds events of %s", name, other)
				}
			}
		}
		for i, a := range c.Attempts {
			if last := i == len(c.Attempts)-1; err == nil && last != (a.Class == wire.ClassNone && !a.Lost && a.Rejected == "") {
				t.Errorf("attempts %q", marks(c))
			}
		}
		if c.Place.Held() || len(c.Attempts) > 3 {
			t.Errorf("%d attempts, a place is held: %v", len(c.Attempts), c.Place.Held())
		}
	}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for range 40 {
				one(rng)
			}
		})
	}
	wg.Wait()
	r.d.Stop()
	r.quiet()
	if int64(r.account.finished) != streams.Load() {
		t.Errorf("%d streams, %d of them finished", streams.Load(), r.account.finished)
	}
}
