package jail

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in the kernel's struct seccomp_data.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16 // six of eight bytes, the low half first on both machines
)

const (
	opLoad   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opAbove  = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	opAnyBit = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	opMask   = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opReturn = unix.BPF_RET | unix.BPF_K
)

type program []unix.SockFilter

func (p *program) add(code uint16, k uint32, yes, no uint8) {
	*p = append(*p, unix.SockFilter{Code: code, Jt: yes, Jf: no, K: k})
}

func (p *program) deny(errno unix.Errno) { p.add(opReturn, unix.SECCOMP_RET_ERRNO|uint32(errno), 0, 0) }

// rule denies a system call: always, or where one of its tests says so.
type rule struct {
	number uintptr
	errno  unix.Errno
	tests  []test
}

// test looks at the low half of an argument, which is all that the kernel
// takes of numbers; of pointers at both.
type test struct {
	arg    int
	mask   uint32 // 0: all bits
	verb   verb
	values []uint32
}

type verb int

const (
	unlessIn  verb = iota // deny unless the argument is one of values
	ifIn                  // deny if it is
	ifAny                 // deny if any bit of values[0] is set
	unlessAll             // deny unless the bit values[0] is set
	ifGiven               // deny if the pointer is not nil
)

// compile makes the filter of the rules; everything else is allowed.
func compile(arch uint32, x32 bool, newest uintptr, rules []rule) program {
	var p program
	p.add(opLoad, offArch, 0, 0)
	p.add(opEqual, arch, 1, 0)
	p.add(opReturn, unix.SECCOMP_RET_KILL_PROCESS, 0, 0)
	p.add(opLoad, offNumber, 0, 0)
	if x32 {
		p.add(opAnyBit, 0x40000000, 0, 1)
		p.add(opReturn, unix.SECCOMP_RET_KILL_PROCESS, 0, 0)
	}
	// What nobody has looked at yet is not there.
	p.add(opAbove, uint32(newest), 0, 1)
	p.deny(unix.ENOSYS)
	for _, r := range rules {
		var body program
		for _, t := range r.tests {
			t.compile(&body, r.errno)
		}
		if len(r.tests) == 0 {
			body.deny(r.errno)
		} else {
			body.add(opReturn, unix.SECCOMP_RET_ALLOW, 0, 0)
		}
		if len(body) > 255 {
			panic("BUG: a rule is longer than a jump")
		}
		p.add(opEqual, uint32(r.number), 0, uint8(len(body)))
		p = append(p, body...)
	}
	p.add(opReturn, unix.SECCOMP_RET_ALLOW, 0, 0)
	return p
}

// compile appends instructions that fall through where t denies nothing.
func (t *test) compile(p *program, errno unix.Errno) {
	p.add(opLoad, uint32(offArgs+8*t.arg), 0, 0)
	if t.mask != 0 {
		p.add(opMask, t.mask, 0, 0)
	}
	n := len(t.values)
	switch t.verb {
	case unlessIn:
		for i, v := range t.values {
			p.add(opEqual, v, uint8(n-i), 0)
		}
	case ifIn:
		for i, v := range t.values {
			no := uint8(0)
			if i == n-1 {
				no = 1
			}
			p.add(opEqual, v, uint8(n-1-i), no)
		}
	case ifAny:
		p.add(opAnyBit, t.values[0], 0, 1)
	case unlessAll:
		p.add(opAnyBit, t.values[0], 1, 0)
	case ifGiven:
		p.add(opEqual, 0, 1, 0)
		p.deny(errno)
		p.add(opLoad, uint32(offArgs+8*t.arg+4), 0, 0)
		p.add(opEqual, 0, 1, 0)
	}
	p.deny(errno)
}

// install filters the calls of this thread and of what it becomes.
func install(p program) error {
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	// The kernel's precaution against speculation is for what runs foreign code
	// in its own process; before 5.16 it would cost here.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(&prog)))
	if errno == unix.EINVAL {
		_, _, errno = unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	}
	if errno != 0 {
		return errno
	}
	return nil
}
