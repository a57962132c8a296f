// Package fuel rewrites WebAssembly modules so that they pay for what they run.
//
// Go cannot pre-empt compiled WebAssembly, and every garbage collection waits
// for it, so a guest that loops would freeze the whole process. A rewritten
// module carries a global, sb_fuel, which the host sets before each call.
// Every function entry and every loop header takes from it, bulk operations
// take by length, calls of the host take a fixed sum; a module that runs out
// traps. A frame that may call others also holds a deposit while it is on the
// stack, so deep recursion ends as early as an endless loop.
package fuel

import (
	"errors"
	"fmt"
)

// Global is the exported mutable i64 that holds what a module may still spend.
// It is below zero after a module ran out.
const Global = "sb_fuel"

// StarvedGlobal is the exported mutable i32 that is 1 after memory or a table
// could not grow as the module asked.
const StarvedGlobal = "sb_starved"

// ErrRefused is answered for modules that cannot be metered: malformed, or
// using what this package does not know.
var ErrRefused = errors.New("module cannot be metered")

// Tariff is what a kind of guest pays for loads, and may have.
type Tariff struct {
	load  int    // weight of a load from memory
	table uint32 // entries of a table, at most
}

// The tariffs. Under Plain a load weighs what it takes when it misses the near
// cache, so that a guest whose memory is small cannot stretch a call by chasing
// pointers. Go compiles every function to one loop around a jump table, which
// pays for the whole function at each turn: it would starve on that.
var (
	Plain = Tariff{load: 64, table: 1 << 14}
	Go    = Tariff{load: 2, table: 1 << 17}
)

// What things cost, in units of fuel. A unit is one turn of an empty loop,
// about 2.4 ns at most; docs/RATIONALE.md tells how the rest was chosen.
const (
	callCost = 8  // a function's entry, beside its code
	hostCost = 32 // a call of an imported function
	damping  = 32 // weighted instructions of a body per unit
	bulkCost = 4  // a bulk operation, beside its length
	growCost = 64 // a growth of memory or a table, beside its length

	frameDeposit = 64 // held by every frame that may call others
	slotDeposit  = 4  // and for each parameter, local and result of it
	codeDeposit  = 4  // and for each so many bytes of code, which bound its operands
)

// What a module may declare.
const (
	maxLocals = 10_000 // of one function, parameters included
	maxTables = 8
)

// Inject returns wasm with fuel injected. initial is what the module may spend
// before the host first sets the global: its start function runs on it.
func Inject(wasm []byte, initial int64, tariff Tariff) ([]byte, error) {
	m, err := parse(wasm, tariff)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	out, err := m.rewrite(initial)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return out, nil
}
