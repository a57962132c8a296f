package decision

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/guests"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC)

var all = Settings{Sample: 1, PerSecond: 1 << 20, Max: 64 << 20}

// someEntry has a distinct value in every field.
func someEntry(id call.ID) *Entry {
	p := &call.Plan{N: 2, Route: "priority@0123456789ab"}
	p.Attempts[0] = call.PlannedAttempt{Index: 1, Timeout: time.Second, Hedge: 2, Backoff: 3, BackoffMax: 4, Flags: 5}
	p.SetReason([]byte("cheapest first"))
	return &Entry{
		ID: id, Received: noon.Local(), Op: wire.OpChat, Dialect: wire.OpenAIChat, Stream: true,
		KeyID: "k-1", KeyName: "dev", Org: "acme", Team: "core", Asked: "fast", Route: "r", Rule: 3, Lane: "canary",
		Policy: Policy{Revision: "rev", Allow: true, Code: "c", MaxTokens: 9, Restricted: true, Targets: []string{"a/b", "c/d"}, Filters: []string{"pii"}, Dry: "d"},
		Input:  []byte(`{"v":1}`),
		Module: "priority@0123456789ab",
		Recording: wasm.Recording{Record: bytes.Repeat([]byte("record "), 180), Answer: []byte("answer"),
			Calls: []wasm.HostCall{{Counter: 1, Delta: -2, Value: 3}}},
		Plan: p,
		Attempts: []Attempt{
			{Target: "a/b", Credential: "main", Start: 1, FirstByte: 2, Duration: 3, Status: 503, Class: wire.ClassOverloaded, Hedge: true, Rejected: "cut short", Cost: 4},
			{Target: "c/d", Lost: true}},
		Target: "c/d", Usage: wire.Usage{Input: 10, Output: 20, Cost: 30}, Cost: 40, Reserved: 50, Provenance: call.CostReported,
		Status: 200, Class: wire.ClassServer, Code: "code", TTFT: 60, Duration: 70, Overhead: 80,
		Verdicts: []call.Verdict{{Filter: "pii", Version: "pii@0", Answer: true, Action: 2, Code: 3, Findings: 4, Count: 5}},
	}
}

func open(t testing.TB, dir string, s Settings, o Options) *Log {
	t.Helper()
	l, err := Open(dir, s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// ids are what the log holds.
func ids(t *testing.T, l *Log) (out []call.ID) {
	t.Helper()
	if err := l.Each("", time.Time{}, func(e *Entry) bool { out = append(out, e.ID); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEntriesComeBack(t *testing.T) {
	f := func(e *Entry) {
		t.Helper()
		b := appendEntry(nil, e)
		if len(b)+frameHead > bound(e) {
			t.Errorf("%d bytes; bound says %d", len(b), bound(e))
		}
		got, err := decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("got  %+v\nwant %+v", got, e)
		}
		if id, err := idOf(b); err != nil || id != e.ID {
			t.Errorf("id %v, %v; want %v", id, err, e.ID)
		}
	}
	f(someEntry(7))
	f(&Entry{ID: 1, Received: noon.Local()})
	long := someEntry(8)
	long.Attempts = nil
	for i := range maxList {
		long.Attempts = append(long.Attempts, Attempt{Target: strings.Repeat("a", maxText), Credential: strings.Repeat("b", maxText),
			Rejected: strings.Repeat("c", maxText), Start: -1, Cost: -1, Status: i})
	}
	f(long)
}

func TestTextsAreCut(t *testing.T) {
	e := &Entry{KeyName: strings.Repeat("a", maxText-1) + "ä"}
	got, err := decode(appendEntry(nil, e))
	if err != nil || got.KeyName != strings.Repeat("a", maxText-1) {
		t.Errorf("%q, %v", got.KeyName, err)
	}
}

// TestLaterVersions: sections and fields that come later are passed over.
func TestLaterVersions(t *testing.T) {
	e := &Entry{ID: 7, Received: noon.Local(), KeyID: "k"}
	w := encoder{[]byte{entryVersion}}
	at := w.begin(99)
	w.text("of another time")
	w.end(at)
	at = w.begin(tagHead)
	w.num(7)
	w.num(noon.UnixNano())
	w.num(0)
	w.num(0)
	w.flag(false)
	w.text("k")
	w.end(at) // no more texts: a writer of earlier times
	got, err := decode(w.b)
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("got %+v, %v", got, err)
	}
	w.b[0]++
	if _, err := decode(w.b); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v", err)
	}
}

func TestFindAndEach(t *testing.T) {
	l := open(t, t.TempDir(), all, Options{})
	base := call.FirstID(noon)
	for i := range call.ID(10) {
		e := someEntry(base + i<<22) // a millisecond apart
		if i%2 == 1 {
			e.Route = "other"
		}
		l.Append(e)
	}
	if e, err := l.Find(base + 3<<22); err != nil || e.Route != "other" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := l.Find(base + 1); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
	n := 0
	if err := l.Each("other", noon.Add(2*time.Millisecond), func(*Entry) bool { n++; return true }); err != nil || n != 4 {
		t.Errorf("%d entries of other since then, %v; want 4", n, err)
	}
	n = 0
	if err := l.Each("", time.Time{}, func(*Entry) bool { n++; return n < 3 }); err != nil || n != 3 {
		t.Errorf("%d entries, %v; want 3", n, err)
	}
	last, err := l.Last(2)
	if err != nil || len(last) != 2 || last[0].ID != base+9<<22 || last[1].ID != base+8<<22 {
		t.Errorf("%v, %v", last, err)
	}
	if s := l.Stats(); s.Kept != 10 || s.Dropped != 0 || s.Files != 1 {
		t.Errorf("%+v", s)
	}
}

// TestSurvivesACrash: what was written is there, an unfinished end is dropped,
// and what comes later is appended behind whole entries.
func TestSurvivesACrash(t *testing.T) {
	f := func(damage func([]byte) []byte, want ...call.ID) {
		t.Helper()
		dir := t.TempDir()
		l := open(t, dir, all, Options{})
		l.Append(someEntry(1))
		l.Append(someEntry(2))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "0000000000000001"+suffix)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, all, Options{})
		l.Append(someEntry(3))
		if got := ids(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v; want %v", got, want)
		}
		if _, err := l.Find(3); err != nil {
			t.Error(err)
		}
	}
	f(func(b []byte) []byte { return b }, 1, 2, 3)
	f(func(b []byte) []byte { return b[:len(b)-1] }, 1, 3)
	f(func(b []byte) []byte { return append(b, 1, 2, 3) }, 1, 2, 3)
	f(func(b []byte) []byte { return append(b, make([]byte, 4096)...) }, 1, 2, 3)
	f(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, 1, 3)
	f(func(b []byte) []byte { return b[:len(magic)] }, 3)
	f(func([]byte) []byte { return nil }, 3)
	f(func([]byte) []byte { return []byte("something else") }, 3)
}

// TestStaysWithinItsRoom: the oldest files go.
func TestStaysWithinItsRoom(t *testing.T) {
	dir := t.TempDir()
	s := all
	s.Max = 1 << 20
	l := open(t, dir, s, Options{Room: 64 << 10})
	const n = 2000 // some 3 MB
	for i := range call.ID(n) {
		l.Append(someEntry(i + 1))
		if i%10 == 9 {
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := ids(t, l)
	if len(got) == 0 || got[0] == 1 || got[len(got)-1] != n {
		t.Fatalf("%d entries, from %v", len(got), got[:min(1, len(got))])
	}
	for i, id := range got {
		if id != got[0]+call.ID(i) {
			t.Fatalf("entry %d is %d; want all from %d on", i, id, got[0])
		}
	}
	var size int64
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if st := l.Stats(); size > s.Max || st.Bytes != size || size < s.Max/2 {
		t.Errorf("%d bytes, of %d; the log says %d", size, s.Max, st.Bytes)
	}
}

func TestDropsWhatItHasNoRoomFor(t *testing.T) {
	l := open(t, t.TempDir(), all, Options{Room: 32 << 10, Every: time.Hour})
	l.files.Lock() // the disk hangs
	for i := range call.ID(100) {
		l.Append(someEntry(i))
	}
	l.files.Unlock()
	s := l.Stats()
	if s.Dropped == 0 || s.Kept+s.Dropped != 100 {
		t.Errorf("%+v", s)
	}
	if got := ids(t, l); uint64(len(got)) != s.Kept {
		t.Errorf("%d entries; %d were kept", len(got), s.Kept)
	}
}

func TestDiskThatFails(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	l := open(t, dir, all, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Every: time.Hour})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	l.Append(someEntry(1))
	if err := l.Flush(); err == nil {
		t.Error("written to a folder that is not there")
	}
	if s := l.Stats(); s.Dropped != 1 || !strings.Contains(log.String(), "cannot keep decisions") {
		t.Errorf("%+v, log %q", s, log.String())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l.Append(someEntry(2))
	if got := ids(t, l); len(got) != 1 {
		t.Errorf("%v after the disk was mended", got)
	}
}

func TestSampling(t *testing.T) {
	f := func(s Settings, second time.Duration, least, most int) {
		t.Helper()
		l := &Log{}
		l.Set(s)
		n := 0
		for i := range 10_000 {
			if l.Sampled(call.ID(i<<12), noon.Add(time.Duration(i)*second/10_000)) {
				n++
			}
		}
		if n < least || n > most {
			t.Errorf("%+v over %v: %d of 10000; want %d to %d", s, second, n, least, most)
		}
	}
	f(Settings{Sample: 1, PerSecond: 1 << 20}, time.Second, 10_000, 10_000)
	f(Settings{Sample: 0.1, PerSecond: 1 << 20}, time.Second, 900, 1100)
	f(Settings{Sample: 0, PerSecond: 1 << 20}, time.Second, 0, 0)
	f(Settings{Sample: 1, PerSecond: 200}, time.Second, 200, 200)
	f(Settings{Sample: 1, PerSecond: 200}, 5*time.Second, 1000, 1000)
	f(Settings{Sample: 1, PerSecond: 0}, time.Second, 0, 0)
	if (*Log)(nil).Sampled(1, noon) {
		t.Error("a log that is not there samples")
	}
}

func TestConcurrently(t *testing.T) {
	l := open(t, t.TempDir(), all, Options{Every: time.Millisecond})
	var wg sync.WaitGroup
	for g := range call.ID(4) {
		wg.Go(func() {
			for i := range call.ID(200) {
				l.Append(someEntry(g*1000 + i + 1))
			}
		})
		wg.Go(func() {
			for range 10 {
				_, _ = l.Last(3)
				_ = l.Stats()
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Append(someEntry(1))
	s := l.Stats()
	if got := ids(t, l); uint64(len(got)) != s.Kept || s.Kept+s.Dropped != 801 {
		t.Errorf("%d entries, %+v", len(got), s)
	}
	if err := errors.Join(l.Close(), (*Log)(nil).Close()); err != nil {
		t.Error(err)
	}
}

// FuzzDecode: whatever lies in a file, reading it ends, and what is read can be
// written again.
func FuzzDecode(f *testing.F) {
	f.Add(appendEntry(nil, someEntry(7)))
	f.Add(appendEntry(nil, &Entry{}))
	f.Add([]byte{entryVersion, tagAttempts, 1, 0, 0, 0, 64})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b)
		if err != nil {
			return
		}
		again := appendEntry(nil, e)
		if len(again)+frameHead > bound(e) {
			t.Errorf("%d bytes; bound says %d", len(again), bound(e))
		}
		twice, err := decode(again)
		if err != nil || !bytes.Equal(appendEntry(nil, twice), again) {
			t.Errorf("%v\n%+v\n%+v", err, e, twice)
		}
	})
}

// FuzzFrames reads a file of foreign bytes.
func FuzzFrames(f *testing.F) {
	one := appendEntry(make([]byte, frameHead), someEntry(7))
	putLength(one)
	seal(one)
	f.Add(one)
	f.Add(append(bytes.Clone(one), one[:20]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		end := frames(b, func(entry []byte) bool { n += frameHead + len(entry); _, _ = decode(entry); return true })
		if end != n || end > len(b) {
			t.Errorf("ends at %d after entries of %d, of %d bytes", end, n, len(b))
		}
	})
}

// BenchmarkAppend is what a kept decision costs its request: nobody writes to
// disk meanwhile, and what waits is forgotten.
func BenchmarkAppend(b *testing.B) {
	l := &Log{waiting: make([]byte, 0, 1<<20), wake: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	e := someEntry(7)
	b.ReportAllocs()
	spent := guests.Spent()
	for b.Loop() {
		if len(l.waiting) > cap(l.waiting)/2 {
			l.waiting = l.waiting[:0]
		}
		l.Append(e)
	}
	b.ReportMetric(float64(spent().Nanoseconds())/float64(b.N), "cpu-ns")
	if l.dropped > 0 {
		b.Fatalf("%d of %d were dropped", l.dropped, b.N)
	}
}

func BenchmarkSampled(b *testing.B) {
	l := &Log{}
	l.Set(Settings{Sample: 0.5, PerSecond: 1 << 23})
	b.ReportAllocs()
	id := call.ID(0)
	for b.Loop() {
		id += 1 << 22
		l.Sampled(id, noon)
	}
}
