package wasm

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Version is one module, compiled, with its idle instances: the one used last
// is used next. (A sync.Pool would drop instances without closing them, which
// the engine then keeps for good.)
type Version struct {
	ID    ID
	Label string // name@sha256, shortened; with a manifest or configuration, +sha256 of both

	module   Module
	manifest *module.Manifest // never nil
	fuel     int64            // of one call
	guard    time.Duration    // that a call has when there is no fuel, 0: there is
	engine   wazero.Runtime
	compiled wazero.CompiledModule
	most     int // instances at a time

	mu      sync.Mutex
	free    sync.Cond // a waiting caller may go on
	idle    []*Instance
	live    int  // idle and out
	retired bool // takes no calls
	closed  bool // and never will again
	drained chan struct{}
	count   *sync.WaitGroup // of versions that have not drained
}

// errRetired asks the caller to look for the version that is used now.
var errRetired = errors.New("version is retired")

func (v *Version) init(count *sync.WaitGroup) {
	count.Add(1)
	v.count = count
	v.free.L = &v.mu
	v.drained = make(chan struct{})
}

// warm makes the first instance.
func (v *Version) warm() error {
	in, err := v.take()
	if err != nil {
		return err
	}
	v.put(in)
	return nil
}

// take returns an idle instance or a new one; when there are as many as there
// may be, it waits: calls are short.
func (v *Version) take() (*Instance, error) {
	v.mu.Lock()
	for {
		if v.retired {
			v.mu.Unlock()
			return nil, errRetired
		}
		if n := len(v.idle); n > 0 {
			in := v.idle[n-1]
			v.idle = v.idle[:n-1]
			v.mu.Unlock()
			return in, nil
		}
		if v.live < v.most {
			v.live++
			v.mu.Unlock()
			return v.make()
		}
		v.free.Wait()
	}
}

func (v *Version) make() (*Instance, error) {
	in, err := newInstance(v, nil)
	if err != nil {
		v.gone()
		return nil, err
	}
	return in, nil
}

// put takes back an instance that is whole.
func (v *Version) put(in *Instance) {
	v.mu.Lock()
	if !v.retired {
		v.idle = append(v.idle, in)
		v.free.Signal()
		v.mu.Unlock()
		return
	}
	v.mu.Unlock()
	v.discard(in)
}

// discard closes an instance for good.
func (v *Version) discard(in *Instance) {
	in.close()
	v.gone()
}

func (v *Version) gone() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.live--
	v.free.Signal()
	v.drain()
}

// drain finishes a closed version when its last instance is gone; v.mu is held.
func (v *Version) drain() {
	if !v.closed || v.live > 0 {
		return
	}
	select {
	case <-v.drained:
	default:
		_ = v.compiled.Close(context.Background())
		close(v.drained)
		v.count.Done()
	}
}

// retire ends taking calls and closes idle instances; running calls end. A
// retired version can be revived until it is closed.
func (v *Version) retire() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.retired = true
	for _, in := range v.idle {
		in.close()
		v.live--
	}
	v.idle = nil
	v.free.Broadcast()
	v.drain()
}

func (v *Version) revive() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		panic("BUG: closed version " + v.Label + " put in use")
	}
	v.retired = false
}

// Close retires v for good: its code is released when its last call returns.
func (v *Version) Close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.retire()
}

// Drained is closed when v was closed and its last call has returned.
func (v *Version) Drained() <-chan struct{} { return v.drained }

// Manifest is what the module may do; it must not be changed.
func (v *Version) Manifest() *module.Manifest { return v.manifest }

// Metered reports whether calls pay with fuel, as all do unless the operator
// allows others.
func (v *Version) Metered() bool { return v.guard == 0 }

// Observes reports whether the module wants to be told of outcomes.
func (v *Version) Observes() bool {
	_, ok := v.compiled.ExportedFunctions()["sb_observe"]
	return ok
}

// Instances counts what is alive, running calls included.
func (v *Version) Instances() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.live
}
