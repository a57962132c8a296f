package verify

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// check is a case before it runs. What run returns beside an error is a figure.
type check struct {
	id, title string
	kind      module.Kind // "": both
	why, fix  string
	run       func(k *kit) (detail string, err error)
}

var cases = []check{
	{"abi", "it loads: exports, imports, ABI version, manifest, configuration", "",
		"the gateway refuses it with the same words", "do what the text says; the SDKs export and import the right things", (*kit).abi},
	{"answers", "every valid record gets a valid answer", "",
		"an answer that is not valid counts as a failure: a route falls back to the built-in order, a filter blocks, and after some the module is taken out of use",
		"handle the record named; a route may always decline, a filter must settle or ask for more", (*kit).answers},
	{"fuel", "it ends within its fuel", "",
		"a call that runs out is a failure, and costs the time of all of it", "do less in a call, bound loops by the record's counts, allocate nothing; or set a higher fuel in the manifest", (*kit).fuel},
	{"bounds", "what lies behind the record does not change the answer", "",
		"the buffer holds what earlier calls, of other tenants, left there", "read no further than the record's total, and strings no further than their length", (*kit).bounds},
	{"determinism", "the same record gives the same answer, on any instance, at any time", "",
		"decisions are replayed to explain them and to compare versions; any instance of any version may take the next call",
		"keep nothing between calls but host counters, and take time and randomness from the record alone (Go: no range over maps)", (*kit).determinism},
	{"grease", "records of later and of older minor versions are read", "",
		"a gateway that is upgraded appends fields; modules that are not built again must go on", "take sizes and strides from the header, skip what is not known, and read what is missing as zero; the SDKs do", (*kit).grease},
	{"garbage", "broken records end too, and harm nothing", "",
		"a module that can be made to spin holds the processor for all", "check counts and offsets against the record's size before using them, and decline", (*kit).garbage},
	{"recovery", "after a failure a fresh instance answers as before", "",
		"an instance that failed is thrown away; the next one must not know of it", "build all state from configuration when the instance starts", (*kit).recovery},
	{"chunking", "any chunking of a text gives the same output", module.Filter,
		"text arrives in pieces of any size; what is found must not hang on where they end", "consume only up to where the decision does not depend on what follows, and leave the rest for the next window", (*kit).chunking},
	{"holdback", "at most 256 bytes are held back", module.Filter,
		"what is held back is what the caller waits for", "give up on a token that is longer than what you look for can be", (*kit).holdback},
	{"closed", "what it cannot read does not pass", module.Filter,
		"a filter in doubt blocks", "trap, or answer nothing, when the record is not one", (*kit).closed},
	{"leak", "its memory stays as it is", "",
		"instances live for days", "free or reuse what a call allocates (AssemblyScript: --runtime incremental; Go: reuse buffers)", (*kit).leak},
	{"latency", "how long a call takes", "", "", "", (*kit).latency},
}

// abi loads the module.
func (k *kit) abi() (string, error) {
	start := time.Now()
	v, err := k.load(0)
	if err != nil {
		return "", err
	}
	k.version = v
	k.slot.Swap(v)
	detail := fmt.Sprintf("loaded in %s as %s", time.Since(start).Round(time.Millisecond), v.Label)
	if !v.Metered() {
		detail += "; fuel cannot be injected: it runs under the slower guard, where modules.allow_unmetered is set"
	}
	return detail, nil
}

// answers judges every answer. Running out of fuel is another case.
func (k *kit) answers() (string, error) {
	declined := 0
	for _, in := range k.inputs {
		o := k.ask(in.record)
		if errors.Is(o.err, wasm.ErrFuel) {
			continue
		}
		if err := firstOf(o.err, func() error { return in.judge(o.answer()) }); err != nil {
			return "", fmt.Errorf("%s: %w", in.name, err)
		}
		if len(o.answer()) == 0 {
			declined++
		}
	}
	return fmt.Sprintf("%d records, %d declined", len(k.inputs), declined), nil
}

func firstOf(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

func (k *kit) fuel() (string, error) {
	if !k.version.Metered() {
		return "", skipped{"it runs without fuel"}
	}
	var spent []int64
	for _, in := range k.inputs {
		o := k.ask(in.record)
		if errors.Is(o.err, wasm.ErrFuel) {
			return "", fmt.Errorf("%s: out of fuel after %d units", in.name, o.fuel)
		}
		spent = append(spent, o.fuel)
	}
	slices.Sort(spent)
	most := int64(wasm.Fuel)
	if f := k.version.Manifest().Fuel; f > 0 {
		most = min(most, f)
	}
	return fmt.Sprintf("half of the calls spend up to %d units, the dearest %d of %d", spent[len(spent)/2], spent[len(spent)-1], most), nil
}

// sample is every so manieth of n records: fresh instances take time.
func (k *kit) sample(n int) (picked []int) {
	step := 1
	if k.o.Quick {
		step = 4
	}
	for i := 0; i < n; i += step {
		picked = append(picked, i)
	}
	return picked
}

// bounds changes what lies behind the record, on fresh instances.
func (k *kit) bounds() (string, error) {
	inputs, _ := k.usable()
	if len(inputs) == 0 {
		return "", errNothing
	}
	for _, i := range k.sample(len(inputs)) {
		var got [2]outcome
		for j, fill := range []byte{0, 0xff} {
			if err := k.renew(); err != nil {
				return "", err
			}
			got[j] = k.askBefore(inputs[i].record, bytes.Repeat([]byte{fill}, 64))
		}
		if got[0].err != nil && got[1].err != nil {
			continue // no room for more in its buffer
		}
		if err := k.same(&got[0], &got[1]); err != nil {
			k.unsteady = true
			return "", fmt.Errorf("%s: %w", inputs[i].name, err)
		}
	}
	return "", nil
}

// determinism replays records, then asks for all again in another order.
func (k *kit) determinism() (string, error) {
	inputs, outcomes := k.usable()
	switch {
	case len(inputs) == 0:
		return "", errNothing
	case k.unsteady:
		return "", skipped{"its answers change anyway: see bounds"}
	}
	picked := k.sample(len(inputs))
	for _, i := range picked {
		again, err := k.version.Replay(&outcomes[i].recording, 3)
		if err == nil {
			err = equal(outcomes[i].answer(), again)
		}
		if err != nil {
			k.unsteady = true
			return "", fmt.Errorf("%s, replayed: %w", inputs[i].name, err)
		}
	}
	for i := range slices.Backward(inputs) {
		o := k.ask(inputs[i].record)
		if err := k.same(&outcomes[i], &o); err != nil {
			k.unsteady = true
			return "", fmt.Errorf("%s, asked again: %w", inputs[i].name, err)
		}
	}
	return fmt.Sprintf("%d records, twice on each of 3 instances", len(picked)), nil
}

// recovery makes a call fail half-way, in a version with too little fuel, and
// throws an instance away that has answered.
func (k *kit) recovery() (string, error) {
	inputs, outcomes := k.usable()
	if len(inputs) == 0 {
		return "", errNothing
	}
	in, before := inputs[0], outcomes[0]
	if err := k.starve(in, before.fuel/2); err != nil {
		return "", err
	}
	if err := k.renew(); err != nil {
		return "", err
	}
	after := k.ask(in.record)
	if err := k.same(&before, &after); err != nil {
		return "", fmt.Errorf("%s, on a fresh instance: %w", in.name, err)
	}
	return "", nil
}

// starve asks a version that has so much fuel, or next to none.
func (k *kit) starve(in input, fuel int64) error {
	if !k.version.Metered() {
		return nil
	}
	for _, fuel := range []int64{max(fuel, 1), 1} { // what a call holds while it runs, it may get back: half can be enough
		v, err := k.load(fuel)
		if err != nil {
			return err
		}
		k.slot.Swap(v)
		o := k.ask(in.record)
		k.slot.Swap(k.version)
		v.Close()
		if errors.Is(o.err, wasm.ErrFuel) {
			return nil
		}
		if o.err != nil {
			return fmt.Errorf("with %d units of fuel it ends with %w", fuel, o.err)
		}
	}
	return errors.New("it runs without fuel")
}

// leak watches the memory of an instance after a tenth of the calls.
func (k *kit) leak() (string, error) {
	inputs, outcomes := k.usable()
	if len(inputs) == 0 {
		return "", errNothing
	}
	inputs, outcomes = inputs[:min(len(inputs), 8)], outcomes[:min(len(outcomes), 8)]
	early, slack := outcomes[0].memory, uint32(0)
	starved := 0
	for n := range k.o.Calls {
		i := n % len(inputs)
		o := k.ask(inputs[i].record)
		if errors.Is(o.err, wasm.ErrFuel) && starved <= k.o.Calls/1000 {
			starved++ // a collector may take more than a call has left, now and then
			continue
		}
		if err := k.same(&outcomes[i], &o); err != nil {
			return "", fmt.Errorf("call %d, %s: %w", n, inputs[i].name, err)
		}
		if n <= k.o.Calls/10 {
			early = max(early, o.memory)
			if k.o.Quick { // collectors have not settled yet
				slack = early / 8
			}
		} else if o.memory > early+slack {
			return "", fmt.Errorf("%d bytes after %d calls, %d after %d", early, k.o.Calls/10, o.memory, n)
		}
	}
	detail := fmt.Sprintf("%d KiB from call %d to call %d", early>>10, k.o.Calls/10, k.o.Calls)
	if starved > 0 {
		detail += fmt.Sprintf("; %d calls ran out of fuel: it allocates, and its collector took the rest", starved)
	}
	return detail, nil
}

func (k *kit) latency() (string, error) {
	inputs, _ := k.usable()
	if len(inputs) == 0 {
		return "", errNothing
	}
	var took []time.Duration
	for n := range k.o.rounds(20_000) {
		start := time.Now()
		k.ask(inputs[n%len(inputs)].record)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	of := fmt.Sprintf("requests of 1 to %d targets", abi.MaxTargets)
	if k.o.Kind == module.Filter {
		of = fmt.Sprintf("windows of up to %d bytes", abi.MaxWindow)
	}
	return fmt.Sprintf("p50 %d ns, p99 %d ns, over %s",
		took[len(took)/2].Nanoseconds(), took[len(took)*99/100].Nanoseconds(), of), nil
}
