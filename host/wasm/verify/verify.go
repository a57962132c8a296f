// Package verify is the conformance kit for modules: it runs a routing module
// or a filter as the gateway does, on records that are ordinary, extreme,
// foreign and broken, and reports case by case what holds and what does not.
package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Options say how a module is verified.
type Options struct {
	Kind      module.Kind
	Name      string           // as the configuration would call it, "": the manifest's
	Manifest  *module.Manifest // nil: there is none
	Config    []byte           // JSON for the module, empty: none
	Quick     bool             // fewer rounds: seconds, for continuous integration
	Calls     int              // of the leak case, 0: a million, or twenty thousand when quick
	Unmetered bool             // what fuel cannot be injected into is run under the slower guard
	Log       io.Writer        // what the module says, nil: nowhere
}

// Calls of the leak case.
const (
	longCalls  = 1_000_000
	quickCalls = 20_000
)

func (o *Options) defaults() {
	if o.Name == "" {
		if o.Name = string(o.Kind); o.Manifest != nil {
			o.Name = o.Manifest.Name
		}
	}
	if o.Calls == 0 {
		if o.Calls = longCalls; o.Quick {
			o.Calls = quickCalls
		}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
}

// rounds is n, or a tenth of it when quick.
func (o *Options) rounds(n int) int {
	if o.Quick {
		return max(n/10, 2)
	}
	return n
}

// kit is one run.
type kit struct {
	o       Options
	code    []byte
	runtime *wasm.Runtime
	state   *wasm.State
	version *wasm.Version // nil until the module is loaded
	slot    wasm.Slot
	inputs  []input // what any module must answer
	report  *Report

	unsteady bool // its answers hang on more than the record
}

// Verify runs all cases on a module. The error says why that was not possible
// at all; what the module does wrong is in the report.
func Verify(code []byte, o Options) (*Report, error) {
	o.defaults()
	if o.Kind != module.Route && o.Kind != module.Filter {
		return nil, fmt.Errorf("cannot verify a module of kind %q: give route or filter", o.Kind)
	}
	rt, err := wasm.New(wasm.Options{AllowUnmetered: o.Unmetered})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(code)
	k := &kit{o: o, code: code, runtime: rt,
		state:  wasm.NewState(slog.New(slog.NewTextHandler(o.Log, nil))),
		report: &Report{Name: o.Name, Kind: o.Kind, SHA256: hex.EncodeToString(sum[:]), Size: len(code)}}
	k.inputs = windows()
	if o.Kind == module.Route {
		k.inputs = requests(plain)
	}
	defer k.close()
	for _, c := range cases {
		k.do(c)
	}
	return k.report, nil
}

func (k *kit) close() {
	k.slot.Swap(nil)
	if k.version != nil {
		k.version.Close()
	}
	_ = k.runtime.Close()
}

// load loads the module, with so much fuel a call, 0: what its manifest says.
func (k *kit) load(fuel int64) (*wasm.Version, error) {
	m := wasm.Module{Name: k.o.Name, Code: k.code, Manifest: k.o.Manifest, Config: record.Config(k.o.Name, k.o.Config, ""),
		Strict: len(k.o.Config) > 0, Entry: "sb_" + string(k.o.Kind), Params: 2, State: k.state}
	if fuel > 0 {
		if m.Manifest == nil {
			m.Manifest = module.Default(k.o.Kind, k.o.Name)
		}
		less := *m.Manifest
		less.Fuel = fuel
		m.Manifest = &less
	}
	return k.runtime.Load(m)
}

// do runs one case. Nothing else can be looked at when the module is not loaded.
func (k *kit) do(c check) {
	if c.kind != "" && c.kind != k.o.Kind || k.version == nil && c.id != "abi" {
		return
	}
	detail, err := c.run(k)
	got := Case{ID: c.id, Title: c.title, Result: Passed, Detail: detail}
	var skip skipped
	switch {
	case errors.As(err, &skip):
		got.Result, got.Detail = LeftOut, skip.reason
	case err != nil:
		got.Result, got.Detail, got.Why, got.Fix = Failed, err.Error(), c.why, c.fix
	}
	k.report.Cases = append(k.report.Cases, got)
}

type skipped struct{ reason string }

func (s skipped) Error() string { return s.reason }
