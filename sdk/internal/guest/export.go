//go:build wasip1

package guest

import (
	"runtime"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

const (
	firstBuffer = 32 << 10
	maxBuffer   = 4 << 20

	// yieldEvery is how many calls may pass before the runtime's own goroutines
	// get a turn. A call that never waits gives them none, so that a module
	// which allocates would be swept and scavenged by its own allocations alone.
	yieldEvery = 256
)

var (
	buffer []byte // where the host writes records; it stays where it is
	calls  uint32
)

//go:wasmexport sb_abi
func sbABI() uint32 { return abi.Version }

// sbBuf returns where the host writes records of up to the capacity.
//
//go:wasmexport sb_buf
func sbBuf(least uint32) uint64 {
	if least > maxBuffer {
		return 0
	}
	if int(least) > len(buffer) {
		raw := make([]byte, max(int(least), firstBuffer)+15)
		pad := -uintptr(unsafe.Pointer(&raw[0])) & 15
		buffer = raw[pad : len(raw)-15+int(pad)]
	}
	return Pack(buffer)
}

//go:wasmexport sb_configure
func sbConfigure(_, length uint32) int32 {
	if err := Configure(Record(length)); err != nil {
		println(err.Error()) // the host logs it; package fmt would add 0.8 MB
		return 1
	}
	return 0
}

// Record is the record that the host has written, of length bytes.
func Record(length uint32) []byte {
	if calls++; calls%yieldEvery == 0 {
		runtime.Gosched()
	}
	return buffer[:min(int(length), len(buffer))]
}

// Pack returns the address and length of b, 0 for nil.
func Pack(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(&b[0])))<<32 | uint64(len(b))
}

//go:wasmimport sb log
func hostLog(level uint32, text unsafe.Pointer, length uint32)

//go:wasmimport sb counter_add
func hostCounterAdd(id uint32, delta int64) int64

//go:wasmimport sb metric
func hostMetric(id uint32, value float64)

// Log tells the host a line.
func Log(level uint32, text string) {
	hostLog(level, unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

// CounterAdd adds to a counter that all instances of the module share.
func CounterAdd(id uint32, delta int64) int64 { return hostCounterAdd(id, delta) }

// Metric sets a metric of the module.
func Metric(id uint32, value float64) { hostMetric(id, value) }
