package batch

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// TestPlannedByTwo: of two workers that plan a batch at once one has it, whole,
// and what the other was at changes nothing.
func TestPlannedByTwo(t *testing.T) {
	o := newOffice(t)
	m := newMessenger(o)
	first, b := o.lead(o.chat(20))
	second := &hand{o.Desk, newID("token")}
	batches, sheets := [2]call.Batch{*b, *b}, [2]*sheet{}
	who := &call.Principal{KeyID: "k"}
	var planning sync.WaitGroup
	for i, h := range [...]*hand{first, second} {
		planning.Go(func() {
			var err error
			if sheets[i], err = h.sheet(t.Context(), &batches[i], who); err != nil {
				t.Error(err)
			}
		})
	}
	planning.Wait()
	if t.Failed() {
		return
	}
	if err := first.entrust(t.Context(), &batches[0], sheets[0], who, 20); err != nil {
		t.Fatal(err)
	}
	if err := second.entrust(t.Context(), &batches[1], sheets[1], who, 20); !errors.Is(err, errMoved) {
		t.Errorf("the second has it too: %v", err)
	}
	if again, err := first.createAt(t.Context(), &batches[0]); err != nil || again > 0 {
		t.Fatal(again, err)
	}
	for _, id := range m.orders[0].ids {
		l, ok := parseShort(id, messageBatches{}.tag(batches[0].Native.Input))
		if !ok || batches[0].Native.Groups[0].Lines != 20 || l.group != 0 {
			t.Errorf("%s is of another plan", id)
		}
	}
	if held, _, _ := m.sums(); held != 20*needed {
		t.Errorf("%d is held; want what the one that has it needs", held)
	}
}

// TestDecidedByTwo: where two judge differently who is to carry a batch out, as
// the configuration has changed between them, the first has decided.
func TestDecidedByTwo(t *testing.T) {
	o := newOffice(t)
	m := newMessenger(o)
	who := &call.Principal{KeyID: "k"}
	h, b := o.planned(3)
	late := *b
	late.Native, late.State, late.Mode = nil, call.BatchValidating, call.BatchAuto
	m.not = "it is not fit any more"
	if err := (&hand{o.Desk, "late"}).validate(t.Context(), &late); !errors.Is(err, errMoved) {
		t.Errorf("the gateway takes what a provider has: %v", err)
	}
	now, err := o.store.Batch(t.Context(), b.ID)
	if err != nil || now.Mode != call.BatchAuto || now.Native == nil {
		t.Errorf("it has become %+v, %v", now, err)
	}
	if left, err := h.undone(t.Context(), b.ID); err != nil || left != 0 {
		t.Errorf("%d parts are to be done by the gateway, %v", left, err)
	}

	h, b = o.lead(o.chat(3))
	late = *b
	m.not = ""
	s, err := h.sheet(t.Context(), &late, who)
	if err != nil {
		t.Fatal(err)
	}
	m.not = "it is not fit any more"
	if left, err := h.leave(t.Context(), b, who, 3); left || err != nil {
		t.Fatal(left, err)
	}
	if err := (&hand{o.Desk, "late"}).entrust(t.Context(), &late, s, who, 3); !errors.Is(err, errMoved) {
		t.Errorf("a provider gets what the gateway carries out: %v", err)
	}
	if held, _, _ := m.sums(); held != 3*needed {
		t.Errorf("%d is held; want what the first needs", held)
	}
}

// TestPlannedAnew: a worker that was taken for dead amid a plan does not go on
// with that of another.
func TestPlannedAnew(t *testing.T) {
	o := newOffice(t)
	newMessenger(o)
	h, b := o.planned(3)
	slow := *b
	native := *b.Native
	slow.Native = &native
	if err := h.void(t.Context(), b, func(b *call.Batch) { b.Native, b.State = nil, reopened(b) }); err != nil {
		t.Fatal(err)
	}
	next := &hand{o.Desk, newID("token")}
	if err := next.validate(t.Context(), b); err != nil || b.Native == nil || b.Native.Stage != call.NativeCreating {
		t.Fatalf("it is not planned anew: %v, %+v", err, b)
	}
	if err := h.move(t.Context(), &slow, func(b *call.Batch) { b.Native.Asked = time.Now() }); !errors.Is(err, errMoved) {
		t.Errorf("the first goes on with the second's plan: %v", err)
	}
}

// TestStuckIsRevived: a batch that an older run has left without its end, its
// first chunk noted as done, is ended by whoever looks next.
func TestStuckIsRevived(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.order(lineset(3), "24h").ID
	_, err := o.store.ChangeBatch(t.Context(), id, func(b *call.Batch) error {
		b.State, b.Finalizing, b.Begun, b.Lines = call.BatchFinalizing, time.Now(), time.Now(), 3
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	step := call.Step{Batch: id, Chunk: lead}
	if _, ok, err := o.store.TakeChunk(t.Context(), step, "old", time.Hour); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, err := o.store.LeaveChunk(t.Context(), step, "old", true); err != nil {
		t.Fatal(err)
	}
	o.work()
	if codes := o.lines(o.until(id, call.BatchCompleted)); len(codes) != 3 || codes["id1"] != "batch_incomplete" {
		t.Errorf("lines are %v", codes)
	}
}
