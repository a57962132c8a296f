package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/bench/baseline"
	"github.com/signalbox-ai/signalbox/bench/proc"
	"github.com/signalbox-ai/signalbox/bench/upstream"
)

// roles are what this binary does as a process of its own, so that what it
// uses can be told apart.
var roles = map[string]func(args []string, stdout io.Writer) error{
	"role:upstream": serveUpstream,
	"role:bare":     serveBare,
}

const readyLine = "listening on "

// pace is the pause between two events of a paced stream.
const pace = 5 * time.Millisecond

func serveUpstream(_ []string, stdout io.Writer) error {
	s := upstream.New(upstream.Options{Pace: pace})
	go func() {
		awaitSignal()
		s.Stop()
	}()
	return listen(stdout, s.Serve)
}

func serveBare(args []string, stdout io.Writer) error {
	go func() {
		awaitSignal()
		os.Exit(0)
	}()
	return listen(stdout, baseline.NewBare(args[0], upstream.BaselineCredential).Serve)
}

func awaitSignal() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
}

func listen(stdout io.Writer, serve func(net.Listener) error) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s%s\n", readyLine, ln.Addr())
	return serve(ln)
}

// startRole runs this binary in a role and returns the address it listens at.
func startRole(dir, role string, args ...string) (*proc.Child, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	var addr string
	name := strings.TrimPrefix(role, "role:")
	c, err := proc.Start(name, exec.Command(self, append([]string{role}, args...)...), filepath.Join(dir, name+".log"),
		func(line string) (ok bool) {
			addr, ok = strings.CutPrefix(line, readyLine)
			return ok
		})
	return c, addr, err
}
