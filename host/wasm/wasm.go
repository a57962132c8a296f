// Package wasm runs guests: WebAssembly modules that decide something for the
// gateway and can do nothing else. Routing modules and content filters are
// built on it.
//
// A module is metered when it is loaded (package fuel), compiled, and kept as a
// Version with a pool of instances. A Slot holds the version in use; another
// is swapped in by one atomic pointer while calls run. A call that traps, runs
// out of fuel or answers nonsense costs that call and its instance, no more.
//
// Guests get no files, arguments, environment or sockets. Their clocks show the
// one moment that the call's record brought along, their randomness grows from
// the record's seed, and what the host answered them is kept: a call can be
// replayed bit for bit. docs/RATIONALE.md tells what that takes.
package wasm

import (
	"errors"
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Fuel is what one call may spend, unless a manifest says less: about 2.4 ms in a tight loop. Garbage
// collection of the whole process waits for a running guest, so this bounds
// its pauses too.
const Fuel = module.MaxFuel

// InitFuel is what a new instance may spend on its start function and
// _initialize: as much as the runtime of a Go guest needs, several times over.
const InitFuel = 4 * Fuel

// Limits of a module.
const (
	MaxModule = 8 << 20  // bytes
	MaxAnswer = 64 << 10 // bytes of one answer
	maxPages  = module.MaxMemory / pageSize
	pageSize  = 64 << 10
)

// GuardTime is how long a call of a module without fuel may take.
const GuardTime = 5 * time.Millisecond

// Why a call failed. Errors of this package answer errors.Is for one of them.
var (
	ErrFuel      = errors.New("guest ran out of fuel") // or, without fuel, of time
	ErrTrap      = errors.New("guest trapped")
	ErrMemory    = errors.New("guest ran out of memory")
	ErrBadAnswer = errors.New("guest's answer is not valid")
	ErrStart     = errors.New("guest does not start")
	ErrDiverged  = errors.New("guest does not repeat its answer") // of Replay alone
)

// ErrRefused is answered for modules that cannot be loaded.
var ErrRefused = errors.New("module refused")

// Fault is a kind of failure, to count by.
type Fault uint8

// The faults.
const (
	NoFault Fault = iota
	FaultFuel
	FaultTrap
	FaultMemory
	FaultBadAnswer
	FaultStart
	NumFaults
)

var faultNames = [NumFaults]string{"", "fuel", "trap", "memory", "bad_answer", "start"}

// String returns the stable name, "" for NoFault.
func (f Fault) String() string { return faultNames[f] }

var faultErrors = [NumFaults]error{nil, ErrFuel, ErrTrap, ErrMemory, ErrBadAnswer, ErrStart}

// FaultOf is the kind of err, NoFault for nil.
func FaultOf(err error) Fault {
	if err == nil {
		return NoFault
	}
	for f := FaultStart; f > NoFault; f-- { // what failed at the start may have a cause of another kind
		if errors.Is(err, faultErrors[f]) {
			return f
		}
	}
	return FaultTrap
}

// BadAnswer makes an ErrBadAnswer for whoever reads the guest's answer.
func BadAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadAnswer, fmt.Sprintf(format, args...))
}
