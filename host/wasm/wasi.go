package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero"
)

// What WASI's calls answer.
const (
	wasiOK      = 0
	wasiBadFD   = 8
	wasiInvalid = 28
	wasiNoSys   = 52
)

const (
	maxVectors = 16 // of one fd_write
	clockReal  = 0
	clockMono  = 1
)

// wasiCall is a function of WASI preview 1: its parameters (i is i32, I is
// i64) and what it does, nil where guests have nothing to do it on.
type wasiCall struct {
	params string
	do     func(in *Instance, stack []uint64) (errno uint64)
}

// wasi holds all of preview 1: a guest's language may import more than it uses.
var wasi = map[string]wasiCall{
	"args_get":          {"ii", wasiNothing},
	"args_sizes_get":    {"ii", wasiZeroSizes},
	"environ_get":       {"ii", wasiNothing},
	"environ_sizes_get": {"ii", wasiZeroSizes},
	"clock_res_get":     {"ii", wasiClockRes},
	"clock_time_get":    {"iIi", wasiClockTime},
	"fd_write":          {"iiii", wasiWrite},
	"random_get":        {"ii", wasiRandom},
	"poll_oneoff":       {"iiii", wasiPoll},
	"sched_yield":       {"", wasiNothing},
	"fd_close":          {"i", wasiNoFile},
	"fd_fdstat_get":     {"ii", wasiNoFile},
	"fd_filestat_get":   {"ii", wasiNoFile},
	"fd_prestat_get":    {"ii", wasiNoFile},
	"fd_read":           {"iiii", wasiNoFile},
	"fd_seek":           {"iIii", wasiNoFile},

	"fd_advise": {"iIIi", nil}, "fd_allocate": {"iII", nil}, "fd_datasync": {"i", nil},
	"fd_fdstat_set_flags": {"ii", nil}, "fd_fdstat_set_rights": {"iII", nil},
	"fd_filestat_set_size": {"iI", nil}, "fd_filestat_set_times": {"iIIi", nil},
	"fd_pread": {"iiiIi", nil}, "fd_prestat_dir_name": {"iii", nil}, "fd_pwrite": {"iiiIi", nil},
	"fd_readdir": {"iiiIi", nil}, "fd_renumber": {"ii", nil}, "fd_sync": {"i", nil}, "fd_tell": {"ii", nil},
	"path_create_directory": {"iii", nil}, "path_filestat_get": {"iiiii", nil},
	"path_filestat_set_times": {"iiiiIIi", nil}, "path_link": {"iiiiiii", nil},
	"path_open": {"iiiiiIIii", nil}, "path_readlink": {"iiiiii", nil}, "path_remove_directory": {"iii", nil},
	"path_rename": {"iiiiii", nil}, "path_symlink": {"iiiii", nil}, "path_unlink_file": {"iii", nil},
	"proc_raise": {"i", nil}, "sock_accept": {"iii", nil}, "sock_recv": {"iiiiii", nil},
	"sock_send": {"iiiii", nil}, "sock_shutdown": {"ii", nil},
}

// addWASI instantiates what guests see of WASI.
func addWASI(ctx context.Context, rt wazero.Runtime) error {
	b := rt.NewHostModuleBuilder(wasiModule)
	for name, call := range wasi {
		do := call.do
		if do == nil {
			do = func(*Instance, []uint64) uint64 { return wasiNoSys }
		}
		b.NewFunctionBuilder().WithGoModuleFunction(bound(func(in *Instance, stack []uint64) {
			stack[0] = do(in, stack)
		}), types(call.params), types("i")).Export(name)
	}
	b.NewFunctionBuilder().WithGoModuleFunction(bound(wasiExit), types("i"), nil).Export("proc_exit")
	_, err := b.Instantiate(ctx)
	return err
}

// errExit ends a guest that gave up, as a Go guest does after a panic.
var errExit = errors.New("guest ended itself")

func wasiExit(_ *Instance, stack []uint64) {
	panic(fmt.Errorf("%w with code %d", errExit, uint32(stack[0])))
}

func wasiNothing(*Instance, []uint64) uint64 { return wasiOK }
func wasiNoFile(*Instance, []uint64) uint64  { return wasiBadFD }

func wasiZeroSizes(in *Instance, stack []uint64) uint64 {
	in.put32(uint32(stack[0]), 0)
	in.put32(uint32(stack[1]), 0)
	return wasiOK
}

func wasiClockRes(in *Instance, stack []uint64) uint64 {
	in.put64(uint32(stack[1]), uint64(time.Millisecond))
	return wasiOK
}

// Both clocks stand still at the record's moment while a call runs. The
// monotonic one is a second ahead: Go guests refuse to start at zero.
func wasiClockTime(in *Instance, stack []uint64) uint64 {
	now := in.nowMS * int64(time.Millisecond)
	switch uint32(stack[0]) {
	case clockReal:
	case clockMono:
		now += int64(time.Second)
	default:
		return wasiInvalid
	}
	in.put64(uint32(stack[2]), uint64(now))
	return wasiOK
}

// wasiWrite logs what a guest prints to its standard output or error.
func wasiWrite(in *Instance, stack []uint64) uint64 {
	fd, at, n, written := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if fd != 1 && fd != 2 {
		return wasiBadFD
	}
	if n > maxVectors {
		return wasiInvalid
	}
	total := uint32(0)
	for i := range n {
		vector := in.memory(at+8*i, 8)
		part := in.memory(binary.LittleEndian.Uint32(vector), binary.LittleEndian.Uint32(vector[4:]))
		in.say(slog.LevelInfo, part)
		total += uint32(len(part))
	}
	in.put32(written, total)
	return wasiOK
}

// wasiRandom fills memory from the call's own seed.
func wasiRandom(in *Instance, stack []uint64) uint64 {
	in.pay(int64(uint32(stack[1])))
	if in.starved() {
		return wasiInvalid // ends at the guest's next turn
	}
	b := in.memory(uint32(stack[0]), uint32(stack[1]))
	for len(b) > 0 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], in.random.Uint64())
		b = b[copy(b, word[:]):]
	}
	return wasiOK
}

// wasiPoll does not wait: it says that all has happened. A guest that sleeps
// runs on until its fuel ends.
func wasiPoll(in *Instance, stack []uint64) uint64 {
	from, to, n := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	if n > maxVectors {
		return wasiInvalid
	}
	for i := range n {
		sub := in.memory(from+48*i, 48)
		event := in.memory(to+32*i, 32)
		userdata := [8]byte(sub)
		kind := sub[8]
		clear(event)
		copy(event, userdata[:])
		event[10] = kind
	}
	in.put32(uint32(stack[3]), n)
	return wasiOK
}
