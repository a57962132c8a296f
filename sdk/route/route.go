// Package route is the Go guest SDK for routing modules. A module ranks the
// targets of a request; it is built for WebAssembly and loaded by the gateway
// while traffic flows:
//
//	func init() { route.Handle(decide) }
//	func main() {}
//	func decide(req *route.Request, plan *route.Plan) { plan.Try(0) }
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o mine.wasm
//
// A decision is a pure function of the request: time and randomness are in it.
// It must not keep state (instances come and go, several run at once) and
// should not allocate. A module that panics, loops or answers nonsense costs
// one request, which the gateway then orders by priority and weight.
package route

import (
	"errors"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/internal/guest"
)

// Target is one place that a request may go to; package abi documents its fields.
type Target = abi.Target

// Attempt is one step of a plan; package abi documents its fields.
type Attempt = abi.Attempt

// Request is what a module decides on. It is valid during the decision only.
type Request struct {
	*abi.Request // the facts; package abi documents them

	record  []byte
	targets guest.Parts[Target]

	// Used only for a host that knows shorter ones.
	shortRequest abi.Request
	shortTargets [abi.MaxTargets]Target
}

// Len is the number of targets, 1 to 64.
func (r *Request) Len() int { return int(r.Targets) }

// Target returns target i; the pointer is valid during the decision only.
func (r *Request) Target(i int) *Target { return r.targets.At(i) }

// Text returns a string of the record; it is valid during the decision only.
func (r *Request) Text(s abi.Str) string { return guest.Text(r.record, s) }

var errRecord = errors.New("record is not a routing request")

// Load reads a record, which must be aligned to 8 bytes and stay unchanged as
// long as r is used.
func (r *Request) Load(record []byte) error {
	r.record, r.Request = record, guest.Head(record, abi.MagicRequest, &r.shortRequest)
	if r.Request == nil || !r.targets.Load(record, r.TargetOff, r.TargetSize, r.Targets, r.shortTargets[:]) {
		return errRecord
	}
	return nil
}

// Plan is the answer of a module. Left empty it declines: the gateway then
// uses its built-in order.
type Plan struct {
	// The layout is that of the record, so that it needs no encoding.
	head     abi.Plan
	attempts [abi.MaxTargets]abi.Attempt
	reason   [abi.MaxReason]byte
}

// Try appends target i as the next attempt and returns it, for timings. Each
// target can be tried once: the gateway refuses plans that name one twice.
func (p *Plan) Try(i int) *Attempt {
	a := &p.attempts[p.head.Attempts] // more than 64 panic, which costs the request its plan
	*a = Attempt{Target: uint32(i)}
	p.head.Attempts++
	return a
}

// Refuse ends the request with a code of the module's own, not 0.
func (p *Plan) Refuse(code uint32, reason string) {
	p.head.Attempts, p.head.Code = 0, code
	p.Because(reason)
}

// Because says why; the decision log shows up to 128 bytes of it.
func (p *Plan) Because(reason string) {
	p.head.Reason.Len = uint32(copy(p.reason[:], reason))
}

// Reset empties the plan.
func (p *Plan) Reset() {
	p.head = abi.Plan{Magic: abi.MagicPlan, Version: abi.Minor, HeaderSize: uint16(abi.PlanSize), AttemptSize: uint32(abi.AttemptSize)}
}

// Bytes returns the encoded plan, nil when it declines. The bytes alias p. They
// hold nothing of earlier plans: the same decision gives the same bytes.
func (p *Plan) Bytes() []byte {
	n := abi.PlanSize + int(p.head.Attempts)*abi.AttemptSize
	if p.head.Reason.Len == 0 && p.head.Attempts == 0 && p.head.Code == 0 {
		return nil
	}
	all := unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
	p.head.Reason.Off = uint32(n)
	n += copy(all[n:], p.reason[:p.head.Reason.Len]) // over attempts that are not in use
	return all[:n]
}
