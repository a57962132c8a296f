package wasm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// class is what the engine has to be set up for: it limits memory for all that
// it runs, and guards all calls or none.
type class struct {
	pages   uint32
	guarded bool // calls end by the clock: for modules without fuel
}

// features of core WebAssembly that modules may use. Guarded ones are those
// that fuel cannot be injected into, so they may use what it does not know.
const (
	features        = api.CoreFeaturesV2
	guardedFeatures = features | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst
)

// engines are made when a module first needs one, and share what is compiled.
type engines struct {
	cache wazero.CompilationCache // nil: none
	mu    sync.Mutex
	made  map[class]wazero.Runtime
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

// get returns the engine of a class.
func (e *engines) get(c class) (wazero.Runtime, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if rt := e.made[c]; rt != nil {
		return rt, nil
	}
	ctx := context.Background()
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features).
		WithMemoryLimitPages(c.pages).WithDebugInfoEnabled(false)
	if c.guarded {
		config = config.WithCoreFeatures(guardedFeatures).WithCloseOnContextDone(true)
	}
	if e.cache != nil {
		config = config.WithCompilationCache(e.cache)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	for _, add := range []func(context.Context, wazero.Runtime) error{addHost, addWASI} {
		if err := add(ctx, rt); err != nil {
			_ = rt.Close(ctx)
			return nil, fmt.Errorf("cannot set up the guests' imports: %w", err)
		}
	}
	if e.made == nil {
		e.made = map[class]wazero.Runtime{}
	}
	e.made[c] = rt
	return rt, nil
}

func (e *engines) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all error
	for _, rt := range e.made {
		all = errors.Join(all, rt.Close(context.Background()))
	}
	if e.cache != nil {
		all = errors.Join(all, e.cache.Close(context.Background()))
	}
	return all
}
