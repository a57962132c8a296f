package jail

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxTasks bounds the threads and processes of the user as far as this one
// can add to them.
const maxTasks = 8192

func (p *Policy) limit() error {
	// Not 0: with 1 no core goes to a program that collects them either.
	if err := lower(unix.RLIMIT_CORE, 1); err != nil {
		return fmt.Errorf("cannot forbid core files: %w", err)
	}
	if err := lower(unix.RLIMIT_NPROC, maxTasks); err != nil {
		return fmt.Errorf("cannot limit processes: %w", err)
	}
	if p.Files > 0 {
		if err := lower(unix.RLIMIT_NOFILE, uint64(p.Files)); err != nil {
			return fmt.Errorf("cannot limit descriptors: %w", err)
		}
	}
	return nil
}

// lower sets both limits to n, or leaves a hard one that is lower still.
func lower(resource int, n uint64) error {
	var now unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &now); err != nil {
		return err
	}
	n = min(n, now.Max)
	return unix.Prlimit(0, resource, &unix.Rlimit{Cur: n, Max: n}, nil)
}

// dropCapabilities takes from root what makes it more than an owner of files.
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	if data == ([2]unix.CapUserData{}) {
		return nil
	}
	for c := uintptr(0); c <= 63; c++ { // while CAP_SETPCAP is still there; EINVAL is the end of them
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL && err != unix.EPERM {
			return err
		}
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	data = [2]unix.CapUserData{}
	return unix.Capset(&head, &data[0])
}

// closeBeyond lets the descriptors from n on end with the execution.
func closeBeyond(n int) error {
	if unix.CloseRange(uint(n), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd") // a kernel before 5.11
	if err != nil {
		return err
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= n {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// exec becomes the program, with memory as the bound of what is its own. The
// bound comes last: this program itself may have more. It returns only if it fails.
func (t *Target) exec(memory int64) error {
	argv, err := syscall.SlicePtrFromStrings(t.Args)
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	path, err := unix.BytePtrFromString(t.Path)
	if err != nil {
		return err
	}
	flags, at := uintptr(0), unix.AT_FDCWD
	if t.Path == "" {
		flags, at = unix.AT_EMPTY_PATH, t.FD
	}
	if memory > 0 {
		if err := lower(unix.RLIMIT_DATA, uint64(memory)); err != nil {
			return err
		}
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(at), uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), flags, 0)
	return errno
}
