// Package fuel rewrites WebAssembly modules so that they pay for what they run.
//
// Go cannot pre-empt compiled WebAssembly, and every garbage collection waits
// for it, so a guest that loops would freeze the whole process. A rewritten
// module carries a global, sb_fuel, which the host sets before each call.
// Every function entry, every loop header and every longer stretch of code in
// between takes from it, bulk operations take by length, calls of the host take
// a fixed sum; a module that runs out traps. A frame that may call others also holds a deposit while it is on the
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

// Tariff is what a module may have at most. It decides what loads from memory
// cost: nearly as much as when each of them misses the caches that the memory
// does not fit in, or a guest would stretch its calls by chasing pointers.
type Tariff struct {
	Pages uint32 // of memory, 64 KiB each
	Table uint32 // entries of a table

	test testing // how tests have it charged
}

// testing is what tests turn off: rounding, the merging of small segments, and
// segments at all.
type testing struct{ exact, unmerged, each bool }

// The tariffs of modules that ask for nothing else: of those that begin with
// little memory, of others, and of Go's. Go's linker puts all functions into
// the table, and its heap grows by 4 MiB at a time.
var (
	Small = Tariff{Pages: 8, Table: 1 << 14}
	Plain = Tariff{Pages: 32, Table: 1 << 14}
	Go    = Tariff{Pages: 128, Table: 1 << 17}
)

// load is the weight of a load from memory.
func (t Tariff) load() int {
	switch {
	case t.Pages <= Small.Pages: // a near cache holds them
		return 1 * damping
	case t.Pages <= Go.Pages: // it holds some, and a share of the far one the rest
		return 3 * damping
	}
	return 24 * damping
}

// store is the weight of a store: nothing waits for it until there are many.
func (t Tariff) store() int {
	if t.Pages <= Go.Pages {
		return 2
	}
	return 16
}

// indirect is the weight of a call through a table: code that is spread over a
// large one is not in the caches either.
func (t Tariff) indirect() int {
	if t.Table <= Plain.Table {
		return 4
	}
	return 12 * damping
}

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

// Begins is how many pages of memory a module begins with, 0 when that cannot
// be told.
func Begins(wasm []byte) (pages uint32) {
	m, err := parse(wasm, Plain)
	if err != nil {
		return 0
	}
	_ = m.vector(secMemory, func(r *reader) {
		if flags := r.byte(); flags <= 1 {
			pages = r.u32()
			r.bytes(uint32(len(r.b) - r.off)) // the most
		}
	})
	return pages
}

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
