package observe

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// aligned copies b to where a record may lie.
func aligned(b []byte) []byte {
	words := make([]uint64, len(b)/8+1)
	out := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(b))
	copy(out, b)
	return out
}

func golden(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../abi/testdata/observation.sbo1")
	if err != nil {
		t.Fatal(err)
	}
	return aligned(b)
}

// TestGoldenObservation reads the record that the host's test pins.
func TestGoldenObservation(t *testing.T) {
	defer func() { learn = nil }()
	Run(golden(t)) // nobody learns
	calls := 0
	Handle(func(b *Batch) {
		calls++
		first, second := b.Outcome(0), b.Outcome(1)
		if b.Len() != 2 || b.Dropped != 3 || b.Text(first.Target) != "openai/gpt-4o-mini" || b.Text(first.Tenant) != "acme" || b.Text(second.Target) != "demo/echo" ||
			first.TTFTMS != 256.5 || first.Flags != abi.OutcomeStream|abi.OutcomeHedge|abi.OutcomeLost || second.ID != 1 {
			t.Errorf("got %+v, %+v of %+v", first, second, b.Observation)
		}
	})
	Run(golden(t))
	Run(golden(t)[:60])
	if calls != 1 {
		t.Errorf("learned %d times; want once", calls)
	}
}

// TestShorterHost reads outcomes of a host that knows fewer fields.
func TestShorterHost(t *testing.T) {
	full := golden(t)
	const stride = 80
	b := aligned(slices.Concat(full[:56], full[56:][:stride], full[56+abi.OutcomeSize:][:stride]))
	binary.LittleEndian.PutUint32(b[48:], stride)
	batch := Batch{shortOutcomes: [abi.MaxOutcomes]Outcome{{Flags: 7}}} // left from before
	if err := batch.Load(b); err != nil {
		t.Fatal(err)
	}
	if first := batch.Outcome(0); first.Flags != 0 || first.Error != abi.ErrorServer || batch.Outcome(1).ID != 1 {
		t.Errorf("got %+v", first)
	}
}

// FuzzLoad: no record makes the SDK read outside of it.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(golden(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var batch Batch
		if len(b) == 0 || batch.Load(aligned(b)) != nil {
			return
		}
		for i := range batch.Len() {
			_ = batch.Text(batch.Outcome(i).Target)
		}
	})
}
