package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/sdk/module"
)

const (
	numCounters = 64
	maxLog      = 1 << 10 // bytes of one message
	logsPerSec  = 10      // of one module
)

// State is what a module's host functions act on. It belongs to the module's
// name: versions and instances come and go, counters stay.
type State struct {
	log      *slog.Logger
	counters [numCounters]atomic.Int64
	metrics  [numCounters]atomic.Uint64 // bits of a float64

	mu     sync.Mutex
	second int64 // that logged counts
	logged int
}

// NewState returns the state of a module that logs to log.
func NewState(log *slog.Logger) *State { return &State{log: log} }

// Counter returns a counter's value.
func (s *State) Counter(id int) int64 { return s.counters[id].Load() }

// Metric returns the value that the module set last.
func (s *State) Metric(id int) float64 { return math.Float64frombits(s.metrics[id].Load()) }

// say logs a guest's message unless it has said too much within this second.
func (s *State) say(level slog.Level, message []byte) {
	if now := time.Now().Unix(); !s.mayLog(now) {
		return
	}
	s.log.Log(context.Background(), level, "guest says", "message", string(message[:min(len(message), maxLog)]))
}

func (s *State) mayLog(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.second != now {
		s.second, s.logged = now, 0
	}
	s.logged++
	return s.logged <= logsPerSec
}

// errRange ends a guest that hands the host memory which is not its own.
var errRange = errors.New("range outside of memory")

// addHost instantiates module "sb".
func addHost(ctx context.Context, rt wazero.Runtime) error {
	b := rt.NewHostModuleBuilder(hostModule)
	for name, call := range hostCalls {
		b.NewFunctionBuilder().WithGoModuleFunction(bound(call.do), types(call.params), types(call.results)).Export(name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// bound makes a host function of one that works on the calling instance.
func bound(f func(*Instance, []uint64)) api.GoModuleFunc {
	return func(ctx context.Context, guest api.Module, stack []uint64) {
		in := ctx.Value(instanceKey{}).(*Instance)
		if in.module == nil { // the start function calls: it runs while the module is being made
			in.attach(guest)
		}
		f(in, stack)
	}
}

// hostLog is log(level, ptr, len): level 0 is debug, then info, warn and error.
func hostLog(in *Instance, stack []uint64) {
	level := slog.LevelDebug + slog.Level(min(uint32(stack[0]), 3))*4
	in.say(level, in.memory(uint32(stack[1]), min(uint32(stack[2]), maxLog)))
}

// say logs a message, which costs its length; replays are silent, and so are
// modules that may not log but print.
func (in *Instance) say(level slog.Level, message []byte) {
	in.pay(int64(min(len(message), maxLog)))
	if in.replay == nil && in.version.manifest.Granted(module.Log) {
		in.version.module.State.say(level, message)
	}
}

// hostCounterAdd is counter_add(id, delta): the counter's new value.
func hostCounterAdd(in *Instance, stack []uint64) {
	stack[0] = uint64(in.counterAdd(uint32(stack[0]), int64(stack[1])))
}

// hostMetric is metric(id, value).
func hostMetric(in *Instance, stack []uint64) {
	id := uint32(stack[0])
	if id >= numCounters {
		panic(errors.New("metric does not exist"))
	}
	if in.replay == nil {
		in.version.module.State.metrics[id].Store(stack[1])
	}
}

// memory returns a view of the guest's memory; a range outside ends the guest.
func (in *Instance) memory(at, length uint32) []byte {
	b, ok := in.mem.Read(at, length)
	if !ok {
		panic(errRange)
	}
	return b
}

func (in *Instance) put32(at, v uint32) { binary.LittleEndian.PutUint32(in.memory(at, 4), v) }
func (in *Instance) put64(at uint32, v uint64) {
	binary.LittleEndian.PutUint64(in.memory(at, 8), v)
}
