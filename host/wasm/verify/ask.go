package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// input is a record that a module is asked with.
type input struct {
	name    string
	number  int // of a request: the same in each form
	record  []byte
	targets int            // of a request
	window  *record.Window // of a filter's, nil in a request
}

// outcome is what came of a call.
type outcome struct {
	recording wasm.Recording
	err       error
	fuel      int64
	memory    uint32
}

func (o *outcome) answer() []byte { return o.recording.Answer }

// ask runs one call, as the host does.
func (k *kit) ask(rec []byte) outcome { return k.askBefore(rec, nil) }

// askBefore has bytes after the record in the guest's buffer, which are not of it.
func (k *kit) askBefore(rec, after []byte) (o outcome) {
	in, err := k.slot.Acquire()
	if err != nil {
		return outcome{err: err}
	}
	o.recording.Record = rec
	b, err := in.Buffer(len(rec) + len(after))
	if err == nil {
		copy(b[copy(b, rec):], after)
		var answer []byte
		if answer, err = in.Call(len(rec)); err == nil {
			o.recording.Keep(in, answer)
		}
		o.fuel = in.Spent()
	}
	o.err, o.memory = err, in.MemorySize()
	in.Release(err)
	return o
}

// judge says what is wrong with a valid call's answer.
func (in *input) judge(answer []byte) error {
	if in.window != nil {
		_, err := record.ReadVerdict(answer, in.window)
		return err
	}
	if len(answer) == 0 {
		return nil // declined
	}
	return checkPlan(answer, in.targets)
}

// usable are the inputs that the module answers as it should, with what it
// answered: what is wrong with others is the business of two cases alone.
func (k *kit) usable() (inputs []input, outcomes []outcome) {
	for _, in := range k.inputs {
		if o := k.ask(in.record); o.err == nil && in.judge(o.answer()) == nil {
			inputs, outcomes = append(inputs, in), append(outcomes, o)
		}
	}
	return inputs, outcomes
}

var errNothing = skipped{"no record is answered: see answers and fuel"}

// same compares with an earlier answer where nothing else had a say in it. Of a
// module that is known to answer as it likes only failures are told.
func (k *kit) same(a, b *outcome) error {
	switch {
	case b.err != nil:
		return fmt.Errorf("it now fails: %w", b.err)
	case k.unsteady || len(a.recording.Calls)+len(b.recording.Calls) > 0: // counters go on
		return nil
	}
	return equal(a.answer(), b.answer())
}

// equal says where two answers differ.
func equal(a, b []byte) error {
	if bytes.Equal(a, b) {
		return nil
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	piece := func(x []byte) []byte { return x[i:min(len(x), i+8)] }
	return fmt.Errorf("the answer of %d bytes became one of %d, different from byte %d on: %x became %x", len(a), len(b), i, piece(a), piece(b))
}

// renew has the next call run on a fresh instance.
func (k *kit) renew() error {
	in, err := k.slot.Acquire()
	if err == nil {
		in.Release(wasm.ErrTrap)
	}
	return err
}

// show is an answer, shortened.
func show(b []byte) string {
	if len(b) > 48 {
		return fmt.Sprintf("%x… (%d bytes)", b[:48], len(b))
	}
	return fmt.Sprintf("%x", b)
}

var (
	planLayout    abi.Plan
	attemptLayout abi.Attempt
)

// checkPlan says what is wrong with a plan for n targets. It is written apart
// from what the gateway reads plans with.
func checkPlan(b []byte, n int) error {
	le := binary.LittleEndian
	if len(b) < abi.PlanSize || le.Uint32(b) != abi.MagicPlan {
		return fmt.Errorf("%s does not begin with a plan", show(b))
	}
	header := int(le.Uint16(b[unsafe.Offsetof(planLayout.HeaderSize):]))
	attempts := int(le.Uint32(b[unsafe.Offsetof(planLayout.Attempts):]))
	stride := int(le.Uint32(b[unsafe.Offsetof(planLayout.AttemptSize):]))
	reason := b[unsafe.Offsetof(planLayout.Reason):]
	at, length := int(le.Uint32(reason)), int(le.Uint32(reason[4:]))
	switch {
	case header < abi.PlanSize || stride < abi.AttemptSize:
		return fmt.Errorf("the plan's header has %d bytes, its attempts %d", header, stride)
	case attempts > n || attempts > abi.MaxTargets:
		return fmt.Errorf("%d attempts for %d targets", attempts, n)
	case header+attempts*stride > len(b) || at+length > len(b):
		return fmt.Errorf("attempts or the reason lie outside of the plan's %d bytes", len(b))
	case attempts > 0 && le.Uint32(b[unsafe.Offsetof(planLayout.Code):]) != 0:
		return errors.New("it refuses and has attempts")
	}
	seen := map[uint32]bool{}
	for i := range attempts {
		target := le.Uint32(b[header+i*stride+int(unsafe.Offsetof(attemptLayout.Target)):])
		if target >= uint32(n) || seen[target] {
			return fmt.Errorf("attempt %d goes to target %d of %d, or again", i, target, n)
		}
		seen[target] = true
	}
	return nil
}
