package provider

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
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
	set := mustApply(t, s, self(t, "fake", map[string]any{"child": true}))
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

func TestPins(t *testing.T) {
	s := newSupervisor(t, nil)
	spec := self(t, "fake", nil)
	raw, err := os.ReadFile(spec.Path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	spec.SHA256 = "sha256:" + strings.ToUpper(hex.EncodeToString(sum[:]))
	set := mustApply(t, s, spec)
	if got := s.Stats()[0].SHA256; got != hex.EncodeToString(sum[:]) {
		t.Errorf("got %s", got)
	}
	set.Abort()
	spec.SHA256 = strings.Repeat("0", 64)
	if _, err := s.Apply(t.Context(), []Spec{spec}); err == nil || !strings.Contains(err.Error(), "pins 0000") {
		t.Errorf("got %v", err)
	}
	if n := len(s.images.bySHA); n != 0 {
		t.Errorf("%d images are still held", n)
	}
}

// TestSwappedFile swaps the file at the pinned path all the while: what runs
// must be what was pinned, or nothing.
func TestSwappedFile(t *testing.T) {
	s := newSupervisor(t, nil)
	good, err := os.ReadFile(self(t, "fake", nil).Path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "adapter")
	evil := append(append([]byte(nil), good...), "evil"...) // runs, but is not the same
	write := func(name string, content []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, content, 0o700); err != nil {
			t.Fatal(err)
		}
		return p
	}
	files := [2]string{write("good", good), write("evil", evil)}
	swap := func(i int) {
		link := filepath.Join(dir, "link")
		if os.Link(files[i%2], link) == nil {
			_ = os.Rename(link, path)
		}
	}
	swap(0)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; !stop.Load(); i++ {
			swap(i)
		}
	})
	defer wg.Wait()
	defer stop.Store(true)
	sum := sha256.Sum256(good)
	pin := hex.EncodeToString(sum[:])
	ran := 0
	for range 10 {
		set, err := s.Apply(t.Context(), []Spec{{Name: "fake", Path: path, SHA256: pin, Hosts: []string{"api.fake.example"}}})
		if err != nil {
			if !strings.Contains(err.Error(), "pins") {
				t.Fatal(err)
			}
			continue
		}
		ran++
		f, err := os.Open("/proc/" + strconv.Itoa(s.Stats()[0].PID) + "/exe")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := hash(f); got != pin {
			t.Errorf("%s runs; want %s", got, pin)
		}
		f.Close()
		set.Abort()
	}
	t.Logf("ran %d of 10 times", ran)
}

func TestImageCannotBeChanged(t *testing.T) {
	im, err := seal(strings.NewReader("program"), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer im.close()
	if _, err := im.file.WriteAt([]byte("P"), 0); err == nil {
		t.Error("it was written to")
	}
	if err := im.file.Truncate(0); err == nil {
		t.Error("it was cut")
	}
}

func TestScript(t *testing.T) {
	s := newSupervisor(t, nil)
	self := self(t, "fake", nil)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "adapter.sh")
	for name, text := range map[string]string{path: "#!/bin/sh\nexec " + self.Path + "\n", filepath.Join(dir, "lib", "part"): "x"} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sum := exec.Command("sh", "-c", `find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-64`)
	sum.Dir = dir
	out, err := sum.Output()
	if err != nil {
		t.Fatal(err)
	}
	self.Path, self.SHA256 = path, strings.TrimSpace(string(out))
	set := mustApply(t, s, self)
	set.Commit()
	ask(t, set.Provider("fake"), "")

	if err := os.WriteFile(filepath.Join(dir, "lib", "part"), []byte("y"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), []Spec{self}); err == nil || !strings.Contains(err.Error(), "pins") {
		t.Errorf("a changed part of the folder: got %v", err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "lib", "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), []Spec{self}); err == nil || !strings.Contains(err.Error(), "neither a file nor a folder") {
		t.Errorf("a link in the folder: got %v", err)
	}
}

func TestCredentialsAreNotLogged(t *testing.T) {
	log, out := debugLog()
	s := newSupervisor(t, log)
	spec := self(t, "fake", nil)
	spec.Credentials = []SpecCredential{{"main", "sk-very-secret"}}
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

func TestStartErrors(t *testing.T) {
	s := newSupervisor(t, nil)
	s.opts.PluginDir = t.TempDir()
	f := func(says string, edit func(*Spec)) {
		t.Helper()
		spec := self(t, "fake", nil)
		edit(&spec)
		set, err := s.Apply(t.Context(), []Spec{spec})
		if err == nil {
			set.Abort()
		}
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), `"fake"`) {
			t.Errorf("got %v; want %q", err, says)
		}
		if n := len(s.Stats()); n != 0 {
			t.Errorf("%d adapters are left", n)
		}
	}
	f("its last words: refusing", func(s *Spec) { s.Config = map[string]any{"crash": "start"} })
	f(`did you mean "version"`, func(s *Spec) { s.Config = map[string]any{"verzion": 1} })
	f("not among the provider's hosts", func(s *Spec) {
		s.Config = map[string]any{"leases": []any{map[string]any{"url": "https://evil.example/"}}}
	})
	f("no such file", func(s *Spec) { s.Path = "/nonexistent" })
	f("not an executable", func(s *Spec) { s.Path = "/etc/passwd" })
	f("not an executable", func(s *Spec) { s.Path = "/" })
	f("cannot shake hands", func(s *Spec) { s.Path = "/bin/true" })
	f("there is no adapter", func(s *Spec) { s.Path, s.Adapter = "", "absent" })
	f("not the name", func(s *Spec) { s.Path, s.Adapter = "", "../../bin/sh" })
	f("no adapter", func(s *Spec) { s.Path = "" })
	f("64 hexadecimal", func(s *Spec) { s.SHA256 = "abc" })
	f("line break", func(s *Spec) { s.Credentials = []SpecCredential{{"main", "sk\n"}} })
	f("is empty", func(s *Spec) { s.Credentials = []SpecCredential{{"main", ""}} })
	f("base_url", func(s *Spec) { s.Hosts, s.Config = nil, map[string]any{"base_url": "nonsense"} })
	f("cannot read host", func(s *Spec) { s.Hosts = []string{"https://x/"} })
}

func TestHostsComeFromTheConfiguration(t *testing.T) {
	s := newSupervisor(t, nil)
	lease := func(u string) []any { return []any{map[string]any{"url": u}} }
	f := func(hosts []string, config map[string]any, want bool) {
		t.Helper()
		spec := self(t, "fake", config)
		spec.Hosts = hosts
		set, err := s.Apply(t.Context(), []Spec{spec})
		if err == nil {
			set.Abort()
		}
		if (err == nil) != want {
			t.Errorf("%v %v: got %v; want accepted %v", hosts, config, err, want)
		}
	}
	f(nil, map[string]any{"base_url": "http://127.0.0.1:9000/v1", "leases": lease("http://127.0.0.1:9000/v1/chat")}, true)
	f(nil, map[string]any{"base_url": "http://127.0.0.1:9000/v1", "leases": lease("http://127.0.0.1:8081/admin")}, false)
	f([]string{"api.fake.example"}, map[string]any{"base_url": "https://other.example/v1", "leases": lease("https://other.example/v1")}, false)
	f(nil, map[string]any{"leases": lease("https://api.fake.example/")}, false) // its own word counts for shipped adapters only
}

func TestApply(t *testing.T) {
	s := newSupervisor(t, nil)
	a, b := self(t, "a", nil), self(t, "b", map[string]any{"version": 1})
	a.Credentials = []SpecCredential{{"one", "sk-1"}, {"two", "sk-2"}}
	first := mustApply(t, s, a, b)
	first.Commit()
	pa, pb := first.Provider("a"), first.Provider("b")
	pidA, pidB := ask(t, pa, "").PID, ask(t, pb, "").PID
	pa.Credentials[0].Bench(time.Now())

	// Nothing changed: nothing is touched.
	same := mustApply(t, s, a, b)
	if same.Provider("a") != pa || same.Provider("b") != pb {
		t.Error("providers changed without a change")
	}
	same.Abort()
	if ask(t, pa, "").PID != pidA || ask(t, pb, "").PID != pidB {
		t.Error("Abort ended what ran before")
	}

	// A set that fails, or is aborted, leaves no trace.
	bad, c := self(t, "bad", map[string]any{"crash": "start"}), self(t, "c", nil)
	if _, err := s.Apply(t.Context(), []Spec{a, b, c, bad}); err == nil {
		t.Fatal("a set with a failing adapter was accepted")
	}
	set := mustApply(t, s, a, b, c)
	if _, err := s.Apply(t.Context(), []Spec{a}); err == nil {
		t.Error("two sets at once were accepted")
	}
	pidC := ask(t, set.Provider("c"), "").PID
	set.Abort()
	set.Abort()
	if !dead(pidC) || len(s.Stats()) != 2 {
		t.Errorf("something is left of an aborted set: %+v", s.Stats())
	}

	// Other credentials need no other process, and old ones keep their state.
	a.Credentials = []SpecCredential{{"one", "sk-1"}, {"two", "sk-3"}}
	b.Config["version"] = 2
	next := mustApply(t, s, a, b)
	na, nb := next.Provider("a"), next.Provider("b")
	if na == pa || na.Credentials[0] != pa.Credentials[0] || na.Credentials[1] == pa.Credentials[1] || ask(t, na, "").PID != pidA {
		t.Error("want a new provider on the same process, with the benched credential still benched")
	}
	if got := ask(t, nb, ""); got.PID == pidB || got.Version != 2 {
		t.Errorf("got %+v; want a new process of version 2", got)
	}
	if ask(t, pb, "").Version != 1 {
		t.Error("the old process must serve until the commit")
	}
	next.Commit()
	until(t, "the old process's end", func() bool { return dead(pidB) })
	if ask(t, pb, "").Version != 2 {
		t.Error("requests that began with the old configuration find no process")
	}

	// What is gone from the configuration ends.
	mustApply(t, s, a).Commit()
	until(t, "end of b", func() bool { return len(s.Stats()) == 1 })
	if p := nb.Endpoint(wire.OpChat, wire.OpenAIChat); p != nil {
		t.Error("a removed provider still has an endpoint")
	}
}

// TestReplacingCutsNoStream replaces an adapter 30 times under 64 streams.
func TestReplacingCutsNoStream(t *testing.T) {
	const clients, swaps = 64, 30
	s := newSupervisor(t, nil)
	var current atomic.Pointer[call.Provider]
	apply := func(version int) {
		set := mustApply(t, s, self(t, "fake", map[string]any{"version": version}))
		current.Store(set.Provider("fake"))
		set.Commit()
	}
	apply(0)
	var stop atomic.Bool
	var streams, failed atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for !stop.Load() {
				resp, err := send(current.Load(), "stream", "")
				if err != nil {
					failed.Add(1)
					t.Errorf("cannot begin: %v", err)
					return
				}
				raw, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				streams.Add(1)
				if err != nil || !strings.HasSuffix(string(raw), "data: end\n\n") {
					failed.Add(1)
					t.Errorf("got %q, %v", raw, err)
				}
			}
		})
	}
	pids := map[int]bool{}
	for version := 1; version <= swaps; version++ {
		pids[s.Stats()[0].PID] = true
		apply(version)
		n := streams.Load()
		until(t, "streams", func() bool { return streams.Load() >= n+clients/4 })
	}
	stop.Store(true)
	wg.Wait()
	until(t, "end of the old processes", func() bool { return len(s.Stats()) == 1 })
	delete(pids, s.Stats()[0].PID)
	for pid := range pids {
		if pid != 0 && !dead(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
	t.Logf("%d swaps, %d streams, %d failed", swaps, streams.Load(), failed.Load())
}

func TestStop(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop() // never started
	s.Stop()
	if _, err := s.Apply(t.Context(), nil); err == nil {
		t.Error("a stopped supervisor applies")
	}
	s = newSupervisor(t, nil)
	set := mustApply(t, s, self(t, "fake", nil))
	a := ask(t, set.Provider("fake"), "")
	resp, err := send(set.Provider("fake"), "hang-around", "")
	if err != nil {
		t.Fatal(err)
	}
	s.Stop() // before the commit, with an answer that nobody reads
	resp.Body.Close()
	if !dead(a.PID) {
		t.Error("the adapter outlives Stop")
	}
	if _, err := os.Stat(s.run.path); !os.IsNotExist(err) {
		t.Errorf("the run folder is left: %v", err)
	}
	set.Commit()
}

func TestRunFolderMustBeShort(t *testing.T) {
	if _, err := New(Options{RunDir: filepath.Join(t.TempDir(), strings.Repeat("x", 100))}); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("got %v", err)
	}
}

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
