package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Child is a process that the suite has started.
type Child struct {
	Name string
	cmd  *exec.Cmd
	log  *os.File
	once sync.Once
	done chan struct{}
	err  error
}

const stopPatience = 15 * time.Second

// Start runs cmd; what it writes to standard error goes to the file log. Its
// standard output is read by lines until ready returns true, and then on to
// the log; a nil ready does not wait. The child ends with the thread that calls
// Start, which should therefore be locked to a goroutine that lasts.
func Start(name string, cmd *exec.Cmd, log string, ready func(line string) bool) (*Child, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("cannot log %s: %w", name, err)
	}
	c := &Child{Name: name, cmd: cmd, log: f, done: make(chan struct{})}
	out, in, err := os.Pipe()
	if err != nil {
		f.Close()
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = in, f
	// A Ctrl-C is the suite's to pass on; and when the suite is killed, its
	// children end too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	err = cmd.Start()
	in.Close()
	if err != nil {
		out.Close()
		f.Close()
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	up := make(chan bool, 1)
	go c.follow(out, ready, up)
	if ready == nil {
		return c, nil
	}
	select {
	case ok := <-up:
		if ok {
			return c, nil
		}
	case <-time.After(time.Minute):
	}
	c.Stop()
	return nil, fmt.Errorf("cannot start %s: it did not say that it is ready; see %s", name, log)
}

// follow copies the child's output to its log and reaps it at its end.
func (c *Child) follow(out *os.File, ready func(string) bool, up chan<- bool) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(c.log, lines.Text())
		if ready != nil && ready(lines.Text()) {
			up <- true
			ready = nil
		}
	}
	_, _ = io.Copy(c.log, out) // what Scan gave up on
	out.Close()
	c.err = c.cmd.Wait()
	if ready != nil {
		up <- false
	}
	c.log.Close()
	close(c.done)
}

// PID is the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Running returns an error once the child has ended.
func (c *Child) Running() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s has ended: %v; see %s", c.Name, c.err, c.log.Name())
	default:
		return nil
	}
}

// Stop ends the child, gently at first, and waits for it.
func (c *Child) Stop() {
	if c == nil {
		return
	}
	c.once.Do(func() {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.done:
		case <-time.After(stopPatience):
			_ = c.cmd.Process.Kill()
		}
	})
	<-c.done
}

// given are the addresses that FreeAddr has handed out: the system may offer a
// port again as soon as it is let go.
var given sync.Map

// FreeAddr is an address on loopback that nobody listens at now, another each time.
func FreeAddr() (string, error) {
	for {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		addr := ln.Addr().String()
		if err := ln.Close(); err != nil {
			return "", err
		}
		if _, again := given.LoadOrStore(addr, true); !again {
			return addr, nil
		}
	}
}

// Await dials addr until somebody listens there.
func Await(addr string, patience time.Duration) error {
	end := time.Now().Add(patience)
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("nobody listens at %s after %s", addr, patience), err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
