package provider

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// dead reports whether a process is gone, or only waits to be reaped by a
// parent that is not this test.
func dead(pid int) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return strings.HasPrefix(rest, "Z")
}

// buffer is a log that tests read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func debugLog() (*slog.Logger, *buffer) {
	b := &buffer{}
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}

func TestDiesWithItsGateway(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	victim := exec.Command(path)
	victim.Env = append(os.Environ(), "SIGNALBOX_TEST_HOST="+dir)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("got %q", line)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	until(t, "end of the adapter", func() bool { return dead(pid) })

	left, _ := filepath.Glob(filepath.Join(dir, runPrefix+"*"))
	if len(left) != 1 {
		t.Fatalf("got run folders %v", left)
	}
	s, err := New(Options{RunDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if _, err := os.Stat(left[0]); !os.IsNotExist(err) {
		t.Errorf("the killed gateway's folder is still there: %v", err)
	}
	if _, err := os.Stat(s.run.path); err != nil {
		t.Error(err)
	}
}

func TestLifelineAloneEndsIt(t *testing.T) {
	s := newSupervisor(t, nil)
	set := mustApply(t, s, self(t, "fake", nil))
	set.Commit()
	first := ask(t, set.Provider("fake"), "")
	u := set.entries["fake"].unit
	u.in.proc.release() // no signal, only the pipe
	until(t, "end of the adapter", func() bool { return dead(first.PID) })
}

func TestDescendantsDieToo(t *testing.T) {
	s := newSupervisor(t, nil)
	spec := self(t, "fake", map[string]any{"child": true})
	spec.Isolation.Processes = true
	set := mustApply(t, s, spec)
	set.Commit()
	a := ask(t, set.Provider("fake"), "")
	if a.Child == 0 || dead(a.Child) {
		t.Fatalf("got child %d", a.Child)
	}
	if err := syscall.Kill(a.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "end of the child", func() bool { return dead(a.Child) })
}

func TestQuarantine(t *testing.T) {
	s := newSupervisor(t, nil)
	s.timing.crashes, s.timing.backoffMin, s.timing.quarantine = 3, time.Millisecond, time.Hour
	spec := self(t, "fake", map[string]any{"leases": []any{map[string]any{"url": "https://api.fake.example/v1"}}})
	set := mustApply(t, s, spec)
	set.Commit()
	p := set.Provider("fake")
	for range 3 {
		until(t, "start", func() bool { return p.Endpoint(wire.OpChat, wire.OpenAIChat) != nil })
		pid := s.Stats()[0].PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "withdrawal", func() bool { return s.Stats()[0].PID != pid })
	}
	until(t, "quarantine", func() bool { return s.Stats()[0].State == Quarantined })
	if st := s.Stats()[0]; st.PID != 0 || st.Restarts != 2 || st.LastError == "" {
		t.Errorf("got %+v", st)
	}
	until(t, "word that nothing comes back soon", p.Up)
	if p.Endpoint(wire.OpChat, wire.OpenAIChat) != nil || p.Endpoint(wire.OpEmbeddings, wire.OpenAIEmbeddings) == nil {
		t.Error("want the direct lease, and the direct lease alone, to stay")
	}
	again := mustApply(t, s, spec) // the operator tries it once more
	again.Commit()
	until(t, "restart", func() bool { return p.Endpoint(wire.OpChat, wire.OpenAIChat) != nil })
	if again.Provider("fake") != p {
		t.Error("the provider changed, though its configuration did not")
	}
}

func TestDirectLeaseOutlivesItsAdapterUntilItExpires(t *testing.T) {
	s := newSupervisor(t, nil)
	s.timing.crashes, s.timing.quarantine = 1, time.Hour
	set := mustApply(t, s, self(t, "fake", map[string]any{"leases": []any{map[string]any{"url": "https://api.fake.example/v1", "ttl_ms": 1000}}}))
	set.Commit()
	p := set.Provider("fake")
	before := p.Endpoint(wire.OpEmbeddings, wire.OpenAIEmbeddings)
	if err := syscall.Kill(s.Stats()[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "withdrawal", func() bool { return p.Endpoint(wire.OpChat, wire.OpenAIChat) == nil })
	if got := p.Endpoint(wire.OpEmbeddings, wire.OpenAIEmbeddings); got != before && got != nil {
		t.Error("the direct lease changed")
	}
	until(t, "expiry", func() bool { return p.Endpoint(wire.OpEmbeddings, wire.OpenAIEmbeddings) == nil })
}

func TestRestartKeepsConnectionsOfDirectLeases(t *testing.T) {
	s := newSupervisor(t, nil)
	set := mustApply(t, s, self(t, "fake", map[string]any{"leases": []any{map[string]any{"url": "https://api.fake.example/v1"}}}))
	set.Commit()
	p := set.Provider("fake")
	direct := p.Endpoint(wire.OpEmbeddings, wire.OpenAIEmbeddings)
	if err := syscall.Kill(s.Stats()[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "restart", func() bool { return s.Stats()[0].Restarts == 1 })
	if p.Endpoint(wire.OpEmbeddings, wire.OpenAIEmbeddings) != direct {
		t.Error("the endpoint was replaced by an equal one")
	}
}

func TestHungAdapterIsRestarted(t *testing.T) {
	s := newSupervisor(t, nil)
	s.timing.health, s.timing.unhealthy = 50*time.Millisecond, 2
	set := mustApply(t, s, self(t, "fake", nil))
	set.Commit()
	pid := s.Stats()[0].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "restart", func() bool { st := s.Stats()[0]; return st.State == Running && st.PID != pid })
	if !dead(pid) {
		t.Error("the hung process is still there")
	}
}

// TestBusyAdapterIsLeftAlone: one whose health checks fail while it answers
// requests is not hung.
func TestBusyAdapterIsLeftAlone(t *testing.T) {
	log, out := debugLog()
	s := newSupervisor(t, log)
	s.timing.health, s.timing.unhealthy = 50*time.Millisecond, 4
	set := mustApply(t, s, self(t, "fake", nil))
	set.Commit()
	pid, process := s.Stats()[0].PID, set.Provider("fake").Endpoint(wire.OpChat, wire.OpenAIChat).Process
	stopAnswers := make(chan struct{})
	answering := make(chan struct{})
	go func() {
		defer close(answering)
		for {
			select {
			case <-stopAnswers:
				return
			default:
				process.Answered()
				time.Sleep(time.Millisecond)
			}
		}
	}()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "failed checks", func() bool { return strings.Count(out.String(), "requests are answered") >= 5 })
	if now := s.Stats()[0].PID; now != pid {
		t.Errorf("the process that answered was ended")
	}
	close(stopAnswers)
	<-answering
	until(t, "restart", func() bool { st := s.Stats()[0]; return st.State == Running && st.PID != pid })
}

// TestSwappedFile swaps the file at the pinned path all the while: what runs
// must be what was pinned, or nothing.
func TestCredentialsAreNotLogged(t *testing.T) {
	log, out := debugLog()
	s := newSupervisor(t, log)
	spec := self(t, "fake", nil)
	spec.Credentials = []SpecCredential{{Name: "main", Value: "sk-very-secret"}}
	set := mustApply(t, s, spec)
	set.Commit()
	resp, err := send(set.Provider("fake"), "log", set.Provider("fake").Credentials[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	for _, want := range []string{"using [redacted]", "raw [redacted]", "out [redacted]"} {
		until(t, want, func() bool { return strings.Contains(out.String(), want) })
	}
	if text := out.String(); strings.Contains(text, "sk-very") {
		t.Errorf("the log holds the credential:\n%s", text)
	}
	if text := SpecCredential.String(spec.Credentials[0]); strings.Contains(text, "sk-") {
		t.Error(text)
	}
}

// TestReplacingCutsNoStream replaces an adapter 30 times under 64 streams.
func BenchmarkRestart(b *testing.B) {
	s := newSupervisor(b, nil)
	s.timing.crashes, s.timing.backoffMin = 1<<30, 0
	set := mustApply(b, s, self(b, "fake", nil))
	set.Commit()
	p := set.Provider("fake")
	for b.Loop() {
		e := p.Endpoint(wire.OpChat, wire.OpenAIChat)
		pid := s.Stats()[0].PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		for e != nil && (p.Endpoint(wire.OpChat, wire.OpenAIChat) == e || p.Endpoint(wire.OpChat, wire.OpenAIChat) == nil) {
			<-time.After(100 * time.Microsecond)
		}
		until(b, "status", func() bool { st := s.Stats()[0]; return st.State == Running && st.PID != pid })
	}
}

// TestNewestProviderIsKeptUpToDate: after more swaps than generations are kept,
// a restart still reaches the current one.
func TestNewestProviderIsKeptUpToDate(t *testing.T) {
	s := newSupervisor(t, nil)
	var set *Set
	for i := range maxAttached + 3 {
		set = mustApply(t, s, self(t, "fake", map[string]any{"version": i}))
		set.Commit()
	}
	p := set.Provider("fake")
	if resp, err := send(p, "die", ""); err == nil {
		resp.Body.Close()
	}
	until(t, "restart", func() bool {
		return slices.ContainsFunc(s.Stats(), func(st Stat) bool { return st.State == Running && st.Restarts == 1 })
	})
	if a := ask(t, p, ""); a.Version != maxAttached+2 {
		t.Errorf("version %d answers", a.Version)
	}
}
