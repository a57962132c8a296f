package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Instance is one running copy of a guest. It serves one call at a time.
type Instance struct {
	version *Version
	module  api.Module
	mem     api.Memory
	fuel    api.MutableGlobal // nil in a guarded module
	memFull api.Global
	buffer  api.Function
	entry   api.Function
	observe api.Function    // nil: it does not want to know
	ctx     context.Context // carries the instance to host functions
	stack   [4]uint64       // parameters and results

	bufAt, bufCap uint32   // where the guest takes records
	nowMS         int64    // what the guest's clocks show
	random        rand.PCG // what it takes as random

	deciding bool       // a call of the entry runs: the host may be asked
	asked    []HostCall // by it
	replay   *Recording // what it must ask, and what is answered; nil: the real host
}

type instanceKey struct{}

// newInstance makes and configures an instance of v, for real calls or to
// replay a recording.
func newInstance(v *Version, replay *Recording) (*Instance, error) {
	in := &Instance{version: v, replay: replay}
	in.ctx = context.WithValue(context.Background(), instanceKey{}, in)
	memory := &linear{}
	ctx := experimental.WithMemoryAllocator(in.ctx, memory)
	ctx, cancel := v.starting(ctx)
	defer cancel()
	guest, err := v.engine.InstantiateModule(ctx, v.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		memory.Free()
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	in.attach(guest)
	in.buffer = guest.ExportedFunction("sb_buf")
	in.entry = guest.ExportedFunction(v.module.Entry)
	in.observe = guest.ExportedFunction("sb_observe")
	if err := in.begin(); err != nil {
		in.close()
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	return in, nil
}

func (in *Instance) attach(guest api.Module) {
	in.module = guest
	in.mem = guest.Memory()
	if in.version.guard == 0 {
		in.fuel = guest.ExportedGlobal(fuel.Global).(api.MutableGlobal)
		in.memFull = guest.ExportedGlobal(fuel.StarvedGlobal)
	}
}

// startTimes is how many times as long as a call an instance without fuel may
// take for each step of its start.
const startTimes = 20

// starting bounds the start of a module without fuel by time.
func (v *Version) starting(ctx context.Context) (context.Context, context.CancelFunc) {
	if v.guard == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, startTimes*v.guard)
}

// begin takes a fresh module to where it can be called. What the start
// function left of the first fuel, _initialize may use.
func (in *Instance) begin() error {
	if f := in.module.ExportedFunction("_initialize"); f != nil {
		if err := in.run(f); err != nil {
			return fmt.Errorf("_initialize: %w", err)
		}
	}
	in.refuel(Fuel)
	if err := in.run(in.module.ExportedFunction("sb_abi")); err != nil {
		return fmt.Errorf("sb_abi: %w", err)
	}
	if major := uint32(in.stack[0]) >> 16; major != abi.Major {
		return fmt.Errorf("it speaks ABI sb/%d, the host sb/%d", major, abi.Major)
	}
	return in.configure(in.version.module.Config)
}

func (in *Instance) configure(record []byte) error {
	f := in.module.ExportedFunction("sb_configure")
	if f == nil {
		return nil
	}
	b, err := in.Buffer(len(record))
	if err != nil {
		return err
	}
	copy(b, record)
	in.refuel(Fuel)
	in.stack[0], in.stack[1] = uint64(in.bufAt), uint64(len(record))
	if err := in.run(f); err != nil {
		return fmt.Errorf("sb_configure: %w", err)
	}
	if code := int32(in.stack[0]); code != 0 {
		return fmt.Errorf("it refuses its configuration with code %d; the log shows what it says", code)
	}
	return nil
}

// Buffer returns n bytes of the guest's memory to write a record to. They are
// valid until Call.
func (in *Instance) Buffer(n int) ([]byte, error) {
	if n > int(in.bufCap) {
		if err := in.growBuffer(n); err != nil {
			return nil, err
		}
	}
	b, ok := in.mem.Read(in.bufAt, uint32(n))
	if !ok {
		return nil, BadAnswer("sb_buf's buffer lies outside of memory")
	}
	return b, nil
}

func (in *Instance) growBuffer(n int) error {
	in.refuel(Fuel)
	in.stack[0] = uint64(n)
	if err := in.run(in.buffer); err != nil {
		return fmt.Errorf("sb_buf: %w", err)
	}
	at, size := uint32(in.stack[0]>>32), uint32(in.stack[0])
	if int(size) < n || at%16 != 0 {
		return BadAnswer("sb_buf(%d) gives %d bytes at %d", n, size, at)
	}
	if _, ok := in.mem.Read(at, size); !ok {
		return BadAnswer("sb_buf gives %d bytes at %d, outside of memory", size, at)
	}
	in.bufAt, in.bufCap = at, size
	return nil
}

// Call hands the guest the n bytes written to Buffer. The answer is a view of
// its memory, valid until the next call; nil means that the guest declines.
func (in *Instance) Call(n int) ([]byte, error) {
	if err := in.decide(in.entry, n); err != nil {
		return nil, err
	}
	answer := in.stack[0]
	if answer == 0 {
		return nil, nil
	}
	at, size := uint32(answer>>32), uint32(answer)
	b, ok := in.mem.Read(at, size)
	if !ok || size > MaxAnswer {
		return nil, BadAnswer("%d bytes at %d lie outside of memory or are more than %d", size, at, MaxAnswer)
	}
	return b, nil
}

// Observe hands the guest an observation of the n bytes written to Buffer, on
// fuel of its own. A guest that does not export sb_observe is not troubled.
func (in *Instance) Observe(n int) error {
	if in.observe == nil {
		return nil
	}
	return in.decide(in.observe, n)
}

// decide calls f with the record, and lets it ask the host.
func (in *Instance) decide(f api.Function, n int) error {
	in.begins(n)
	in.refuel(in.version.fuel)
	in.stack[0], in.stack[1] = uint64(in.bufAt), uint64(n)
	in.deciding = true
	err := in.run(f)
	in.deciding = false
	return err
}

// begins sets what the guest takes for the time and for randomness to what the
// record of n bytes says.
func (in *Instance) begins(n int) {
	in.asked = in.asked[:0]
	var now, seed uint64
	if b, ok := in.mem.Read(in.bufAt, uint32(n)); ok && n >= int(unsafe.Offsetof(request.Model)) {
		now = binary.LittleEndian.Uint64(b[unsafe.Offsetof(request.NowMS):])
		seed = binary.LittleEndian.Uint64(b[unsafe.Offsetof(request.Rand):])
	}
	in.nowMS = int64(now)
	in.random.Seed(seed, 0)
}

// request stands for all records that a call may bring: the moment is at the
// same place in each.
var request abi.Request

// Spent is the fuel that the last call took, 0 where there is none.
func (in *Instance) Spent() int64 {
	if in.fuel == nil {
		return 0
	}
	return in.version.fuel - int64(in.fuel.Get())
}

func (in *Instance) refuel(units int64) {
	if in.fuel != nil {
		in.fuel.Set(uint64(units))
	}
}

// pay takes fuel for what a host function does; the guest's next turn sees it.
func (in *Instance) pay(n int64) {
	if in.fuel != nil {
		in.fuel.Set(in.fuel.Get() - uint64(n))
	}
}

func (in *Instance) starved() bool { return in.fuel != nil && int64(in.fuel.Get()) < 0 }

// run calls f with what is on the stack. After an error the instance is torn
// inside and must not be called again.
func (in *Instance) run(f api.Function) error {
	var err error
	if in.version.guard > 0 {
		err = in.runGuarded(f)
	} else {
		err = f.CallWithStack(in.ctx, in.stack[:])
	}
	switch {
	case err == nil:
		return nil
	case in.starved():
		return ErrFuel // its stack trace says only where the fuel ended
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: it took longer than it may", ErrFuel)
	case in.memFull != nil && in.memFull.Get() != 0:
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return fmt.Errorf("%w: %w", ErrTrap, err)
}

func (in *Instance) runGuarded(f api.Function) error {
	limit := in.version.guard
	if !in.deciding {
		limit *= startTimes
	}
	ctx, cancel := context.WithTimeout(in.ctx, limit)
	defer cancel()
	return f.CallWithStack(ctx, in.stack[:])
}

func (in *Instance) close() { _ = in.module.Close(context.Background()) }

// MemorySize is the size of the guest's memory in bytes.
func (in *Instance) MemorySize() uint32 { return in.mem.Size() }
