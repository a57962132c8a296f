package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"golang.org/x/sys/unix"
)

// attempts are what the adapter of these tests tries to do to its gateway when
// it is told to. Each returns nil where it gets away with it.
var attempts = map[string]func(arg string) error{
	"socket": func(arg string) error {
		var domain, kind int
		fmt.Sscan(arg, &domain, &kind)
		fd, err := unix.Socket(domain, kind, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	},
	"socketpair": func(arg string) error {
		kind, _ := strconv.Atoi(arg)
		_, err := unix.Socketpair(unix.AF_UNIX, kind, 0)
		return err
	},
	"unix": func(path string) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	},
	"net.Dial":   func(addr string) error { _, err := net.Dial("tcp", addr); return err },
	"resolve":    func(name string) error { _, err := net.LookupHost(name); return err },
	"egress":     func(addr string) error { return exchange(addr) },
	"egress1000": crowd,
	"reconnect":  reconnect,
	"fastopen":   fastOpen,
	"read": func(path string) error {
		f, err := os.Open(strings.ReplaceAll(path, "PARENT", strconv.Itoa(os.Getppid())))
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err = f.Read(make([]byte, 1)); strings.HasSuffix(path, "/mem") && errors.Is(err, unix.EIO) {
			return nil // it was opened: only nothing lies at address 0
		}
		return err
	},
	"list": func(path string) error {
		_, err := os.ReadDir(strings.ReplaceAll(path, "PARENT", strconv.Itoa(os.Getppid())))
		return err
	},
	"write": func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
	"exec":  func(path string) error { return exec.Command(path).Run() },
	"call":  callKernel,
	"fds": func(string) error {
		for n := 0; ; n++ {
			if _, err := unix.Open("/dev/null", unix.O_RDONLY, 0); err != nil {
				return fmt.Errorf("%w after %d", err, n)
			}
		}
	},
	"memory": func(string) error {
		var hoard [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hoard = append(hoard, b)
			if len(hoard) > 4096 {
				return nil
			}
		}
	},
}

// callKernel makes a system call by name, with the gateway as its victim.
func callKernel(name string) error {
	parent := uintptr(os.Getppid())
	var buf [256]byte
	at := uintptr(unsafe.Pointer(&buf))
	numbers := map[string][]uintptr{
		"ptrace":            {unix.SYS_PTRACE, unix.PTRACE_ATTACH, parent},
		"process_vm_readv":  {unix.SYS_PROCESS_VM_READV, parent, at, 1, at, 1},
		"pidfd_open":        {unix.SYS_PIDFD_OPEN, parent, 0},
		"pidfd_getfd":       {unix.SYS_PIDFD_GETFD, 3, 0, 0},
		"kill":              {unix.SYS_KILL, parent, 0},
		"kill all":          {unix.SYS_KILL, ^uintptr(0), 0},
		"kill group":        {unix.SYS_KILL, -parent, 0},
		"tkill":             {unix.SYS_TKILL, parent, 0},
		"tgkill":            {unix.SYS_TGKILL, parent, parent, 0},
		"sigqueue":          {unix.SYS_RT_SIGQUEUEINFO, parent, 0, at},
		"prlimit":           {unix.SYS_PRLIMIT64, parent, unix.RLIMIT_NOFILE, 0, at},
		"setaffinity":       {unix.SYS_SCHED_SETAFFINITY, parent, 8, at},
		"setpriority":       {unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, parent, 19},
		"setpriority user":  {unix.SYS_SETPRIORITY, unix.PRIO_USER, 0, 19},
		"ioprio":            {unix.SYS_IOPRIO_SET, 1, parent, 0},
		"setpgid":           {unix.SYS_SETPGID, 0, 0},
		"setsid":            {unix.SYS_SETSID},
		"setown":            {unix.SYS_FCNTL, 0, 8, parent},
		"tiocsti":           {unix.SYS_IOCTL, 0, unix.TIOCSTI, at},
		"io_uring":          {unix.SYS_IO_URING_SETUP, 8, at},
		"clone3":            {unix.SYS_CLONE3, at, 64},
		"clone":             {unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0},
		"clone user":        {unix.SYS_CLONE, unix.CLONE_NEWUSER | uintptr(unix.SIGCHLD), 0},
		"unshare":           {unix.SYS_UNSHARE, unix.CLONE_NEWUSER},
		"setns":             {unix.SYS_SETNS, 0, 0},
		"mount":             {unix.SYS_MOUNT, at, at, at, 0, 0},
		"bpf":               {unix.SYS_BPF, 0, at, 8},
		"perf":              {unix.SYS_PERF_EVENT_OPEN, at, 0, 0, 0, 0},
		"userfaultfd":       {unix.SYS_USERFAULTFD, 0},
		"keyctl":            {unix.SYS_KEYCTL, 0, 0},
		"add_key":           {unix.SYS_ADD_KEY, at, at, at, 0, 0},
		"name_to_handle":    {unix.SYS_NAME_TO_HANDLE_AT, 0, at, at, at, 0},
		"open_by_handle":    {unix.SYS_OPEN_BY_HANDLE_AT, 0, at, 0},
		"init_module":       {unix.SYS_INIT_MODULE, at, 0, at},
		"kexec":             {unix.SYS_KEXEC_LOAD, 0, 0, 0, 0},
		"shmget":            {unix.SYS_SHMGET, 1, 4096, 0o1666},
		"of next year":      {600},
		"seccomp of no use": {unix.SYS_SECCOMP, 99, 0, 0}, // not denied: a filter can only be added
	}
	c, ok := numbers[name]
	if !ok {
		return nil
	}
	args := [7]uintptr{}
	copy(args[:], c)
	_, _, errno := unix.RawSyscall6(args[0], args[1], args[2], args[3], args[4], args[5], args[6])
	if errno != 0 {
		return errno
	}
	return nil
}

func exchange(addr string) error {
	c, err := egress.Dial(context.Background(), &net.Dialer{}, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "pong" {
		return fmt.Errorf("got %q, %v", got, err)
	}
	return nil
}

func crowd(addr string) error {
	var wg sync.WaitGroup
	errs := make([]error, 1000)
	for i := range errs {
		wg.Go(func() { errs[i] = exchange(addr) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// reconnect points a connection that it was handed at another address.
func reconnect(arg string) error {
	allowed, other, _ := strings.Cut(arg, " ")
	return granted(allowed, func(fd int) error {
		unspec := [16]byte{}
		_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unspec)), 16)
		if errno != unix.EPERM {
			return nil
		}
		return unix.Connect(fd, sockaddr(other))
	})
}

// fastOpen sends with an address, by every call that can.
func fastOpen(arg string) error {
	allowed, other, _ := strings.Cut(arg, " ")
	return granted(allowed, func(fd int) error {
		to := sockaddr(other)
		for _, flags := range []int{unix.MSG_FASTOPEN, 0} {
			if err := unix.Sendto(fd, []byte("x"), flags, to); err != unix.EPERM {
				return nil
			}
		}
		_, err := unix.SendmsgN(fd, []byte("x"), nil, to, unix.MSG_FASTOPEN)
		return err
	})
}

func granted(addr string, use func(fd int) error) error {
	c, err := egress.Dial(context.Background(), &net.Dialer{}, addr)
	if err != nil {
		return nil // which is not what was to be tried
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil
	}
	var got error
	if raw.Control(func(fd uintptr) { got = use(int(fd)) }) != nil {
		return nil
	}
	return got
}

func sockaddr(addr string) *unix.SockaddrInet4 {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return &unix.SockaddrInet4{Port: n, Addr: [4]byte(net.ParseIP(host).To4())}
}
