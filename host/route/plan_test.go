package route

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	sdk "github.com/signalbox-ai/signalbox/sdk/route"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// cacheDir holds what the tests of this package have compiled.
var cacheDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "route")
	if err != nil {
		panic(err)
	}
	cacheDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// TestModulesAgree asks the shipped module, the same in Go, and the built-in
// order about many calls: all three must say the same.
func TestModulesAgree(t *testing.T) {
	modules := map[string][]byte{"rust": shipped(t), "go": guest(t, "priority")}
	for name, code := range modules {
		t.Run(name, func(t *testing.T) {
			h := load(t, "priority", code)
			rng := rand.New(rand.NewPCG(11, 12))
			for i := range 3000 {
				c := someCall(rng, 1+i%call.MaxCandidates)
				h.Plan(c)
				if c.Plan.Route != h.Stats().Version {
					t.Fatalf("call %d was planned by %s: %+v", i, c.Plan.Route, h.Stats())
				}
				if got, want := order(c), builtinOrder(c); !slices.Equal(got, want) {
					t.Fatalf("call %d: module says %v, built-in order is %v", i, got, want)
				}
			}
		})
	}
}

// TestGuestAgreesWithNative runs the SDK's own decision on the record that the
// host encodes, as an author's unit test would.
func TestGuestAgreesWithNative(t *testing.T) {
	var req sdk.Request
	var plan sdk.Plan
	rng := rand.New(rand.NewPCG(13, 14))
	for i := range 500 {
		c := someCall(rng, 1+i%call.MaxCandidates)
		record := roomFor(recordSize(c, 0))
		encode(record, c, noon.UnixMilli(), seedOf(c), 0)
		if err := req.Load(record); err != nil {
			t.Fatal(err)
		}
		plan.Reset()
		var rank sdk.Rank
		for j := range req.Len() {
			rank.Add(sdk.Class(req.Target(j).Priority, sdk.Resting(req.Target(j))), req.Target(j).Weight)
		}
		rank.Draw(req.Rand)
		for place := range rank.Len() {
			plan.Try(rank.At(place)).TimeoutMS = 250
		}
		c.Plan.Reset()
		if err := decode(plan.Bytes(), req.Len(), &c.Plan); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(order(c), builtinOrder(c)) || c.Plan.Attempts[0].Timeout.Milliseconds() != 250 {
			t.Fatalf("call %d: got %v; want %v", i, order(c), builtinOrder(c))
		}
	}
}

// roomFor returns n bytes as guests get them.
func roomFor(n int) []byte {
	words := make([]uint64, n/8+1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
}

func TestRecordSaysAll(t *testing.T) {
	c := someCall(rand.New(rand.NewPCG(5, 6)), 3)
	c.Facts.Stream, c.Facts.Tools = true, [][]byte{[]byte("look")}
	c.Facts.Size, c.Facts.MaxTokens = 4001, 1<<40
	c.Attempts = []call.Attempt{{Class: wire.ClassServer}, {Class: wire.ClassTimeout}}
	second := c.Candidates[1].Target
	second.Provider = &call.Provider{Name: "down"} // nothing published
	second.State.CooldownUntil.Store(noon.UnixMilli() + 1500)
	second.State.TokensLeft.Store(1 << 40)
	second.Tags, second.Quality, second.Weight = 5, 0.75, 0
	record := roomFor(recordSize(c, 0))
	encode(record, c, noon.UnixMilli(), 99, 0)
	var req sdk.Request
	if err := req.Load(record); err != nil {
		t.Fatal(err)
	}
	is := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %v; want %v", what, got, want)
		}
	}
	is("model", req.Text(req.Model), "fast")
	is("tenant", req.Text(req.Tenant), "acme")
	is("flags", req.Flags, uint32(abi.FlagStream|abi.FlagTools))
	is("time", req.NowMS, uint64(noon.UnixMilli()))
	is("seed", req.Rand, uint64(99))
	is("id", req.ID, uint64(c.ID))
	is("kind", req.Kind, uint32(abi.KindChat))
	is("prompt", req.InTokens, uint32(1001))
	is("answer", req.OutTokens, uint32(1<<32-1))
	is("attempt", req.Attempt, uint32(2))
	is("last error", req.LastError, uint32(abi.ErrorTimeout))
	is("total", req.Total, uint32(len(record)))
	target := req.Target(1)
	is("name", req.Text(target.ID), second.Name)
	is("region", req.Text(target.Region), "eu")
	is("circuit", target.Circuit, uint32(abi.CircuitOpen))
	is("pause", target.RetryAfterMS, uint32(1500))
	is("tokens left", target.TokensLeft, int32(1<<31-1))
	is("requests left", target.RequestsLeft, int32(-1))
	is("price", target.PriceIn, second.Price.Input/1000)
	is("context", target.Context, uint32(128_000))
	is("weight", target.Weight, uint32(1))
	is("tags", target.Tags, uint64(5))
	is("quality", target.Quality, 0.75)
	is("time to first token", target.TTFTMS, second.State.TTFT())
	is("breaker of an unpublished target", req.Target(0).Circuit, uint32(abi.CircuitClosed))
}

// TestNumbersMatch pins the ABI's numbers to the host's, which are encoded as they are.
func TestNumbersMatch(t *testing.T) {
	errors := map[wire.Class]uint32{wire.ClassNone: abi.ErrorNone, wire.ClassInvalid: abi.ErrorInvalid, wire.ClassAuth: abi.ErrorAuth,
		wire.ClassRateLimit: abi.ErrorRateLimit, wire.ClassQuota: abi.ErrorQuota, wire.ClassOverloaded: abi.ErrorOverloaded,
		wire.ClassServer: abi.ErrorServer, wire.ClassTimeout: abi.ErrorTimeout, wire.ClassNetwork: abi.ErrorNetwork,
		wire.ClassContextLength: abi.ErrorContextLength, wire.ClassModelNotFound: abi.ErrorModelNotFound,
		wire.ClassContentFilter: abi.ErrorContentFilter, wire.ClassPolicy: abi.ErrorPolicy}
	for class := range wire.NumClasses {
		if n, ok := errors[class]; !ok || n != uint32(class) {
			t.Errorf("class %v is %d in the ABI (known: %v); want %d", class, n, ok, class)
		}
	}
	if wire.OpChat != abi.KindChat || wire.OpEmbeddings != abi.KindEmbeddings || abi.MaxTargets != call.MaxCandidates {
		t.Error("operations or limits differ between host and ABI")
	}
}

// TestExample runs the README's module.
func TestExample(t *testing.T) {
	h := load(t, "cheapest", wasmtest.BuildGo(t, "../../examples/routes/cheapest"))
	c := someCall(rand.New(rand.NewPCG(7, 8)), 12)
	c.Facts.Size, c.Facts.MaxTokens = 4000, 100
	h.Plan(c)
	cost := func(i uint8) int64 {
		target := c.Candidates[i].Target
		if target.State.CooldownUntil.Load() > noon.UnixMilli() {
			return 1 << 62
		}
		return 1000*(target.Price.Input/1000) + 100*(target.Price.Output/1000)
	}
	got := order(c)
	if !slices.IsSortedFunc(got, func(a, b uint8) int { return cmp.Compare(cost(a), cost(b)) }) || len(got) != 12 {
		t.Errorf("got %v, not the cheapest first", got)
	}
	if c.Plan.Route != h.Stats().Version || string(c.Plan.Reason()) != "cheapest first" {
		t.Errorf("planned by %s because %q", c.Plan.Route, c.Plan.Reason())
	}
}

func TestBuiltinOrder(t *testing.T) {
	target := func(priority, weight uint32) call.Candidate {
		return call.Candidate{Target: &call.Target{Priority: priority, Weight: weight, State: call.NewTargetState()}}
	}
	first := map[uint8]int{}
	for i := range 20_000 {
		c := &call.Call{ID: call.ID(i << 22), Received: noon,
			Candidates: []call.Candidate{target(2, 1), target(1, 3), target(1, 0), target(0, 1)}}
		c.Candidates[3].Target.State.CooldownUntil.Store(noon.UnixMilli() + 1)
		Builtin(c)
		first[c.Plan.Attempts[0].Index]++
		if got := order(c); len(got) != 4 || got[2] != 0 || got[3] != 3 {
			t.Fatalf("got %v; want the resting target last and the higher priority before it", got)
		}
	}
	if n := first[1]; n < 14_700 || n > 15_300 || first[1]+first[2] != 20_000 {
		t.Errorf("weights 3 and 1 came first %d and %d times of 20000", first[1], first[2])
	}
	c := &call.Call{Received: noon}
	Builtin(c)
	if c.Plan.N != 0 || c.Plan.Route != "builtin" {
		t.Errorf("without candidates: %d attempts by %s", c.Plan.N, c.Plan.Route)
	}
	for range 70 {
		c.Candidates = append(c.Candidates, target(0, 1))
	}
	if Builtin(c); c.Plan.N != call.MaxCandidates {
		t.Errorf("of 70 candidates %d are planned; want %d", c.Plan.N, call.MaxCandidates)
	}
}

// TestShippedIsWhatWasBuilt pins the committed module; `sdk/build.sh check` rebuilds it.
func TestShippedIsWhatWasBuilt(t *testing.T) {
	sums, err := os.ReadFile("../../plugins/routes/priority/priority.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(shipped(t))
	if !strings.HasPrefix(string(sums), hex.EncodeToString(sum[:])) {
		t.Errorf("priority.wasm has sha256 %x; the file beside it says %s", sum, sums)
	}
}

// TestAppendedFields gives guests a record of a later minor version.
func TestAppendedFields(t *testing.T) {
	c := someCall(rand.New(rand.NewPCG(5, 6)), 5)
	plain := roomFor(recordSize(c, 0))
	encode(plain, c, noon.UnixMilli(), seedOf(c), 0)
	record := laterMinor(plain, 5)
	for name, code := range map[string][]byte{"rust": shipped(t), "go": guest(t, "priority")} {
		h := load(t, "priority", code)
		in, err := h.lanes.View().Active.Acquire()
		if err != nil {
			t.Fatal(err)
		}
		b, err := in.Buffer(len(record))
		if err != nil {
			t.Fatal(err)
		}
		copy(b, record)
		answer, err := in.Call(len(record))
		if err != nil {
			t.Fatal(err)
		}
		c.Plan.Reset()
		if err := decode(answer, 5, &c.Plan); err != nil || !slices.Equal(order(c), builtinOrder(c)) {
			t.Errorf("%s: got %v, %v; want %v", name, order(c), err, builtinOrder(c))
		}
		in.Release(nil)
	}
}

// laterMinor is a record with 16 unknown bytes behind the header and 8 behind each target.
func laterMinor(plain []byte, n int) []byte {
	const header, stride = uint32(abi.RequestSize + 16), 112 + 8
	out := append(slices.Clone(plain[:abi.RequestSize]), "unknown unknown!"...)
	for i := range n {
		out = append(append(out, plain[abi.RequestSize+112*i:abi.RequestSize+112*(i+1)]...), "unknown!"...)
	}
	out = append(out, plain[abi.RequestSize+112*n:]...) // strings lie elsewhere: these guests do not read them
	record := roomFor(len(out))
	copy(record, out)
	with(record, 4, 1|header<<16)
	with(record, 8, uint32(len(out)))
	with(record, 108, header)
	with(record, 112, stride)
	return record
}

func FuzzDecode(f *testing.F) {
	f.Add(planBytes(0, 1, 2), 3)
	f.Add(with(planBytes(), 16, 5), 1)
	f.Add(with(planBytes(1), 12, 48), 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		n = 1 + (n%call.MaxCandidates+call.MaxCandidates)%call.MaxCandidates
		var p call.Plan
		if decode(b, n, &p) != nil {
			return
		}
		var seen uint64
		for _, a := range p.Attempts[:p.N] {
			if int(a.Index) >= n || seen&(1<<a.Index) != 0 {
				t.Fatalf("attempts %v of %d targets", p.Attempts[:p.N], n)
			}
			seen |= 1 << a.Index
		}
		if p.Code != 0 && p.N != 0 {
			t.Fatal("refusal with attempts")
		}
	})
}
