// Package proc starts the processes that the suite measures and reads what
// they use from the kernel.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Process is one that runs.
type Process struct {
	PID  int
	Name string
}

// CPU is the time, user and system, that all threads of p have used since it
// began: /proc/<pid>/stat's utime + stime, but by the nanosecond.
func (p Process) CPU() (time.Duration, error) {
	// See clock_getcpuclockid(3): the clock of another process.
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.PID<<3|sched), &t); err != nil {
		return 0, fmt.Errorf("cannot read CPU clock of process %d (%s): %w", p.PID, p.Name, err)
	}
	return time.Duration(t.Nano()), nil
}

// RSS is p's resident memory in bytes.
func (p Process) RSS() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		return 0, fmt.Errorf("cannot read memory of process %d (%s): %w", p.PID, p.Name, err)
	}
	_, rest, ok := bytes.Cut(b, []byte("\nVmRSS:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("cannot read memory of process %d (%s): it has ended", p.PID, p.Name)
	}
	kb, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kb << 10, err
}

// Tree is the process pid and all that descend from it.
func Tree(pid int) ([]Process, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		id, parent := parents(b)
		children[parent] = append(children[parent], id)
	}
	var out []Process
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		out = append(out, Process{queue[0], name(queue[0])})
		queue = append(queue, children[queue[0]]...)
	}
	return out, nil
}

// parents reads pid and parent from /proc/<pid>/stat, whose second field is a
// name in brackets that may hold anything.
func parents(stat []byte) (pid, parent int) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < 0 {
		return 0, 0
	}
	pid, _ = strconv.Atoi(string(bytes.TrimSpace(stat[:open])))
	if f := bytes.Fields(stat[end+1:]); len(f) > 1 {
		parent, _ = strconv.Atoi(string(f[1]))
	}
	return pid, parent
}

// name is the first argument's last path element.
func name(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	first, _, _ := bytes.Cut(b, []byte{0})
	return filepath.Base(string(first))
}
