package jail

import "golang.org/x/sys/unix"

// newest is the last system call that this filter was written in view of;
// from 424 on all machines number them alike.
const newest = unix.SYS_LISTNS

// privileged calls have no place in an adapter whoever runs it.
var privileged = []uintptr{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE,
	unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PIDFD_OPEN,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_SETNS, unix.SYS_UNSHARE,
	unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT,
	unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_STATMOUNT, unix.SYS_LISTMOUNT, unix.SYS_LISTNS,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_VHANGUP, unix.SYS_PERSONALITY,
	unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_LOOKUP_DCOOKIE,
	// Memory and queues that all processes of the user share.
	unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
	unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMCTL, unix.SYS_SEMTIMEDOP, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	// They could take it out of its process group, which is ended as a whole,
	// or into that of the gateway.
	unix.SYS_SETSID, unix.SYS_SETPGID,
}

const (
	namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
		unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME
	fSetOwn   = 8
	fSetOwnEx = 15
	fioSetOwn = 0x8901
	siocSPGRP = 0x8902
	tiocLinux = 0x541c
)

// filter is for the process pid, whose parent is the gateway, of a process group.
func (p *Policy) filter(pid, gateway, group uint32) program {
	var rules []rule
	for _, list := range [][]uintptr{privileged, machine} {
		for _, number := range list {
			rules = append(rules, rule{number: number, errno: unix.EPERM})
		}
	}
	rules = append(rules, p.starting()...)
	rules = append(rules, p.signalling(pid, gateway, group)...)
	// io_uring makes calls that no filter sees.
	for _, number := range []uintptr{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER} {
		rules = append(rules, rule{number: number, errno: unix.ENOSYS})
	}
	if p.Fenced {
		rules = append(rules, network...)
	}
	return compile(arch, x32, newest, rules)
}

// starting is about processes. The flags of clone3 lie in memory, where no
// filter looks; without it, C libraries use clone.
func (p *Policy) starting() []rule {
	clone := rule{unix.SYS_CLONE, unix.EPERM, []test{{verb: ifAny, values: []uint32{namespaces}}}}
	rules := []rule{{number: unix.SYS_CLONE3, errno: unix.ENOSYS}}
	if !p.Processes {
		clone.tests = append(clone.tests, test{verb: unlessAll, values: []uint32{unix.CLONE_THREAD}})
		for _, number := range forks {
			rules = append(rules, rule{number: number, errno: unix.EPERM})
		}
	}
	return append(rules, clone)
}

// signalling is about other processes of the same user, the gateway first of
// all: what the kernel lets one do to another is left for itself alone. A
// program that may start others may signal all but the gateway.
func (p *Policy) signalling(pid, gateway, group uint32) []rule {
	self := func(arg int) test { return test{arg: arg, values: []uint32{0, pid}} }
	kill := test{values: []uint32{0, pid, -pid}}
	thread := test{values: []uint32{pid}}
	if p.Processes {
		kill = test{verb: ifIn, values: []uint32{gateway, -gateway, -group, ^uint32(0)}}
		thread = test{verb: ifIn, values: []uint32{gateway}}
	}
	process := test{values: []uint32{0}} // PRIO_PROCESS
	ioprio := test{values: []uint32{1}}  // IOPRIO_WHO_PROCESS
	eperm := func(number uintptr, tests ...test) rule { return rule{number, unix.EPERM, tests} }
	return []rule{
		eperm(unix.SYS_KILL, kill),
		eperm(unix.SYS_TKILL),
		eperm(unix.SYS_TGKILL, thread), eperm(unix.SYS_RT_SIGQUEUEINFO, thread), eperm(unix.SYS_RT_TGSIGQUEUEINFO, thread),
		eperm(unix.SYS_PRLIMIT64, self(0)),
		eperm(unix.SYS_SCHED_SETAFFINITY, self(0)), eperm(unix.SYS_SCHED_SETPARAM, self(0)),
		eperm(unix.SYS_SCHED_SETSCHEDULER, self(0)), eperm(unix.SYS_SCHED_SETATTR, self(0)),
		eperm(unix.SYS_SETPRIORITY, process, self(1)), eperm(unix.SYS_IOPRIO_SET, ioprio, self(1)),
		// The owner of a descriptor is sent a signal of one's choice.
		eperm(unix.SYS_FCNTL, test{arg: 1, verb: ifIn, values: []uint32{fSetOwn, fSetOwnEx}}),
		eperm(unix.SYS_IOCTL, test{arg: 1, verb: ifIn, values: []uint32{fioSetOwn, siocSPGRP, unix.TIOCSTI, tiocLinux}}),
	}
}

// network leaves unix sockets that others connect to, and connections that
// were handed over: none can be made, and none be pointed elsewhere. Datagrams
// name their receiver where no filter looks, so there are none.
var network = []rule{
	{unix.SYS_SOCKET, unix.EAFNOSUPPORT, []test{
		{values: []uint32{unix.AF_UNIX}},
		{arg: 1, mask: sockType, values: []uint32{unix.SOCK_STREAM, unix.SOCK_SEQPACKET}},
	}},
	{unix.SYS_SOCKETPAIR, unix.EAFNOSUPPORT, []test{
		{values: []uint32{unix.AF_UNIX}},
		{arg: 1, mask: sockType, values: []uint32{unix.SOCK_STREAM, unix.SOCK_SEQPACKET}},
	}},
	{number: unix.SYS_CONNECT, errno: unix.EPERM},
	{unix.SYS_SENDTO, unix.EPERM, []test{{arg: 3, verb: ifAny, values: []uint32{unix.MSG_FASTOPEN}}, {arg: 4, verb: ifGiven}}},
	{unix.SYS_SENDMSG, unix.EPERM, []test{{arg: 2, verb: ifAny, values: []uint32{unix.MSG_FASTOPEN}}}},
	{unix.SYS_SENDMMSG, unix.EPERM, []test{{arg: 3, verb: ifAny, values: []uint32{unix.MSG_FASTOPEN}}}},
}

// sockType masks SOCK_CLOEXEC and SOCK_NONBLOCK out.
const sockType = 0xf
