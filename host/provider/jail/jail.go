// Package jail starts programs that are not trusted. The gateway executes
// itself as a trampoline, which gives up what the program is not to have and
// then becomes the program: limits and filters hold from its first instruction,
// and no privilege is needed for any of it.
//
// It is imported for its init as well, which is the trampoline; so it imports
// next to nothing, and runs before the packages of the gateway that take long.
package jail

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Program is the path at which the trampoline is executed.
const Program = "/proc/self/exe"

// magic is the trampoline's name of itself, its first argument.
const magic = "signalbox-jail"

// Policy is what a program is held to.
type Policy struct {
	// Fenced leaves it no sockets but those of unix, and none of these can be
	// connected. It reaches the network by what it is handed.
	Fenced bool
	// Processes lets it start others; else it has threads alone.
	Processes bool
	Memory    int64 // bytes of private memory (RLIMIT_DATA), 0: no bound
	Files     int   // open descriptors, 0: as the gateway

	// Read and Write are the folders and files that it may use where the
	// kernel can hold it to that; both empty: all that its user may.
	Read, Write []string
}

// Target is the program to become.
type Target struct {
	FD   int      // of the program, or
	Path string   // of a script
	Keep int      // descriptors that it inherits: the standard three and those after them
	Args []string // its name first
}

// Args are the arguments of the trampoline that becomes t.
func Args(p *Policy, t *Target) []string {
	args := []string{magic, "fd=" + strconv.Itoa(t.FD), "path=" + t.Path, "keep=" + strconv.Itoa(t.Keep),
		"fenced=" + strconv.FormatBool(p.Fenced), "processes=" + strconv.FormatBool(p.Processes),
		"memory=" + strconv.FormatInt(p.Memory, 10), "files=" + strconv.Itoa(p.Files)}
	for _, path := range p.Read {
		args = append(args, "read="+path)
	}
	for _, path := range p.Write {
		args = append(args, "write="+path)
	}
	return append(append(args, "--"), t.Args...)
}

func init() {
	if len(os.Args) > 1 && os.Args[0] == magic {
		err := become(os.Args[1:])
		fmt.Fprintln(os.Stderr, "cannot start it in isolation:", err)
		os.Exit(126)
	}
}

// become does not return unless it fails. It runs on the thread of the
// program's start, which inits are locked to.
func become(args []string) error {
	p, t, err := parse(args)
	if err != nil {
		return err
	}
	if err := p.enter(t); err != nil {
		return err
	}
	return fmt.Errorf("cannot execute it: %w", t.exec(p.Memory))
}

// parse reads what Args wrote.
func parse(args []string) (*Policy, *Target, error) {
	p, t := &Policy{}, &Target{}
	for i, arg := range args {
		if arg == "--" {
			t.Args = args[i+1:]
			return p, t, nil
		}
		name, value, _ := strings.Cut(arg, "=")
		var err error
		switch name {
		case "fd":
			t.FD, err = strconv.Atoi(value)
		case "path":
			t.Path = value
		case "keep":
			t.Keep, err = strconv.Atoi(value)
		case "fenced":
			p.Fenced, err = strconv.ParseBool(value)
		case "processes":
			p.Processes, err = strconv.ParseBool(value)
		case "memory":
			p.Memory, err = strconv.ParseInt(value, 10, 64)
		case "files":
			p.Files, err = strconv.Atoi(value)
		case "read":
			p.Read = append(p.Read, value)
		case "write":
			p.Write = append(p.Write, value)
		default:
			err = fmt.Errorf("it is unknown")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read argument %q: %w", arg, err)
		}
	}
	return nil, nil, fmt.Errorf("cannot read arguments: there is no program")
}

// enter gives up everything that p does not leave. What fails is an error: a
// program must not run with more than its operator thinks.
func (p *Policy) enter(t *Target) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot forbid new privileges: %w", err)
	}
	// Of the gateway and its adapters, memory that runs out is taken from these.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("cannot give up capabilities: %w", err)
	}
	if err := closeBeyond(t.Keep); err != nil {
		return fmt.Errorf("cannot close descriptors: %w", err)
	}
	if len(p.Read)+len(p.Write) > 0 {
		if err := restrictFiles(p.Read, p.Write); err != nil {
			return fmt.Errorf("cannot restrict files: %w", err)
		}
	}
	if err := p.limit(); err != nil {
		return err
	}
	group, err := unix.Getpgid(os.Getppid())
	if err != nil {
		return fmt.Errorf("cannot find the gateway: %w", err)
	}
	if err := install(p.filter(uint32(os.Getpid()), uint32(os.Getppid()), uint32(group))); err != nil {
		return fmt.Errorf("cannot filter system calls: %w; isolation needs a kernel with seccomp", err)
	}
	return nil
}
