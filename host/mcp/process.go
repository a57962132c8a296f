package mcp

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/time/rate"
)

const (
	// patience is how long a process has to end by itself once its input has
	// ended, and again once it was asked to.
	patience = 2 * time.Second
	// lastWords is how long what it has logged is read on after its end.
	lastWords = 100 * time.Millisecond
	// maxLine bounds what one line of a process's log keeps.
	maxLine = 2 << 10
	// logLines is how many lines of its log are passed on a second.
	logLines = 20
)

// process is a tool server that the gateway has started. Whoever starts it does
// so on a thread that outlives it: the kernel takes the end of that thread for
// the end of the gateway, and kills the process.
type process struct {
	cmd         *exec.Cmd
	in, out     *os.File // the gateway's ends of its input and output
	errs        *os.File // and of its log
	logged, end chan struct{}
}

// start runs spec's command with nothing in its environment but what spec lists.
func start(spec *Spec, log *slog.Logger) (*process, error) {
	path, err := exec.LookPath(spec.Command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, fmt.Errorf("cannot find command %q: %w: give the path of a program that is there", spec.Command[0], err)
	}
	p := &process{logged: make(chan struct{}), end: make(chan struct{})}
	var theirs [3]*os.File
	for i, pipe := range []struct{ read, write **os.File }{{&theirs[0], &p.in}, {&p.out, &theirs[1]}, {&p.errs, &theirs[2]}} {
		if *pipe.read, *pipe.write, err = os.Pipe(); err != nil {
			closeAll(append(theirs[:i], p.in, p.out, p.errs)...)
			return nil, fmt.Errorf("cannot make pipes: %w", err)
		}
	}
	p.cmd = &exec.Cmd{Path: path, Args: spec.Command, Env: append([]string{}, spec.Env...), Dir: spec.Dir,
		Stdin: theirs[0], Stdout: theirs[1], Stderr: theirs[2],
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}}
	err = p.cmd.Start()
	closeAll(theirs[:]...)
	if err != nil {
		closeAll(p.in, p.out, p.errs)
		return nil, fmt.Errorf("cannot run %q: %w", path, err)
	}
	go p.log(log)
	go func() { _ = p.cmd.Wait(); close(p.end) }() // how it ended is of no use: that it did is
	return p, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// transport speaks with the process.
func (p *process) transport(spec *Spec) sdk.Transport {
	return &sdk.IOTransport{Reader: p.out, Writer: p.in, MaxLineLength: spec.MaxMessage}
}

// log passes on what the process says beside the protocol.
func (p *process) log(to *slog.Logger) {
	defer close(p.logged)
	defer p.errs.Close()
	r, limit, left := bufio.NewReaderSize(p.errs, maxLine), rate.NewLimiter(logLines, logLines), 0
	for {
		line, cut, err := r.ReadLine()
		if err != nil {
			if left > 0 {
				to.Info("tool server log", "lines_left_out", left)
			}
			return
		}
		if limit.Allow() {
			to.Info("tool server log", "line", string(line))
		} else {
			left++
		}
		for cut && err == nil {
			_, cut, err = r.ReadLine()
		}
	}
}

// stop ends the process and all that it has started: its input ends, it is
// asked to, it is killed.
func (p *process) stop() {
	p.in.Close()
	p.out.Close()
	if !p.ended() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
		p.ended()
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // its descendants too
	<-p.end
	_ = p.errs.SetReadDeadline(time.Now().Add(lastWords)) // one that has left its group may hold it open
	<-p.logged
}

// ended waits for the process to end by itself.
func (p *process) ended() bool {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.end:
		return true
	case <-t.C:
		return false
	}
}
