package route

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

var (
	plan    abi.Plan
	attempt abi.Attempt
)

// decode reads a module's plan for n candidates into p, which is empty. Errors
// answer errors.Is(err, ErrBadPlan); p is then of no use.
func decode(b []byte, n int, p *call.Plan) error {
	le := binary.LittleEndian
	if len(b) < abi.PlanSize || le.Uint32(b[unsafe.Offsetof(plan.Magic):]) != abi.MagicPlan {
		return wasm.BadAnswer("%d bytes do not begin with a plan", len(b))
	}
	header := uint64(le.Uint16(b[unsafe.Offsetof(plan.HeaderSize):]))
	attempts := uint64(le.Uint32(b[unsafe.Offsetof(plan.Attempts):]))
	stride := uint64(le.Uint32(b[unsafe.Offsetof(plan.AttemptSize):]))
	switch {
	case header < uint64(abi.PlanSize) || stride < uint64(abi.AttemptSize):
		return wasm.BadAnswer("header of %d bytes, attempts of %d", header, stride)
	case attempts > uint64(n):
		return wasm.BadAnswer("%d attempts for %d targets", attempts, n)
	case header+attempts*stride > uint64(len(b)):
		return wasm.BadAnswer("%d attempts of %d bytes in a plan of %d", attempts, stride, len(b))
	}
	p.Code = le.Uint32(b[unsafe.Offsetof(plan.Code):])
	if p.Code != 0 && attempts > 0 {
		return wasm.BadAnswer("refusal %d together with %d attempts", p.Code, attempts)
	}
	var seen uint64
	for i := range attempts {
		a := b[header+i*stride:]
		index := le.Uint32(a[unsafe.Offsetof(attempt.Target):])
		if index >= uint32(n) || seen&(1<<index) != 0 {
			return wasm.BadAnswer("attempt %d goes to target %d of %d, or again", i, index, n)
		}
		seen |= 1 << index
		p.Attempts[i] = readAttempt((*[abi.AttemptSize]byte)(a))
	}
	p.N = int(attempts)
	return decodeReason(b, p)
}

func readAttempt(a *[abi.AttemptSize]byte) call.PlannedAttempt {
	le := binary.LittleEndian
	ms := func(at uintptr) time.Duration { return time.Duration(le.Uint32(a[at:])) * time.Millisecond }
	return call.PlannedAttempt{
		Index:      uint8(le.Uint32(a[unsafe.Offsetof(attempt.Target):])),
		Timeout:    ms(unsafe.Offsetof(attempt.TimeoutMS)),
		Hedge:      ms(unsafe.Offsetof(attempt.HedgeMS)),
		Backoff:    ms(unsafe.Offsetof(attempt.BackoffMS)),
		BackoffMax: ms(unsafe.Offsetof(attempt.BackoffMaxMS)),
		Flags:      le.Uint32(a[unsafe.Offsetof(attempt.Flags):]),
	}
}

func decodeReason(b []byte, p *call.Plan) error {
	le := binary.LittleEndian
	at := uint64(le.Uint32(b[unsafe.Offsetof(plan.Reason)+unsafe.Offsetof(plan.Reason.Off):]))
	length := uint64(le.Uint32(b[unsafe.Offsetof(plan.Reason)+unsafe.Offsetof(plan.Reason.Len):]))
	if at+length > uint64(len(b)) {
		return wasm.BadAnswer("reason of %d bytes at %d in a plan of %d", length, at, len(b))
	}
	p.SetReason(b[at : at+length])
	return nil
}
