package wasm

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// linear is a guest's memory, outside of Go's heap: it never moves when the
// guest grows it, untouched pages take no room, and what a guest has hoarded is
// gone at once when its instance is closed.
type linear struct {
	all    []byte // as much as the guest may ever have
	mapped bool
}

// Allocate implements experimental.MemoryAllocator.
func (l *linear) Allocate(_, most uint64) experimental.LinearMemory {
	all, err := syscall.Mmap(-1, 0, int(most), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	l.all, l.mapped = all, err == nil
	if err != nil { // out of address space or mappings: the heap will do, and says so if not
		l.all = make([]byte, most)
	}
	return l
}

// Reallocate implements experimental.LinearMemory.
func (l *linear) Reallocate(size uint64) []byte {
	if size > uint64(len(l.all)) {
		return nil
	}
	return l.all[:size:size]
}

// Free implements experimental.LinearMemory; the engine calls it when the
// instance is closed, and this package when it could not be made.
func (l *linear) Free() {
	if l.mapped {
		_ = syscall.Munmap(l.all)
	}
	l.all, l.mapped = nil, false
}
