package host

import (
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestWhatCannotBeBoundedIsReserved: under a budget, what may create a batch
// is never free, however it is written, and a session needs a price.
func TestWhatCannotBeBoundedIsReserved(t *testing.T) {
	h, first := moneyHost(t)
	chain := first.chain
	h.Done(&first.Call)
	const unbounded = 5e9
	f := func(op wire.Op, method, path string, price *call.Price, want int64, code string) {
		t.Helper()
		fl := &flight{gen: &generation{unbounded: unbounded}, money: money{chain: chain}}
		fl.Op, fl.Method, fl.Path, fl.Received = op, method, path, time.Now()
		got, err := h.bound(fl, &call.Target{Name: "a/b", Price: price})
		if got.USD != want || (err == nil) != (code == "") || err != nil && err.Code != code {
			t.Errorf("%s %s %q: bound %+v, %v; want %d %s", op, method, path, got, err, want, code)
		}
	}
	for _, path := range []string{"", "?x=y", "/", "/?x=y", "/batch_1", "/batch_1/cancel/", "/cancel", "?/b/cancel", "/a/b/cancel"} {
		f(wire.OpBatches, "", path, nil, unbounded, "")
	}
	f(wire.OpBatches, "", "/batch_1/cancel", nil, 0, "")
	f(wire.OpBatches, "", "/batch_1/cancel?x=y", nil, 0, "")
	f(wire.OpBatches, "GET", "", nil, 0, "")
	f(wire.OpPass, "GET", "/v1/models", nil, unbounded, "")
	f(wire.OpRealtime, "GET", "", nil, 0, "model_unpriced")
	f(wire.OpRealtime, "GET", "", &call.Price{Input: 1}, unbounded, "")
}
