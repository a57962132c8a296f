package jail

import "golang.org/x/sys/unix"

const (
	arch = unix.AUDIT_ARCH_X86_64
	x32  = true
)

// machine are the privileged calls of this machine alone.
var machine = []uintptr{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_NFSSERVCTL, unix.SYS_USELIB, unix.SYS_USTAT}

var forks = []uintptr{unix.SYS_FORK, unix.SYS_VFORK}
