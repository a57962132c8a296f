package dispatch_test

import (
	"net/http"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
)

// replanning is an account that turns round what is open.
type replanning struct {
	*ledger
	open   []uint64
	failed []int // attempts at that time
}

func (a *replanning) Replan(c *call.Call, open uint64) {
	a.open, a.failed = append(a.open, open), append(a.failed, len(c.Attempts))
	steps := c.Plan.Attempts[:c.Plan.N]
	for i, j := 0, len(steps)-1; i < j; {
		switch {
		case open&(1<<i) == 0:
			i++
		case open&(1<<j) == 0:
			j--
		default:
			steps[i], steps[j] = steps[j], steps[i]
			i, j = i+1, j-1
		}
	}
}

// TestReplan: what has failed is told, and what is open comes in the new order.
func TestReplan(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 4})
	broken := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }
	for _, name := range []string{"a", "b", "c", "d"} {
		r.target(name, broken)
	}
	a := &replanning{ledger: &r.account}
	r.d = dispatch.New(dispatch.Options{Attempts: 4, Backoff: 1}, a)
	c := r.call(`{"model":"x","messages":[]}`)
	if _, err := r.d.Do(c); err == nil {
		t.Fatal("it was answered")
	}
	var order string
	for _, at := range c.Attempts {
		order += at.Target.Name[:1]
	}
	// After a: b c d become d c b; after d: c b become b c; c alone has its place.
	if order != "adbc" || len(a.open) != 2 || a.open[0] != 0b1110 || a.open[1] != 0b1100 || a.failed[0] != 1 || a.failed[1] != 2 {
		t.Errorf("tried %s, replanned at %b after %d attempts", order, a.open, a.failed)
	}
}
