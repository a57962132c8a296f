package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestSelf(t *testing.T) {
	self := Process{PID: os.Getpid(), Name: "self"}
	before, err := self.CPU()
	if err != nil {
		t.Fatal(err)
	}
	for spin := time.Now(); time.Since(spin) < 20*time.Millisecond; { // work for the clock to see
	}
	after, err := self.CPU()
	if err != nil || after <= before {
		t.Errorf("CPU went from %s to %s, %v", before, after, err)
	}
	if rss, err := self.RSS(); err != nil || rss < 1<<20 {
		t.Errorf("RSS is %d, %v", rss, err)
	}
}

func TestChildAndItsTree(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	log := filepath.Join(t.TempDir(), "log")
	c, err := Start("shell", exec.Command("sh", "-c", "sleep 60 & echo ready; wait"), log, func(line string) bool { return line == "ready" })
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Tree(c.PID())
	if err != nil || len(tree) != 2 || !slices.ContainsFunc(tree, func(p Process) bool { return p.Name == "sleep" }) {
		t.Errorf("tree is %v, %v", tree, err)
	}
	if err := c.Running(); err != nil {
		t.Error(err)
	}
	for _, p := range tree[1:] { // it would keep the output open
		if sleeper, err := os.FindProcess(p.PID); err == nil {
			_ = sleeper.Kill()
		}
	}
	c.Stop()
	c.Stop()
	if c.Running() == nil {
		t.Error("it still runs")
	}
	if _, err := (Process{PID: c.PID()}).CPU(); err == nil {
		t.Error("a process that has ended has a CPU clock")
	}
}

func TestStartFails(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if _, err := Start("nothing", exec.Command("/nonexistent/program"), log, nil); err == nil {
		t.Error("a program that is not there was started")
	}
	if _, err := Start("mute", exec.Command("true"), log, func(string) bool { return true }); err == nil {
		t.Error("a program that ended without a word counts as ready")
	}
}

func TestNamesMayHoldAnything(t *testing.T) {
	pid, parent := parents([]byte("12 (a) b (c) S 7 12 12 0"))
	if pid != 12 || parent != 7 {
		t.Errorf("got %d, child of %d", pid, parent)
	}
}
