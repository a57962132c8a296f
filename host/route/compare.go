package route

import (
	"slices"
	"sync"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
	sdk "github.com/signalbox-ai/signalbox/sdk/route"
)

// askAgain has in decide a recorded request of so many targets into p. Where it
// declines, p is the built-in order.
func askAgain(in *wasm.Instance, record []byte, targets int, p *call.Plan) error {
	b, err := in.Buffer(len(record))
	if err != nil {
		return err
	}
	copy(b, record)
	answer, err := in.Call(len(record))
	if err != nil {
		return err
	}
	return readPlan(answer, record, targets, p)
}

// readPlan reads a module's answer to a record of so many targets.
func readPlan(answer, record []byte, targets int, p *call.Plan) error {
	p.Reset()
	if len(answer) == 0 {
		return builtinOf(record, p)
	}
	return decode(answer, targets, p)
}

// requests are room to read records in: it is too much for the stack.
var requests = sync.Pool{New: func() any { return new(sdk.Request) }}

// builtinOf is the built-in order of a recorded request.
func builtinOf(record []byte, p *call.Plan) error {
	req := requests.Get().(*sdk.Request)
	defer requests.Put(req)
	if err := req.Load(aligned(record)); err != nil {
		return err
	}
	var rank sdk.Rank
	for i := range req.Len() {
		t := req.Target(i)
		rank.Add(sdk.Class(t.Priority, sdk.Resting(t)), t.Weight)
	}
	rank.Draw(req.Rand)
	p.Route, p.N = builtin, rank.Len()
	for place := range rank.Len() {
		p.Attempts[place] = call.PlannedAttempt{Index: uint8(rank.At(place))}
	}
	return nil
}

// aligned is b where 8-byte fields may be read in place.
func aligned(b []byte) []byte {
	if len(b) == 0 || uintptr(unsafe.Pointer(&b[0]))%8 == 0 {
		return b
	}
	words := make([]uint64, len(b)/8+1)
	return append(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))[:0], b...)
}

// How two plans may differ.
const (
	firstChoice = "first choice"
	laterChoice = "order"
	otherTerms  = "terms" // timeouts, hedges and the like
	refusal     = "refusal"
)

// difference says how b differs from a, "" if not at all. Reasons do not count.
func difference(a, b *call.Plan) string {
	x, y := a.Attempts[:a.N], b.Attempts[:b.N]
	same := func(x, y call.PlannedAttempt) bool { return x.Index == y.Index }
	switch {
	case a.Code != b.Code:
		return refusal
	case len(x) > 0 && len(y) > 0 && x[0].Index != y[0].Index:
		return firstChoice
	case !slices.EqualFunc(x, y, same):
		return laterChoice
	case !slices.Equal(x, y):
		return otherTerms
	}
	return ""
}

// firstTarget is the name of a plan's first target, "" of a refusal.
func firstTarget(record []byte, p *call.Plan) string {
	var req sdk.Request
	if p.N == 0 || req.Load(aligned(record)) != nil || int(p.Attempts[0].Index) >= req.Len() {
		return ""
	}
	return string([]byte(req.Text(req.Target(int(p.Attempts[0].Index)).ID))) // the record's room is used again
}
