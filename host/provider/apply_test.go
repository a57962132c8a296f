package provider

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

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
	f("line break", func(s *Spec) { s.Credentials = []SpecCredential{{Name: "main", Value: "sk\n"}} })
	f("is empty", func(s *Spec) { s.Credentials = []SpecCredential{{Name: "main"}} })
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
	a.Credentials = []SpecCredential{{Name: "one", Value: "sk-1"}, {Name: "two", Value: "sk-2"}}
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
	a.Credentials = []SpecCredential{{Name: "one", Value: "sk-1"}, {Name: "two", Value: "sk-3"}}
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
