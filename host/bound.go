package host

import (
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// opaque reports whether what the request may cost cannot be seen in it.
func opaque(c *call.Call) bool {
	switch c.Op {
	case wire.OpPass, wire.OpRealtime:
		return true
	case wire.OpBatches: // the creation of one; the others cost nothing
		return c.Method == "" && !cancels(c.Path)
	}
	return false
}

// cancels reports whether what a request for batches is posted to ends one.
func cancels(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	id, ok := strings.CutSuffix(path, "/cancel")
	return ok && len(id) > 1 && strings.LastIndexByte(id, '/') == 0
}

// bound is the most that one attempt at t can take. Where nothing is limited an
// unknown price is no hindrance.
func (h *Host) bound(f *flight, t *call.Target) (b call.Bound, err *wire.Error) {
	if modelless(f.Op) && !opaque(&f.Call) || f.Op == wire.OpCountTokens {
		return b, nil
	}
	if b.USD, err = h.cost(f, t); err != nil {
		return b, err
	}
	if f.chain.Counts(call.UnitTokens) {
		tokens, err := meter.Tokens(t.Price.At(f.Received), f.terms())
		if err != nil && f.chain.Bounds(call.UnitTokens) {
			return b, err
		}
		b.Tokens = tokens
	}
	return b, nil
}

// terms is f as far as its bounds depend on it.
func (f *flight) terms() *meter.Ask {
	most := f.Cap()
	if f.step > 0 && (most == 0 || f.step < most) {
		most = f.step
	}
	f.ask = meter.Ask{Op: f.Op, Facts: &f.Facts, MaxTokens: most, Unbounded: f.gen.unbounded}
	return &f.ask
}

// cost is the most that one attempt at t can cost.
func (h *Host) cost(f *flight, t *call.Target) (int64, *wire.Error) {
	limited := f.chain.Bounds(call.UnitUSD) || f.inner != nil && f.inner.Purse != nil
	if opaque(&f.Call) && limited && f.gen.unbounded == 0 {
		e := wire.Errorf(402, "content_unbounded", "what %s may cost cannot be bounded, and a budget applies to your key: the operator can set budget.unbounded_usd", f.Op)
		e.Class = wire.ClassPolicy
		return 0, e
	}
	if opaque(&f.Call) && f.Op != wire.OpRealtime {
		return f.gen.unbounded, nil
	}
	price := t.Price.At(f.Received)
	if price == nil && limited && !f.gen.allowUnpriced {
		e := wire.Errorf(402, "model_unpriced", "%s has no price, and a budget applies to your key: the operator can set one under prices", t.Name)
		e.Class = wire.ClassPolicy
		return 0, e
	}
	if opaque(&f.Call) {
		return f.gen.unbounded, nil
	}
	if price == nil {
		return 0, nil
	}
	bound, err := meter.Bound(price, f.terms())
	if err != nil && limited && !(f.gen.allowUnpriced && err.Code == "model_unpriced") {
		return 0, err
	}
	return bound, nil
}
