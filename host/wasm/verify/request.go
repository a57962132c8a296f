package verify

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// form is how a writer of some minor version lays a request out.
type form struct {
	minor          int
	header, stride int
	fill           byte // of what this kit does not know
}

// The forms.
var (
	plain  = form{abi.Minor, abi.RequestSize, abi.TargetSize, 0}
	newer  = form{abi.Minor + 1, abi.RequestSize + 40, abi.TargetSize + 24, 0xa5}
	oldest = form{0, 128, abi.TargetSize, 0}
)

// request is a record in the making.
type request struct {
	abi.Request
	targets []abi.Target
	texts   []byte // behind the fixed parts
	form    form
}

func (r *request) str(s string) abi.Str {
	ref := abi.Str{Off: uint32(r.form.header + len(r.targets)*r.form.stride + len(r.texts)), Len: uint32(len(s))}
	r.texts = append(r.texts, s...)
	return ref
}

func (r *request) encode() []byte {
	n := len(r.targets)
	r.Magic, r.Version, r.HeaderSize = abi.MagicRequest, uint16(r.form.minor), uint16(r.form.header)
	r.Targets, r.TargetOff, r.TargetSize = uint32(n), uint32(r.form.header), uint32(r.form.stride)
	r.Total = uint32(r.form.header + n*r.form.stride + len(r.texts))
	out := r.form.pad(nil, &r.Request, r.form.header)
	for i := range r.targets {
		out = r.form.pad(out, &r.targets[i], r.form.stride)
	}
	return append(out, r.texts...)
}

// pad appends a struct in so many bytes.
func (f form) pad(dst []byte, v any, size int) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic("BUG: records are of fixed size: " + err.Error())
	}
	for len(b) < size {
		b = append(b, f.fill)
	}
	return append(dst, b[:size]...)
}

// requests are what any routing module must answer, in one form: the same in
// every run.
func requests(f form) []input {
	var out []input
	for i := range 48 {
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		n := []int{1, 2, 3, 8, 8, 8, 17, abi.MaxTargets}[i%8]
		r := ordinary(rng, n, f)
		name := fmt.Sprintf("request %d of %d targets", i, n)
		if i >= 40 {
			extreme(rng, r)
			name += ", with extreme numbers"
		}
		out = append(out, input{name: name, number: i, record: r.encode(), targets: n})
	}
	return out
}

// ordinary is a request as the gateway makes them.
func ordinary(rng *rand.Rand, n int, f form) *request {
	r := &request{form: f, targets: make([]abi.Target, n)}
	r.ID, r.Rand, r.NowMS = rng.Uint64(), rng.Uint64(), 1_767_225_600_000+uint64(rng.IntN(1<<30))
	r.Model, r.Tenant, r.Key = r.str("fast"), r.str("acme"), r.str("k_42")
	r.Team, r.User, r.Meta = r.str("search"), r.str("u7"), r.str("env=prod\ntier=gold")
	r.Kind, r.InTokens, r.OutTokens = abi.KindChat, rng.Uint32N(100_000), rng.Uint32N(8000)
	r.DeadlineMS, r.Budget, r.BudgetMax = rng.Uint32N(60_000), rng.Int64N(1e10), 1e10
	r.Flags, r.Objective, r.Size = rng.Uint32N(64), rng.Uint32N(4), rng.Uint32N(1<<20)
	r.NeedTags = uint64(rng.IntN(2))
	if rng.IntN(3) == 0 {
		r.Session, r.Prefix, r.Sticky = rng.Uint64(), rng.Uint64(), rng.Uint32N(uint32(n)+1)
	}
	if rng.IntN(4) == 0 {
		r.Attempt, r.LastError = 1, abi.ErrorRateLimit
	}
	r.Features = abi.Features{Messages: 3, SystemBytes: 200, UserBytes: rng.Uint32N(4000), Words: rng.Uint32N(800),
		Sentences: rng.Uint32N(40), Lines: rng.Uint32N(60), Questions: rng.Uint32N(4), Hard: rng.Uint32N(5), Easy: rng.Uint32N(3)}
	for i := range r.targets {
		r.targets[i] = abi.Target{ID: r.str(fmt.Sprintf("provider%d/model-%d", i%5, i)), Region: r.str([]string{"eu", "us"}[i%2]),
			Tags: rng.Uint64N(16), PriceIn: rng.Int64N(5_000_000), PriceOut: rng.Int64N(20_000_000),
			TTFTMS: rng.Float64() * 2000, TokenMS: rng.Float64() * 50, ErrorRate: rng.Float64() * rng.Float64(),
			InFlight: rng.Uint32N(30), MaxInFlight: rng.Uint32N(2) * 40, Circuit: rng.Uint32N(3),
			RequestsLeft: rng.Int32N(2000) - 1, TokensLeft: rng.Int32N(200_000) - 1, RetryAfterMS: rng.Uint32N(2) * rng.Uint32N(9000),
			Context: 128_000, Weight: 1 + rng.Uint32N(5), Quality: rng.Float64(), Priority: rng.Uint32N(3)}
	}
	return r
}

// extreme sets numbers to the ends of what their fields may hold.
func extreme(rng *rand.Rand, r *request) {
	u32 := func() uint32 { return []uint32{0, 1, math.MaxUint32}[rng.IntN(3)] }
	i64 := func() int64 { return []int64{0, math.MaxInt64, math.MinInt64, -1}[rng.IntN(4)] }
	f64 := func() float64 { return []float64{0, math.MaxFloat64, math.SmallestNonzeroFloat64}[rng.IntN(3)] }
	r.InTokens, r.OutTokens, r.DeadlineMS, r.Attempt = u32(), u32(), u32(), u32()
	r.Budget, r.BudgetMax, r.NeedTags, r.DenyTags = i64(), i64(), uint64(i64()), uint64(i64())
	r.Kind, r.Priority, r.Objective, r.LastError, r.Size = u32(), u32(), u32(), u32(), u32()
	for i := range r.targets {
		t := &r.targets[i]
		t.PriceIn, t.PriceOut, t.Tags = i64(), i64(), uint64(i64())
		t.TTFTMS, t.TokenMS, t.ErrorRate, t.Quality = f64(), f64(), rng.Float64(), f64()
		t.InFlight, t.MaxInFlight, t.Circuit, t.Context = u32(), u32(), u32(), u32()
		t.RequestsLeft, t.TokensLeft, t.RetryAfterMS = int32(u32()), int32(u32()), u32()
		t.Weight, t.Priority = max(u32(), 1), u32()
	}
}
