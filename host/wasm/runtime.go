package wasm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
)

// Options of a Runtime.
type Options struct {
	CacheDir string // for compiled modules, "" for none; nobody else may write there: code is run from it
}

// Runtime compiles modules.
type Runtime struct {
	cache wazero.CompilationCache // nil: none
	small wazero.Runtime          // for most guests
	large wazero.Runtime          // for Go guests

	versions sync.WaitGroup // that have not drained
}

// New returns a runtime.
func New(o Options) (*Runtime, error) {
	r := &Runtime{}
	var err error
	if o.CacheDir != "" {
		if r.cache, err = openCache(o.CacheDir); err != nil {
			return nil, fmt.Errorf("cannot open the cache of compiled modules %q: %w", o.CacheDir, err)
		}
	}
	if r.small, err = r.engine(memoryPages); err == nil {
		r.large, err = r.engine(goPages)
	}
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// openCache refuses a folder that others may write to: what lies there is
// machine code that this process will run.
func openCache(dir string) (wazero.CompilationCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return nil, fmt.Errorf("others may write to it (mode %o): chmod go-w it, or set another", mode)
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// engine makes a runtime whose guests have up to so many pages of memory.
func (r *Runtime) engine(pages uint32) (wazero.Runtime, error) {
	ctx := context.Background()
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(pages).WithDebugInfoEnabled(false)
	if r.cache != nil {
		config = config.WithCompilationCache(r.cache)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	for _, add := range []func(context.Context, wazero.Runtime) error{addHost, addWASI} {
		if err := add(ctx, rt); err != nil {
			_ = rt.Close(ctx)
			return nil, fmt.Errorf("cannot set up the guests' imports: %w", err)
		}
	}
	return rt, nil
}

// Close ends the runtime. It waits for all versions, which must have been
// closed, to drain: the memory of a running guest cannot be taken away.
func (r *Runtime) Close() error {
	r.versions.Wait()
	var first error
	for _, rt := range []wazero.Runtime{r.small, r.large} {
		if rt == nil {
			continue
		}
		if err := rt.Close(context.Background()); err != nil && first == nil {
			first = err
		}
	}
	if r.cache != nil {
		if err := r.cache.Close(context.Background()); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Module is what to load.
type Module struct {
	Name   string // for logs
	Code   []byte
	Config []byte // record for sb_configure
	Strict bool   // a module without sb_configure is refused: the operator configured it
	Entry  string // the export that calls go to: "sb_route"
	Params int    // i32 parameters of it
	State  *State // of the module's name; outlives versions
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
	v := &Version{ID: sha256.Sum256(m.Code), module: m, engine: r.small, most: 2 * runtime.GOMAXPROCS(0)}
	tariff := fuel.Plain
	if isGo(m.Code) {
		v.engine, v.most, tariff = r.large, runtime.GOMAXPROCS(0), fuel.Go
	}
	code, err := fuel.Inject(m.Code, InitFuel, tariff)
	if err != nil {
		return nil, err
	}
	v.module.Code = nil
	v.Label = m.Name + "@" + v.ID.Short()
	if v.compiled, err = v.engine.CompileModule(context.Background(), code); err != nil {
		return nil, fmt.Errorf("cannot compile it: %w", err)
	}
	v.init(&r.versions)
	if err = checkExports(v.compiled, m); err == nil {
		err = v.warm()
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// isGo reports whether Go's linker made the module, or it says so: its heap
// needs more room, and its code another tariff.
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
