package route

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// golden compares got with a vector that SDKs in any language are tested on.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "sdk", "abi", "testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed: the ABI is not what guests were built for\ngot  %x\nwant %x", name, got, want)
	}
}

// goldenCall has a distinct value in every field that a record shows.
func goldenCall() *call.Call {
	state := func(inFlight int32, left int64, ttft time.Duration) *call.TargetState {
		s := call.NewTargetState()
		s.InFlight.Store(inFlight)
		s.RequestsLeft.Store(left)
		s.TokensLeft.Store(left * 1000)
		s.Observe(true, ttft, ttft/16)
		return s
	}
	near := &call.Target{Name: "openai/gpt-4o-mini", Weight: 3, Priority: 1, Region: "eu-west", Tags: 0b101, Quality: 0.5,
		Price: &call.Price{Input: 150_000_000, Output: 600_000_000, Context: 128_000}, State: state(2, 100, 256*time.Millisecond)}
	far := &call.Target{Name: "anthropic/claude-haiku-4-5", Weight: 1, Priority: 1, Region: "us-east", Quality: 0.75,
		Price: &call.Price{Input: 1_000_000_000, Output: 5_000_000_000, Context: 200_000}, State: state(7, 50, 512*time.Millisecond)}
	far.State.CooldownUntil.Store(noon.UnixMilli() + 2500)
	return &call.Call{ID: 123456789012345, Received: noon, Op: wire.OpChat, Model: &call.Model{Name: "fast"},
		Principal: &call.Principal{KeyID: "k-12", Org: "acme", Team: "core"},
		Facts: scan.Facts{Stream: true, Tools: [][]byte{[]byte("f")}, In: scan.Text | scan.Image, CacheControl: true,
			MaxTokens: 512, Size: 4096},
		Candidates: []call.Candidate{{Target: near}, {Target: far}},
		Attempts:   []call.Attempt{{Class: wire.ClassOverloaded}}}
}

func TestGoldenRecords(t *testing.T) {
	c := goldenCall()
	record := make([]byte, recordSize(c, 0))
	for i := range record {
		record[i] = 0xee // what an earlier call left must not show through
	}
	encode(record, c, noon.UnixMilli(), seedOf(c), 0)
	golden(t, "request.sbr1", record)
}

// TestGoldenPlan decodes the plan that the Go SDK's test writes.
func TestGoldenPlan(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "sdk", "abi", "testdata", "plan.sbp1"))
	if err != nil {
		t.Fatal(err)
	}
	var p call.Plan
	if err := decode(b, 2, &p); err != nil {
		t.Fatal(err)
	}
	ms := time.Millisecond
	first := call.PlannedAttempt{Index: 1, Timeout: 1000 * ms, Hedge: 200 * ms, Backoff: 10 * ms, BackoffMax: 40 * ms, Flags: 5}
	if p.N != 2 || p.Attempts[0] != first || p.Attempts[1] != (call.PlannedAttempt{}) || string(p.Reason()) != "cheapest first" {
		t.Errorf("got %+v, %q", p.Attempts[:p.N], p.Reason())
	}
	if want := abi.PlanSize + 2*abi.AttemptSize + len("cheapest first"); len(b) != want {
		t.Errorf("plan has %d bytes; want %d", len(b), want)
	}
}
