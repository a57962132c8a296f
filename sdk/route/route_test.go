package route

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"slices"
	"testing"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/internal/guest"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// aligned copies b to where a record may lie.
func aligned(b []byte) []byte {
	words := make([]uint64, len(b)/8+1)
	out := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(b))
	copy(out, b)
	return out
}

func goldenRecord(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../abi/testdata/request.sbr1")
	if err != nil {
		t.Fatal(err)
	}
	return aligned(b)
}

// TestGoldenRequest reads the record that the host's test pins.
func TestGoldenRequest(t *testing.T) {
	var r Request
	if err := r.Load(goldenRecord(t)); err != nil {
		t.Fatal(err)
	}
	want := abi.Request{Magic: abi.MagicRequest, Version: abi.Minor, HeaderSize: uint16(abi.RequestSize), Total: uint32(len(r.record)), ID: 123456789012345,
		Flags: abi.FlagStream | abi.FlagTools | abi.FlagImages | abi.FlagCacheControl, NowMS: 1773489600000, Rand: Mix(123456789012345),
		Model: r.Model, Tenant: r.Tenant, Kind: abi.KindChat, InTokens: 1024, OutTokens: 512, Attempt: 1, LastError: abi.ErrorOverloaded,
		Targets: 2, TargetOff: uint32(abi.RequestSize), TargetSize: 112, Size: 4096}
	if *r.Request != want || r.Text(r.Model) != "fast" || r.Text(r.Tenant) != "acme" || r.Len() != 2 {
		t.Errorf("got %+v\nwant %+v", *r.Request, want)
	}
	near := *r.Target(0)
	if r.Text(near.ID) != "openai/gpt-4o-mini" || r.Text(near.Region) != "eu-west" {
		t.Errorf("first target is %q in %q", r.Text(near.ID), r.Text(near.Region))
	}
	if want := (Target{ID: near.ID, Region: near.Region, Tags: 5, PriceIn: 150_000, PriceOut: 600_000, TTFTMS: 256, TokenMS: 16,
		ErrorRate: near.ErrorRate, InFlight: 2, RequestsLeft: 100, TokensLeft: 100_000, Context: 128_000, Weight: 3,
		Quality: 0.5, Priority: 1}); near != want || near.ErrorRate <= 0 {
		t.Errorf("got %+v\nwant %+v", near, want)
	}
	if far := r.Target(1); far.RetryAfterMS != 2500 || !Resting(far) || Resting(&near) {
		t.Errorf("pauses are %d and %d ms", near.RetryAfterMS, far.RetryAfterMS)
	}
}

func TestGoldenPlan(t *testing.T) {
	var p Plan
	p.Reset()
	a := p.Try(1)
	a.TimeoutMS, a.HedgeMS, a.BackoffMS, a.BackoffMaxMS, a.Weight, a.Flags = 1000, 200, 10, 40, 9, 5
	p.Try(0)
	p.Because("cheapest first")
	if *update {
		if err := os.WriteFile("../abi/testdata/plan.sbp1", p.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("../abi/testdata/plan.sbp1")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.Bytes(), want) {
		t.Errorf("plan has changed: the host does not expect it so\ngot  %x\nwant %x", p.Bytes(), want)
	}
}

// TestPlansAreExact: what an earlier plan left does not show, and the longest
// plan holds its reason.
func TestPlansAreExact(t *testing.T) {
	build := func(p *Plan, attempts int) []byte {
		p.Reset()
		p.Because("why")
		for i := range attempts {
			p.Try(i)
		}
		return bytes.Clone(p.Bytes())
	}
	var used Plan
	for _, n := range []int{abi.MaxTargets, 2, 0, 5} {
		var fresh Plan
		got := build(&used, n)
		if !bytes.Equal(got, build(&fresh, n)) || !bytes.Equal(got, bytes.Clone(used.Bytes())) || string(got[len(got)-3:]) != "why" ||
			len(got) != abi.PlanSize+n*abi.AttemptSize+3 {
			t.Errorf("plan of %d attempts is %x", n, got)
		}
	}
}

func TestPlanForms(t *testing.T) {
	var p Plan
	p.Reset()
	if b := p.Bytes(); b != nil {
		t.Errorf("empty plan has %d bytes; want none", len(b))
	}
	p.Try(3)
	if b := p.Bytes(); len(b) != abi.PlanSize+abi.AttemptSize {
		t.Errorf("plan of one attempt has %d bytes", len(b))
	}
	p.Refuse(402, string(make([]byte, 500)))
	head := *(*abi.Plan)(unsafe.Pointer(&p.Bytes()[0]))
	if head.Code != 402 || head.Attempts != 0 || head.Reason.Len != abi.MaxReason {
		t.Errorf("refusal is %+v", head)
	}
}

// TestShorterHost reads a record of a host that knows fewer fields.
func TestShorterHost(t *testing.T) {
	full := goldenRecord(t)
	const header, stride = 120, 104
	b := slices.Clone(full[:header])
	for i := range 2 {
		b = append(b, full[abi.RequestSize+112*i:][:stride]...)
	}
	b = aligned(b)
	binary.LittleEndian.PutUint16(b[6:], header)
	binary.LittleEndian.PutUint32(b[108:], header)
	binary.LittleEndian.PutUint32(b[112:], stride)
	var r Request
	r.shortRequest.Objective, r.shortTargets[0].Priority = 7, 7 // left from before
	if err := r.Load(b); err != nil {
		t.Fatal(err)
	}
	if first := r.Target(0); r.Objective != 0 || r.Size != 0 || r.ID != 123456789012345 || first.Priority != 0 || first.Weight != 3 {
		t.Errorf("got %+v, first target %+v", r.Request, first)
	}
}

func TestRank(t *testing.T) {
	f := func(classes []uint64, weights []uint32, seed uint64, want ...int) {
		t.Helper()
		var r Rank
		for i := range classes {
			r.Add(classes[i], weights[i])
		}
		r.Draw(seed)
		var got []int
		for i := range r.Len() {
			got = append(got, r.At(i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v; want %v", got, want)
		}
	}
	f(nil, nil, 1)
	f([]uint64{3}, []uint32{0}, 1, 0)
	f([]uint64{3, 1, 2}, []uint32{1, 1, 1}, 1, 1, 2, 0)
	f([]uint64{1, 1}, []uint32{1, 1<<32 - 1}, 1, 1, 0)
	f([]uint64{Class(0, true), Class(9, false), Class(2, true)}, []uint32{1, 1, 1}, 1, 1, 0, 2)
}

// TestRun decides and configures as the gateway's calls do.
func TestRun(t *testing.T) {
	defer func() { decide, guest.OnConfig = nil, nil }()
	record := goldenRecord(t)
	config, err := os.ReadFile("../abi/testdata/config.sbc1")
	if err != nil {
		t.Fatal(err)
	}
	if Run(record) != nil || Configure(aligned(config)) == nil {
		t.Error("a module without functions does something")
	}
	var got Config
	Handle(func(r *Request, p *Plan) { p.Try(r.Len() - 1) })
	OnConfig(func(c Config) error { got = c; return nil })
	if b := Run(record); len(b) != abi.PlanSize+abi.AttemptSize || b[abi.PlanSize] != 1 {
		t.Errorf("got plan %x", b)
	}
	if b := Run(record[:100]); b != nil {
		t.Errorf("got plan %x for half a record", b)
	}
	if err := Configure(aligned(config)); err != nil || got.Name != "priority" || got.Tag("fast") != 2 || got.Tag("slow") != 0 || string(got.JSON) != `{"sticky":true}` {
		t.Errorf("got %+v, %v", got, err)
	}
	if Configure(record) == nil || Configure(nil) == nil {
		t.Error("took what is not a configuration")
	}
}

// FuzzLoad: no record makes the SDK read outside of it.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(goldenRecord(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Request
		if len(b) == 0 || r.Load(aligned(b)) != nil {
			return
		}
		var sum uint32
		for i := range r.Len() {
			target := r.Target(i)
			sum += target.Weight + uint32(len(r.Text(target.ID)))
		}
		_ = r.Text(r.Model)
	})
}
