package jail

import "golang.org/x/sys/unix"

const (
	arch = unix.AUDIT_ARCH_AARCH64
	x32  = false
)

// machine are the privileged calls of this machine alone.
var machine = []uintptr{unix.SYS_NFSSERVCTL}

var forks []uintptr
