package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memSink is a Sink in memory. before and after are failpoints: a fold that
// fails before its commit, or whose success nobody lives to see.
type memSink struct {
	mu            sync.Mutex
	rows          map[call.ID]call.Record
	upto          int64
	durable       int64 // the mark that is known to be on the disk
	folds         int
	before, after func() error
}

func newMemSink() *memSink { return &memSink{rows: map[call.ID]call.Record{}} }

func (s *memSink) Fold(_ context.Context, upto int64, rows []call.Record, durable bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folds++
	if s.before != nil {
		if err := s.before(); err != nil {
			return err
		}
	}
	if upto < s.upto {
		return errors.New("the mark would go back")
	}
	for _, r := range rows {
		if _, ok := s.rows[r.ID]; !ok {
			r.Attempts = append([]call.Attempt(nil), r.Attempts...)
			s.rows[r.ID] = r
		}
	}
	s.upto = upto
	if durable {
		s.durable = upto
	}
	if s.after != nil {
		return s.after()
	}
	return nil
}

func (s *memSink) Folded(context.Context) (int64, call.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := call.ID(0)
	for id := range s.rows {
		last = max(last, id)
	}
	return s.upto, last, nil
}

func (s *memSink) Cost(_ context.Context, id call.ID) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[id]
	return r.Cost, ok, nil
}

func (s *memSink) check(t testing.TB, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rows) != n {
		t.Errorf("the sink has %d rows; want %d", len(s.rows), n)
	}
	for id, r := range s.rows {
		if want := row(id); !reflect.DeepEqual(r, want) {
			t.Fatalf("row %d came out as %+v; want %+v", id, r, want)
		}
	}
}

// quiet has the workers do nothing by themselves.
var quiet = Options{FoldEvery: time.Hour, SyncEvery: time.Hour, Batch: 16, Segment: 32 << 10, wakeAt: 1 << 40}

func open(t testing.TB, dir string, sink Sink, opts Options) *Ledger {
	t.Helper()
	l, err := Open(context.Background(), dir, sink, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

// crash drops l as a kill would.
func crash(l *Ledger) {
	l.stop()
	l.workers.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, s := range l.segments {
		s.Close()
	}
	l.segments = nil
	if l.spare != nil {
		l.spare.Close()
	}
	l.tally.file.Close()
	l.lock.Unlock()
}

var targets = []*call.Target{nil, {Name: "openai/gpt-4o-mini"}, {Name: "anthropic/claude-haiku-4-5"}}

// row is a row that id alone decides.
func row(id call.ID) call.Record {
	n := int64(id)
	r := call.Record{
		ID: id, DurationUS: n * 7, OverheadUS: n % 90, TTFTUS: n % 1000,
		Op: wire.OpChat, Dialect: wire.AnthropicMessages, Stream: n%2 == 0,
		KeyID: fmt.Sprint("k", n%5), KeyName: "dev", Org: "o", Project: "p", Team: "t", User: "u",
		Asked: "fast", Target: "openai/gpt-4o-mini", Status: 200, Class: wire.Class(n % 3), Code: strings.Repeat("c", int(n%4)),
		Usage: wire.Usage{Input: n, CacheRead: 1, CacheWrite5m: 2, CacheWrite1h: 3, Output: n << 20, Reasoning: 5},
		Cost:  n * 1000, Reserved: n * 2000, Provenance: call.CostReported, Route: "priority@0123456789ab", Policy: "rev-1",
	}
	for i := range n % 3 {
		r.Attempts = append(r.Attempts, call.Attempt{Target: targets[i], Status: 500, Class: wire.ClassServer, Duration: time.Duration(n), Cost: n})
	}
	return r
}

func appendRows(t testing.TB, l *Ledger, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		r := row(call.ID(i))
		if err := l.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
}

// files lists the segments in dir.
func files(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAppendFold(t *testing.T) {
	dir, sink, ctx := t.TempDir(), newMemSink(), context.Background()
	l := open(t, dir, sink, quiet)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() { appendRows(t, l, 1+g*250, 1+(g+1)*250) })
	}
	wg.Wait()
	if n := len(files(t, dir)); n < 8 {
		t.Errorf("2000 rows lie in %d segments; the test wants many", n)
	}
	cost, found, err := l.Row(ctx, 77)
	if cost != 77_000 || !found || err != nil {
		t.Errorf("row 77 is %d, %v, %v", cost, found, err)
	}
	if _, found, err := l.Row(ctx, 99_999); found || err != nil {
		t.Errorf("an unknown row is %v, %v", found, err)
	}
	sink.check(t, 2000)
	if n := len(files(t, dir)); n != 1 {
		t.Errorf("%d segments are left after folding; want 1", n)
	}
	if l.Last() != 2000 {
		t.Errorf("last is %d; want 2000", l.Last())
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(files(t, dir)); n != 0 {
		t.Errorf("%d segments are left after closing; want none", n)
	}
	if err := l.Append(&call.Record{}); err == nil {
		t.Error("a closed ledger took a row")
	}
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
	if l = open(t, dir, sink, quiet); l.Last() != 2000 {
		t.Errorf("last is %d after opening again; want 2000", l.Last())
	}
}

func TestWorkersFoldAndSync(t *testing.T) {
	sink := newMemSink()
	folded := make(chan struct{}, 1)
	sink.after = func() error { signal(folded); return nil }
	l := open(t, t.TempDir(), sink, Options{FoldEvery: time.Millisecond, SyncEvery: time.Millisecond, Segment: 32 << 10})
	appendRows(t, l, 1, 500)
	for rows := 0; rows < 499; rows, _ = sink.counts() {
		<-folded
	}
	sink.check(t, 499)
	if !l.Healthy() {
		t.Error("the ledger is not healthy")
	}
}

// TestCrashWhileFolding kills the ledger before and after every commit in turn.
func TestCrashWhileFolding(t *testing.T) {
	errCrash := errors.New("crash")
	f := func(name string, n int, arm func(*memSink, func() error)) bool {
		t.Helper()
		dir, sink := t.TempDir(), newMemSink()
		l := open(t, dir, sink, quiet)
		appendRows(t, l, 1, 500)
		left := n
		arm(sink, func() error {
			if left--; left == 0 {
				return errCrash
			}
			return nil
		})
		err := l.Fold(context.Background())
		crash(l)
		arm(sink, nil)
		l = open(t, dir, sink, quiet)
		appendRows(t, l, 500, 520)
		if err := l.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		sink.check(t, 519)
		if t.Failed() {
			t.Fatalf("%s commit %d", name, n)
		}
		return errors.Is(err, errCrash)
	}
	n := 1
	for f("before", n, func(s *memSink, fail func() error) { s.before = fail }) &&
		f("after", n, func(s *memSink, fail func() error) { s.after = fail }) {
		n++
	}
	if n < 30 {
		t.Errorf("only %d commits were tried", n)
	}
}

// TestSegmentsOutliveTheirFold kills the ledger between a durable fold and the
// deletion of its segment, and checks that deletion waits for durability.
func TestSegmentsOutliveTheirFold(t *testing.T) {
	dir, sink := t.TempDir(), newMemSink()
	l := open(t, dir, sink, quiet)
	appendRows(t, l, 1, 500)
	kept := map[string][]byte{}
	for _, name := range files(t, dir) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		kept[name] = data
	}
	sink.after = func() error {
		first := strings.TrimSuffix(filepath.Base(files(t, dir)[0]), suffix)
		if want := fmt.Sprintf("%016d", sink.durable>>32); first > want && sink.durable > 0 {
			t.Errorf("segments before %s are gone; durable are those before %s", first, want)
		}
		if sink.durable == 0 && len(files(t, dir)) != len(kept) {
			t.Error("a segment is gone before anything is durable")
		}
		return nil
	}
	if err := l.Fold(context.Background()); err != nil {
		t.Fatal(err)
	}
	crash(l)
	for name, data := range kept { // as if none had been deleted yet
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sink.after = nil
	folds := sink.folds
	open(t, dir, sink, quiet)
	sink.check(t, 499)
	if n := len(files(t, dir)); n != 1 {
		t.Errorf("%d segments are left; want 1", n)
	}
	if again := sink.folds - folds; again > 1 {
		t.Errorf("%d folds were made of what was folded already", again)
	}
}

// TestTornRows damages a row at each of its words, as a kill or a power cut
// can, and expects all others.
func TestTornRows(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, newMemSink(), quiet)
	appendRows(t, l, 1, 6)
	var starts []int
	for off, i := 0, 0; i < 5; i++ {
		starts = append(starts, off)
		_, off = l.segments[0].rowAt(off, l.segments[0].tail)
	}
	name := l.segments[0].path
	crash(l)
	clean, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f := func(what string, damage func(row []byte)) {
		t.Helper()
		data := append([]byte(nil), clean...)
		damage(data[starts[2]:starts[3]])
		dir, sink := t.TempDir(), newMemSink()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, dir, sink, quiet)
		if _, there := sink.rows[3]; there {
			t.Errorf("%s: the damaged row was taken", what)
		}
		sink.check(t, 4)
	}
	f("no length", func(row []byte) { clear(row[:8]) })
	f("nothing but the length", func(row []byte) { clear(row[8:]) })
	f("never written", func(row []byte) { clear(row) })
	f("a length beyond the end", func(row []byte) { row[3] = 0xff })
	for i := range (starts[3] - starts[2]) / 8 {
		f(fmt.Sprintf("word %d", i), func(row []byte) { row[8*i] ^= 0x40 })
	}
}

func TestNewerRowsAreNotDropped(t *testing.T) {
	dir, sink := t.TempDir(), newMemSink()
	l := open(t, dir, sink, quiet)
	appendRows(t, l, 1, 2)
	s := l.segments[0]
	text, _ := s.rowAt(0, s.tail)
	text[0] = rowVersion + 1
	sum := s.sum(0, text)
	for i := range 4 {
		s.Data[4+i] = byte(sum >> (8 * i))
	}
	crash(l)
	if _, err := Open(context.Background(), dir, sink, quiet); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("version %d", rowVersion+1)) {
		t.Errorf("got %v; want an error that names the version", err)
	}
	if len(files(t, dir)) == 0 {
		t.Error("the segment is gone")
	}
}

func TestNoRoom(t *testing.T) {
	parent := t.TempDir()
	dir, away := filepath.Join(parent, "journal"), filepath.Join(parent, "away")
	sink := newMemSink()
	opts := quiet
	opts.SyncEvery = time.Millisecond
	l := open(t, dir, sink, opts)
	if err := os.Rename(dir, away); err != nil { // no file can be made there any more
		t.Fatal(err)
	}
	var err error
	n := 1
	for ; err == nil; n++ {
		r := row(call.ID(n))
		err = l.Append(&r)
	}
	if !errors.Is(err, ErrFull) && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for l.Healthy() { // the keeper notices in its own time
		signal(l.turned)
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	for !l.Healthy() {
		l.sync()
		l.prepare()
	}
	appendRows(t, l, n-1, n+50)
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	sink.check(t, n+49)
}

func TestStoreDown(t *testing.T) {
	dir, sink := t.TempDir(), newMemSink()
	l := open(t, dir, sink, quiet)
	sink.before = func() error { return errors.New("no store") }
	appendRows(t, l, 1, 1000)
	if err := l.Fold(context.Background()); err == nil {
		t.Error("fold does not fail without a store")
	}
	if _, _, err := l.Row(context.Background(), 1); err == nil {
		t.Error("row does not fail without a store")
	}
	if err := l.Close(context.Background()); err == nil {
		t.Error("close does not say that rows are left")
	}
	sink.before = nil
	open(t, dir, sink, quiet)
	sink.check(t, 999)
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir, sink := t.TempDir(), newMemSink()
	open(t, dir, sink, quiet)
	if _, err := Open(context.Background(), dir, sink, quiet); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("got %v; want an error that names the other process", err)
	}
}
