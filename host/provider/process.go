package provider

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"github.com/signalbox-ai/signalbox/host/provider/jail"
	"golang.org/x/sys/unix"
)

// spawner starts processes on one thread that lives as long as it does: the
// kernel takes the end of the thread that started a process for the end of its
// parent and would send the death signal.
type spawner struct {
	jobs chan func()
	done chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		defer close(s.done)
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) (err error) {
	ready := make(chan struct{})
	s.jobs <- func() { err = cmd.Start(); close(ready) }
	<-ready
	return err
}

func (s *spawner) stop() {
	close(s.jobs)
	<-s.done
}

// process is an adapter's process; it implements go-plugin's runner.Runner.
type process struct {
	spawn    *spawner
	cmd      *exec.Cmd
	name     string
	lifeline *os.File // the other end is its standard input: it ends when this closes
	stdout   *os.File
	stderr   *os.File
	// socketDir is where its control socket must be.
	socketDir string
	child     []*os.File // the child's ends
	pidfd     int
	mu        sync.Mutex // held while it starts
	killed    bool
	once      sync.Once
	done      chan struct{} // closed when it is dead and reaped
}

// newProcess prepares the execution of an image in dir, held to iso; more are
// descriptors that it inherits. Its environment is still to be set.
func newProcess(spawn *spawner, im *image, name, dir string, iso *Isolation, more ...*os.File) (*process, error) {
	p := &process{spawn: spawn, name: name, pidfd: -1, done: make(chan struct{})}
	var in, out, errs *os.File
	var err error
	for _, pipe := range []struct{ r, w **os.File }{{&in, &p.lifeline}, {&p.stdout, &out}, {&p.stderr, &errs}} {
		if *pipe.r, *pipe.w, err = os.Pipe(); err != nil {
			p.closeFiles(append(more, in, out, errs)...)
			return nil, fmt.Errorf("cannot make pipes: %w", err)
		}
	}
	p.child = append([]*os.File{in, out, errs}, more...)
	target := jail.Target{Path: im.exec, Keep: inherited + len(more), Args: []string{"signalbox-provider-" + name}}
	if im.file != nil {
		target.FD = target.Keep
		more = append(more, im.file)
	}
	p.cmd = &exec.Cmd{
		Path: jail.Program, Args: jail.Args(iso.policy(im, dir), &target), Env: []string{}, Dir: dir,
		Stdin: in, Stdout: out, Stderr: errs, ExtraFiles: more,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: &p.pidfd},
	}
	return p, nil
}

// inherited is the number of the first descriptor after the standard three.
const inherited = 3

func (p *process) closeFiles(more ...*os.File) {
	for _, f := range append(more, p.lifeline, p.stdout, p.stderr) {
		if f != nil {
			f.Close()
		}
	}
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := context.Canceled
	if !p.killed {
		err = p.spawn.start(p.cmd)
	}
	for _, f := range p.child {
		f.Close()
	}
	if err != nil {
		p.closeFiles()
		close(p.done)
		return fmt.Errorf("cannot execute adapter: %w", err)
	}
	go p.reap()
	return nil
}

// reap waits for the end of the process, takes its descendants along while
// its number is still its own, and only then lets the number go.
func (p *process) reap() {
	p.awaitExit()
	p.killGroup()
	_ = p.cmd.Wait()
	p.lifeline.Close()
	close(p.done)
}

// awaitExit waits for the pidfd through the runtime's poller, which wakes it
// within microseconds and needs no thread.
func (p *process) awaitExit() {
	if p.pidfd < 0 || unix.SetNonblock(p.pidfd, true) != nil {
		_, _ = p.cmd.Process.Wait()
		return
	}
	f := os.NewFile(uintptr(p.pidfd), "pidfd")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Read(exited)
	}
	if err != nil {
		_, _ = p.cmd.Process.Wait()
	}
}

func exited(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n > 0 || err != nil && err != unix.EINTR
}

func (p *process) killGroup() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// release lets the process end by itself.
func (p *process) release() { p.once.Do(func() { p.lifeline.Close() }) }

// Kill implements runner.Runner. It returns when the process is gone.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	p.killed = true
	started := p.cmd.Process != nil
	p.mu.Unlock()
	if !started {
		return nil
	}
	select {
	case <-p.done:
	default:
		p.killGroup()
		<-p.done
	}
	return nil
}

// Wait implements runner.Runner.
func (p *process) Wait(context.Context) error { <-p.done; return nil }

// Stdout implements runner.Runner.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements runner.Runner. go-plugin gets nothing of it: the log of
// the adapter is read elsewhere.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(emptyReader{}) }

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, io.EOF }

// Name implements runner.Runner.
func (p *process) Name() string { return p.name }

// ID implements runner.Runner.
func (p *process) ID() string {
	if p.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(p.pid())
}

func (p *process) pid() int {
	if p.cmd.Process == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Diagnose implements runner.Runner.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner: it checks the address that the
// adapter wants to be connected at.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" || filepath.Dir(addr) != p.socketDir {
		return "", "", fmt.Errorf("it wants to be connected at %s %q, which is not in its folder", clip(network), clip(addr))
	}
	return network, addr, nil
}

// HostToPlugin implements runner.Runner.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
