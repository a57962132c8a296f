//go:build wasip1

package route

import (
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

const (
	firstBuffer = 16 << 10
	maxBuffer   = 4 << 20
)

// buffer is where the host writes records; it stays where it is.
var buffer []byte

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
	return pack(buffer)
}

//go:wasmexport sb_configure
func sbConfigure(_, length uint32) int32 {
	if int(length) > len(buffer) {
		return 1
	}
	if err := Configure(buffer[:length]); err != nil {
		println(err.Error()) // the host logs it; package fmt would add 0.8 MB
		return 1
	}
	return 0
}

//go:wasmexport sb_route
func sbRoute(_, length uint32) uint64 {
	if int(length) > len(buffer) {
		return 0
	}
	return pack(Run(buffer[:length]))
}

// pack returns the address and length of b, 0 for nil.
func pack(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(&b[0])))<<32 | uint64(len(b))
}
