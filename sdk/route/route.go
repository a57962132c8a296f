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
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Target is one place that a request may go to; package abi documents its fields.
type Target = abi.Target

// Attempt is one step of a plan; package abi documents its fields.
type Attempt = abi.Attempt

// Request is what a module decides on. It is valid during the decision only.
type Request struct {
	abi.Request // the facts; package abi documents them

	record  []byte
	targets [abi.MaxTargets]abi.Target // used only for a host that knows shorter ones
}

// Len is the number of targets, 1 to 64.
func (r *Request) Len() int { return int(r.Targets) }

// Target returns target i; the pointer is valid during the decision only.
func (r *Request) Target(i int) *Target {
	at := int(r.TargetOff) + i*int(r.TargetSize)
	if int(r.TargetSize) < abi.TargetSize {
		return &r.targets[i]
	}
	b := r.record[at : at+abi.TargetSize]
	return (*Target)(unsafe.Pointer(&b[0])) // aligned: load has checked it
}

// Text returns a string of the record; it is valid during the decision only.
func (r *Request) Text(s abi.Str) string {
	if uint64(s.Off)+uint64(s.Len) > uint64(len(r.record)) || s.Len == 0 {
		return ""
	}
	b := r.record[s.Off : s.Off+s.Len]
	return unsafe.String(&b[0], len(b))
}

var errRecord = errors.New("record is not a routing request")

// Load reads a record, which must be aligned to 8 bytes and stay unchanged as
// long as r is used.
func (r *Request) Load(record []byte) error {
	if len(record) < 8 || uintptr(unsafe.Pointer(&record[0]))%8 != 0 {
		return errRecord
	}
	size := int(binary.LittleEndian.Uint16(record[6:]))
	if binary.LittleEndian.Uint32(record) != abi.MagicRequest || size > len(record) {
		return errRecord
	}
	r.record = record
	if size >= abi.RequestSize {
		r.Request = *(*abi.Request)(unsafe.Pointer(&record[0]))
	} else {
		r.Request = abi.Request{}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&r.Request)), abi.RequestSize), record[:size])
	}
	return r.checkTargets()
}

func (r *Request) checkTargets() error {
	off, stride, n := uint64(r.TargetOff), uint64(r.TargetSize), uint64(r.Targets)
	if n > abi.MaxTargets || off+n*stride > uint64(len(r.record)) {
		return errRecord
	}
	if (off|stride)%8 != 0 {
		return errRecord
	}
	if stride >= uint64(abi.TargetSize) {
		return nil
	}
	for i := range n {
		t := unsafe.Slice((*byte)(unsafe.Pointer(&r.targets[i])), abi.TargetSize)
		clear(t)
		at := off + i*stride
		copy(t, r.record[at:at+stride])
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
