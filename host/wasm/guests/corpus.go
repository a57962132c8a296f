package guests

import (
	"fmt"
	"math/rand/v2"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Requests returns n records of routing requests, the same for the same seed:
// from one target to as many as there may be, with ties of price, priority and
// weight, targets that rest, and numbers at the ends of their range.
func Requests(seed uint64, n int) [][]byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([][]byte, n)
	for i := range out {
		targets := 1 + rng.IntN(12)
		if i%50 == 0 {
			targets = abi.MaxTargets
		}
		out[i] = Request(rng, targets)
	}
	return out
}

// Request returns a record of a routing request with so many targets.
func Request(rng *rand.Rand, n int) []byte {
	h := abi.Request{Magic: abi.MagicRequest, Version: abi.Minor, HeaderSize: uint16(abi.RequestSize), Flags: rng.Uint32N(64),
		ID: rng.Uint64(), NowMS: 1773489600000 + rng.Uint64N(1e9), Rand: rng.Uint64(), Kind: rng.Uint32N(16), InTokens: some32(rng),
		OutTokens: some32(rng), Attempt: rng.Uint32N(3), LastError: rng.Uint32N(13), Budget: rng.Int64N(1e12), NeedTags: rng.Uint64(),
		Targets: uint32(n), TargetOff: uint32(abi.RequestSize), TargetSize: uint32(abi.TargetSize), Session: rng.Uint64(), Sticky: rng.Uint32N(uint32(n) + 1)}
	s := &strings{record: make([]byte, abi.RequestSize+n*abi.TargetSize)}
	h.Model, h.Tenant, h.Key = s.put("fast"), s.put("acme"), s.put("k-12")
	for i := range n {
		t := someTarget(rng)
		t.ID, t.Region = s.put(fmt.Sprintf("provider/model-%d", i)), s.put("eu-west")
		copy(s.record[abi.RequestSize+i*abi.TargetSize:], bytesOf(&t))
	}
	h.Total = uint32(len(s.record))
	copy(s.record, bytesOf(&h))
	return s.record
}

// some32 is small, any, or at an end.
func some32(rng *rand.Rand) uint32 {
	return [...]uint32{0, rng.Uint32N(5), rng.Uint32N(100_000), rng.Uint32(), 1<<32 - 1}[rng.IntN(5)]
}

func someTarget(rng *rand.Rand) abi.Target {
	t := abi.Target{Tags: rng.Uint64(), PriceIn: int64(rng.IntN(4)) * 150_000, PriceOut: int64(rng.IntN(4)) * 600_000,
		TTFTMS: rng.Float64() * 1000, TokenMS: rng.Float64() * 50, ErrorRate: rng.Float64(), InFlight: rng.Uint32N(50), MaxInFlight: rng.Uint32N(60),
		RequestsLeft: rng.Int32N(100) - 1, TokensLeft: rng.Int32N(100_000) - 1, Context: 128_000, Weight: 1 + rng.Uint32N(5), Quality: rng.Float64(),
		Priority: rng.Uint32N(3)}
	switch rng.IntN(8) {
	case 0:
		t.RetryAfterMS = 1 + rng.Uint32N(60_000)
	case 1:
		t.Circuit = rng.Uint32N(3)
	case 2:
		t.Weight = some32(rng)
	case 3:
		t.PriceIn, t.PriceOut = rng.Int64(), rng.Int64()
	}
	return t
}

// strings appends strings behind the fixed parts of a record.
type strings struct{ record []byte }

func (s *strings) put(text string) abi.Str {
	at := len(s.record)
	s.record = append(s.record, text...)
	return abi.Str{Off: uint32(at), Len: uint32(len(text))}
}

// bytesOf is a structure as it lies in memory.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// Window returns a record of a window.
func Window(w record.Window) []byte {
	b := make([]byte, w.Size())
	w.Encode(b)
	return b
}

// Aligned copies a record to where the Go SDKs can read it.
func Aligned(b []byte) []byte {
	words := make([]uint64, len(b)/8+1)
	out := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(b))
	copy(out, b)
	return out
}
