package provider

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/provider/depot"
	"github.com/signalbox-ai/signalbox/host/trust"
)

// versioned is this test's program with a tail, by which it knows its version:
// "1", or "2:fault" for one that has a fault.
func versioned(t testing.TB, tail string) []byte {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	return append(raw, "\nversion="+tail+"\n"...)
}

// tail is what versioned has put at the end of this program.
func tail() (version, fault string) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", ""
	}
	last := make([]byte, 64)
	n, _ := f.ReadAt(last, info.Size()-int64(len(last)))
	_, text, ok := strings.Cut(string(last[:n]), "\nversion=")
	if !ok {
		return "", ""
	}
	version, fault, _ = strings.Cut(strings.TrimSpace(text), ":")
	return version, fault
}

func newDepot(t testing.TB) *depot.Depot {
	t.Helper()
	d, err := depot.Open(filepath.Join(t.TempDir(), "adapters"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func install(t testing.TB, s *Supervisor, tail string) depot.Adapter {
	t.Helper()
	a, err := s.Install(t.Context(), &Upload{Body: bytes.NewReader(versioned(t, tail)), Entry: "fake"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fakeSpec runs the installed version that is in use.
func fakeSpec() Spec {
	return Spec{Name: "p", Adapter: "fake", Hosts: []string{"api.fake.example"}}
}

func TestInstall(t *testing.T) {
	s := newSupervisor(t, nil)
	s.opts.Depot = newDepot(t)
	a := install(t, s, "1")
	if a.Name != "fake" || a.Version != "1" || !a.Current || len(a.SHA256) != 64 {
		t.Errorf("got %+v", a)
	}
	if b := install(t, s, "2"); b.Version != "2" || b.Current {
		t.Errorf("got %+v", b)
	}
	set := mustApply(t, s, fakeSpec())
	set.Commit()
	if got := ask(t, set.Provider("p"), "").Program; got != "1" || s.Stats()[0].Installed != "1" {
		t.Errorf("version %q runs", got)
	}
	refused := func(up Upload, want string) {
		t.Helper()
		if _, err := s.Install(t.Context(), &up); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
	}
	program := func(tail string) io.Reader { return bytes.NewReader(versioned(t, tail)) }
	refused(Upload{Body: program("2:other"), Entry: "fake"}, "another version")
	refused(Upload{Body: program("3"), Entry: "fake", SHA256: strings.Repeat("0", 64)}, "it has sha256")
	refused(Upload{Body: program("3"), Entry: "../fake"}, "not the name of a file")
	refused(Upload{Body: program("3"), Entry: "fake", Name: "../x"}, "adapter name")
	refused(Upload{Body: strings.NewReader("#!/bin/false\n"), Entry: "x"}, "cannot shake hands")
	refused(Upload{Body: program("3"), Entry: "fake", Signature: "x"}, ".minisig")
	s.SetTrust(trust.Keys{Required: true})
	refused(Upload{Body: program("3"), Entry: "fake"}, "require_signature")
	if _, err := s.Apply(t.Context(), []Spec{fakeSpec()}); err == nil || !strings.Contains(err.Error(), "is not signed") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Apply(t.Context(), []Spec{self(t, "q", nil)}); err == nil || !strings.Contains(err.Error(), "pinned by no hash") {
		t.Errorf("got %v", err)
	}
}

func TestUnpackTakesPlainFilesAlone(t *testing.T) {
	f := func(h tar.Header, want string) {
		t.Helper()
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(make([]byte, h.Size))
		_ = w.Close()
		if err := unpack(&b, t.TempDir()); err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v; want %q", h.Name, err, want)
		}
	}
	f(tar.Header{Name: "lib/a", Typeflag: tar.TypeReg, Size: 3, Mode: 0o4755}, "")
	f(tar.Header{Name: "../a", Typeflag: tar.TypeReg}, "outside")
	f(tar.Header{Name: "/etc/a", Typeflag: tar.TypeReg}, "outside")
	f(tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, "neither a file")
	f(tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}, "neither a file")
	f(tar.Header{Name: "a", Typeflag: tar.TypeFifo}, "neither a file")
}

// upgrade swaps to another installed version as the host does.
func upgrade(ctx context.Context, s *Supervisor, version string) (*Set, error) {
	before := s.opts.Depot.Select("fake", version)
	set, err := s.Apply(ctx, []Spec{fakeSpec()})
	if err != nil {
		s.opts.Depot.Select("fake", before)
		return nil, err
	}
	set.Commit()
	return set, s.opts.Depot.Save()
}

// TestUpgradeUnderLoad goes back and forth between versions while 64 streams
// run: none is cut, none fails, and every old process is gone at the end.
func TestUpgradeUnderLoad(t *testing.T) {
	const clients, swaps = 64, 30
	s := newSupervisor(t, nil)
	s.opts.Depot = newDepot(t)
	install(t, s, "1")
	install(t, s, "2")
	var current atomic.Pointer[call.Provider]
	set := mustApply(t, s, fakeSpec())
	set.Commit()
	current.Store(set.Provider("p"))
	var stop atomic.Bool
	var streams atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for !stop.Load() {
				resp, err := send(current.Load(), "stream", "")
				if err != nil {
					t.Errorf("cannot begin: %v", err)
					return
				}
				raw, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				streams.Add(1)
				if err != nil || !strings.HasSuffix(string(raw), "data: end\n\n") {
					t.Errorf("got %q, %v", raw, err)
				}
			}
		})
	}
	pids := map[int]bool{}
	for i := range swaps {
		pids[s.Stats()[0].PID] = true
		want := []string{"2", "1"}[i%2]
		set, err := upgrade(t.Context(), s, want)
		if err != nil {
			t.Fatal(err)
		}
		current.Store(set.Provider("p"))
		if got := ask(t, set.Provider("p"), "").Program; got != want {
			t.Fatalf("version %q answers; want %q", got, want)
		}
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
	t.Logf("%d swaps, %d streams", swaps, streams.Load())
}

// TestBadVersionIsNeverSwappedIn: whatever step a new version fails at, the
// old one serves as if nothing had been.
func TestBadVersionIsNeverSwappedIn(t *testing.T) {
	s := newSupervisor(t, nil)
	s.opts.Depot = newDepot(t)
	s.timing.start = 5 * time.Second
	install(t, s, "1")
	set := mustApply(t, s, fakeSpec())
	set.Commit()
	pid := ask(t, set.Provider("p"), "").PID
	for _, fault := range []string{"configure", "health", "describe"} {
		raw := versioned(t, "2"+fault+":"+fault)
		if _, err := s.Install(t.Context(), &Upload{Body: bytes.NewReader(raw), Entry: "fake"}); err != nil {
			if fault == "describe" {
				continue // it is not even installed
			}
			t.Fatal(err)
		}
		if _, err := upgrade(t.Context(), s, "2"+fault); err == nil {
			t.Errorf("a version that fails %s was swapped in", fault)
		}
		if a := ask(t, set.Provider("p"), ""); a.PID != pid || a.Program != "1" || len(s.Stats()) != 1 {
			t.Errorf("after %s: %+v", fault, a)
		}
	}
}

// TestPreviousVersionReturns: one that does not last is taken back, and stays out.
func TestPreviousVersionReturns(t *testing.T) {
	s := newSupervisor(t, nil)
	s.opts.Depot = newDepot(t)
	s.timing.crashes, s.timing.backoffMin, s.timing.quarantine = 3, time.Millisecond, time.Hour
	install(t, s, "1")
	bad := install(t, s, "2:crash")
	set := mustApply(t, s, fakeSpec())
	set.Commit()
	set = swappedIn(t, func() (*Set, error) { return upgrade(t.Context(), s, "2") })
	p := set.Provider("p")
	until(t, "return of version 1", func() bool {
		st := s.Stats()
		return len(st) == 1 && st[0].Rejected == bad.SHA256 && st[0].State == Running
	})
	if a := ask(t, p, ""); a.Program != "1" {
		t.Errorf("version %q answers", a.Program)
	}
	if a, _ := s.opts.Depot.Find("fake", ""); a.Version != "1" {
		t.Errorf("version %s is in use", a.Version)
	}
	if a, _ := s.opts.Depot.Find("fake", "2"); a.Rejected == "" {
		t.Error("version 2 is not rejected")
	}
	pid := s.Stats()[0].PID
	again := mustApply(t, s, fakeSpec()) // any other reload
	again.Commit()
	if st := s.Stats()[0]; st.PID != pid {
		t.Errorf("a reload changed %+v", st)
	}
	if n := len(s.images.bySHA); n != 1 {
		t.Errorf("%d images are held", n)
	}
}

// swappedIn tries until a version that crashes has lived long enough to be
// taken: on a crowded machine it may not.
func swappedIn(t *testing.T, try func() (*Set, error)) (set *Set) {
	t.Helper()
	until(t, "swap", func() (ok bool) {
		var err error
		set, err = try()
		return err == nil
	})
	return set
}

// TestPreviousFileReturns is the same for a file that was replaced in place.
func TestPreviousFileReturns(t *testing.T) {
	s := newSupervisor(t, nil)
	s.timing.crashes, s.timing.backoffMin, s.timing.quarantine = 3, time.Millisecond, time.Hour
	spec := self(t, "p", nil)
	spec.Path = filepath.Join(t.TempDir(), "adapter")
	put := func(tail string) {
		t.Helper()
		if err := os.WriteFile(spec.Path+".new", versioned(t, tail), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(spec.Path+".new", spec.Path); err != nil {
			t.Fatal(err)
		}
	}
	put("1")
	mustApply(t, s, spec).Commit()
	put("2:crash")
	set := swappedIn(t, func() (*Set, error) { return s.Apply(t.Context(), []Spec{spec}) })
	set.Commit()
	until(t, "return of version 1", func() bool { st := s.Stats(); return len(st) == 1 && st[0].Rejected != "" && st[0].State == Running })
	set = mustApply(t, s, spec) // the file is still the bad one
	set.Commit()
	if a := ask(t, set.Provider("p"), ""); a.Program != "1" {
		t.Errorf("version %q answers", a.Program)
	}
	put("3")
	set = mustApply(t, s, spec)
	set.Commit()
	if a := ask(t, set.Provider("p"), ""); a.Program != "3" {
		t.Errorf("version %q answers", a.Program)
	}
}

func TestRenew(t *testing.T) {
	s := newSupervisor(t, nil)
	set := mustApply(t, s, self(t, "a", nil), self(t, "b", nil))
	set.Commit()
	a, b := ask(t, set.Provider("a"), "").PID, ask(t, set.Provider("b"), "").PID
	s.Renew("a")
	set = mustApply(t, s, self(t, "a", nil), self(t, "b", nil))
	set.Commit()
	if ask(t, set.Provider("a"), "").PID == a || ask(t, set.Provider("b"), "").PID != b {
		t.Error("want another process for a, and for a alone")
	}
	set = mustApply(t, s, self(t, "a", nil), self(t, "b", nil))
	if set.Provider("a") == nil || len(s.renew) != 0 {
		t.Error("it is renewed for ever")
	}
	set.Abort()
}

func TestLogsAreKept(t *testing.T) {
	s := newSupervisor(t, nil)
	set := mustApply(t, s, self(t, "fake", nil))
	set.Commit()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan Record, 100)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = s.Logs(ctx, "fake", 10, true, func(r Record) error { lines <- r; return nil }) })
	for range 2 {
		resp, err := send(set.Provider("fake"), "log", "secret")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for r := range lines {
			if strings.HasPrefix(r.Msg, "out") {
				break
			}
		}
	}
	cancel()
	wg.Wait()
	n := 0
	if ok, err := s.Logs(t.Context(), "fake", 3, false, func(Record) error { n++; return nil }); !ok || err != nil || n != 3 {
		t.Errorf("got %v, %v, %d lines", ok, err, n)
	}
	if ok, _ := s.Logs(t.Context(), "absent", 3, false, nil); ok {
		t.Error("an absent provider has a log")
	}
	r := &ring{}
	for i := range 3 * ringRecords {
		r.add(Record{Program: string(rune(i))})
	}
	if len(r.records) != ringRecords || r.records[0].Program != string(rune(2*ringRecords)) {
		t.Errorf("%d records, from %q", len(r.records), r.records[0].Program)
	}
}
