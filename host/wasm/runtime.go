package wasm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Options of a Runtime.
type Options struct {
	CacheDir string // for compiled modules, "" for none; nobody else may write there: code is run from it

	// AllowUnmetered runs modules into which fuel cannot be injected under a
	// guard that ends calls by the clock. It makes calls several times slower,
	// and does not see trees of calls without a loop.
	AllowUnmetered bool
	GuardTime      time.Duration // that a call has under it, 0: GuardTime
}

// Runtime compiles modules.
type Runtime struct {
	engines        engines
	allowUnmetered bool
	guardTime      time.Duration
	versions       sync.WaitGroup // that have not drained
}

// New returns a runtime.
func New(o Options) (*Runtime, error) {
	r := &Runtime{allowUnmetered: o.AllowUnmetered, guardTime: cmp.Or(o.GuardTime, GuardTime)}
	var err error
	if o.CacheDir != "" {
		if r.engines.cache, err = openCache(o.CacheDir); err != nil {
			return nil, fmt.Errorf("cannot open the cache of compiled modules %q: %w", o.CacheDir, err)
		}
	}
	if _, err = r.engines.get(class{pages: fuel.Plain.Pages}); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// Close ends the runtime. It waits for all versions, which must have been
// closed, to drain: the memory of a running guest cannot be taken away.
func (r *Runtime) Close() error {
	r.versions.Wait()
	return r.engines.close()
}

// Module is what to load.
type Module struct {
	Name     string // for logs
	Code     []byte
	Manifest *module.Manifest // what it may import and spend; nil: module.Default
	Config   []byte           // record for sb_configure
	Strict   bool             // a module without sb_configure is refused: the operator configured it
	Entry    string           // the export that calls go to: "sb_route"
	Params   int              // i32 parameters of it
	State    *State           // of the module's name; outlives versions
}

// label names a module in decisions and logs: two that differ in nothing but
// their manifest or configuration decide differently.
func (m *Module) label(id ID) string {
	label := m.Name + "@" + id.Short()
	if m.Manifest == nil && !m.Strict {
		return label
	}
	h := sha256.New()
	if m.Manifest != nil {
		h.Write(m.Manifest.Canonical())
	}
	if m.Strict {
		h.Write(m.Config)
	}
	return label + "+" + hex.EncodeToString(h.Sum(nil)[:4])
}

// ID is the sha256 of a module's bytes.
type ID [sha256.Size]byte

// Short is the first 12 hex digits.
func (id ID) Short() string { return hex.EncodeToString(id[:6]) }

// Load meters, compiles and tries a module: one instance is made and
// configured, and kept ready. Errors answer errors.Is(err, ErrRefused).
func (r *Runtime) Load(m Module) (*Version, error) {
	v, err := r.load(m)
	if err != nil {
		return nil, fmt.Errorf("%w: module %q: %w", ErrRefused, m.Name, err)
	}
	return v, nil
}

func (r *Runtime) load(m Module) (*Version, error) {
	if len(m.Code) > MaxModule {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(m.Code), MaxModule)
	}
	v := &Version{ID: sha256.Sum256(m.Code), module: m, manifest: m.Manifest}
	if v.manifest == nil {
		v.manifest = module.Default("", m.Name)
	}
	if err := v.manifest.Matches(m.Code); err != nil {
		return nil, err
	}
	v.Label = m.label(v.ID)
	v.module.Code = nil
	if err := r.compile(v, m.Code); err != nil {
		return nil, err
	}
	v.init(&r.versions)
	err := checkExports(v.compiled, m)
	if err == nil {
		err = checkImports(v.compiled, v.manifest)
	}
	if err == nil {
		err = v.warm()
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// compile meters a module and compiles it, within what it may have.
func (r *Runtime) compile(v *Version, code []byte) error {
	v.fuel, v.most = Fuel, 2*runtime.GOMAXPROCS(0)
	if f := v.manifest.Fuel; f > 0 {
		v.fuel = min(f, Fuel)
	}
	tariff := fuel.Plain
	switch {
	case isGo(code):
		v.most, tariff = runtime.GOMAXPROCS(0), fuel.Go
	case fuel.Begins(code) <= fuel.Small.Pages/2:
		tariff = fuel.Small
	}
	if m := v.manifest.Memory; m > 0 {
		tariff.Pages = uint32(min((m+pageSize-1)/pageSize, maxPages))
	}
	class := class{pages: tariff.Pages}
	metered, err := fuel.Inject(code, InitFuel, tariff)
	switch {
	case err == nil:
		code = metered
	case !r.allowUnmetered:
		return fmt.Errorf("%w; modules.allow_unmetered would run it under a slower guard", err)
	default:
		class.guarded, v.guard = true, r.guardTime
	}
	if v.engine, err = r.engines.get(class); err != nil {
		return err
	}
	if v.compiled, err = v.engine.CompileModule(context.Background(), code); err != nil {
		return fmt.Errorf("cannot compile it: %w", err)
	}
	return nil
}

// isGo reports whether Go's linker made the module, or it says so: its heap
// needs more room.
func isGo(code []byte) bool {
	return bytes.Contains(code[:min(len(code), 64)], []byte("go:buildid"))
}

// checkExports finds missing and misdeclared exports before anything runs.
func checkExports(c wazero.CompiledModule, m Module) error {
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	entry := bytes.Repeat([]byte{i32}, m.Params)
	need := []struct {
		name            string
		params, results []api.ValueType
		optional        bool
	}{
		{name: "sb_abi", results: []api.ValueType{i32}},
		{name: "sb_buf", params: []api.ValueType{i32}, results: []api.ValueType{i64}},
		{name: m.Entry, params: entry, results: []api.ValueType{i64}},
		{name: "sb_configure", params: []api.ValueType{i32, i32}, results: []api.ValueType{i32}, optional: !m.Strict},
		{name: "sb_observe", params: []api.ValueType{i32, i32}, optional: true},
		{name: "_initialize", optional: true},
	}
	exports := c.ExportedFunctions()
	for _, n := range need {
		def, ok := exports[n.name]
		switch {
		case !ok && n.optional:
		case !ok:
			return fmt.Errorf("it does not export %s", n.name)
		case !bytes.Equal(def.ParamTypes(), n.params) || !bytes.Equal(def.ResultTypes(), n.results):
			return fmt.Errorf("its %s has another signature than the ABI's", n.name)
		}
	}
	if len(c.ExportedMemories()) == 0 {
		return fmt.Errorf("it does not export its memory")
	}
	return nil
}
