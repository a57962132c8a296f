package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// stranger is a request without a valid key, one of many in a second.
func stranger(i int) call.Record {
	return call.Record{ID: call.FirstID(time.Unix(1780000000, 0)) + call.ID(i), Op: wire.OpChat, Status: 401, Class: wire.ClassAuth,
		Code: fmt.Sprint("code-", i%3), Address: "192.0.2.1"}
}

// counts sums rows up, by code.
func (s *memSink) counts() (rows int, requests map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests = map[string]int64{}
	for _, r := range s.rows {
		requests[r.Code] += r.Requests()
		requests["all"] += r.Requests()
	}
	return len(s.rows), requests
}

func (s *memSink) wantCounts(t *testing.T, mostRows int, want int64) {
	t.Helper()
	rows, requests := s.counts()
	if rows > mostRows || requests["all"] != want {
		t.Errorf("the sink has %d rows of %d requests %v; want at most %d of %d", rows, requests["all"], requests, mostRows, want)
	}
	for i := range 3 {
		if n := requests[fmt.Sprint("code-", i)]; n < want/3 || n > want/3+1 {
			t.Errorf("code-%d has %d requests of %d", i, n, want)
		}
	}
}

func TestFloodOfStrangersIsCounted(t *testing.T) {
	dir, sink, ctx := t.TempDir(), newMemSink(), context.Background()
	l := open(t, dir, sink, quiet)
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for i := range 10_000 {
				r := stranger(i*3 + g)
				if err := l.AppendStranger(&r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := l.Stats(); s.Appended != 10 || s.LeftOut != 29_990 || s.Segments != 1 {
		t.Errorf("stats are %+v; want 10 rows", s)
	}
	if err := l.Fold(ctx); err != nil {
		t.Fatal(err)
	}
	sink.wantCounts(t, 13, 30_000)
	r := stranger(99_999) // of the same second; another one is new
	if err := l.AppendStranger(&r); err != nil {
		t.Fatal(err)
	}
	r.ID += 1000 << 22
	if err := l.AppendStranger(&r); err != nil {
		t.Fatal(err)
	}
	if s := l.Stats(); s.LeftOut != 29_991 {
		t.Errorf("stats are %+v", s)
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, requests := sink.counts(); requests["all"] != 30_002 {
		t.Errorf("%d requests after closing; want 30002", requests["all"])
	}
}

// TestCountsOutliveAKill kills the ledger while it counts, and between a row
// of counts and the end of its slot.
func TestCountsOutliveAKill(t *testing.T) {
	dir, sink := t.TempDir(), newMemSink()
	l := open(t, dir, sink, quiet)
	for i := range 3000 {
		r := stranger(i)
		if err := l.AppendStranger(&r); err != nil {
			t.Fatal(err)
		}
	}
	crash(l)
	l = open(t, dir, sink, quiet)
	sink.wantCounts(t, 13, 3000)
	for i := range 300 {
		r := stranger(5000 + i)
		if err := l.Count(&r); err != nil {
			t.Fatal(err)
		}
	}
	before := append([]byte(nil), l.tally.file.Data...)
	l.mu.Lock()
	err := l.settleTally()
	l.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	copy(l.tally.file.Data, before)
	crash(l)
	l = open(t, dir, sink, quiet)
	sink.wantCounts(t, 16, 3300)
	for i := range l.tally.file.Data { // what a power cut may leave
		l.tally.file.Data[i] = byte(i * 7)
	}
	crash(l)
	open(t, dir, sink, quiet)
	if rows, _ := sink.counts(); rows > 16 {
		t.Errorf("rows were made of a torn tally: %d", rows)
	}
}

func TestMoreKindsThanSlots(t *testing.T) {
	sink := newMemSink()
	l := open(t, t.TempDir(), sink, quiet)
	for i := range 10 * tallySlots {
		r := stranger(i)
		r.Code = fmt.Sprint("kind-", i%(2*tallySlots))
		if err := l.Count(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, requests := sink.counts(); requests["all"] != 10*tallySlots || requests["kind-7"] != 5 {
		t.Errorf("%d requests were counted, %d of kind-7", requests["all"], requests["kind-7"])
	}
}

// TestJournalIsBounded has a store that takes nothing: the ledger says so while
// what runs can still be written down, and heals with the store.
func TestJournalIsBounded(t *testing.T) {
	sink := newMemSink()
	opts := quiet
	opts.Max = 6 * 32 << 10
	l := open(t, t.TempDir(), sink, opts)
	sink.before = func() error { return errors.New("no store") }
	n, warned := 0, 0
	var err error
	for err == nil {
		r := row(call.ID(n + 1))
		if err = l.Append(&r); err == nil {
			n++
		}
		if warned == 0 && !l.Healthy() {
			warned = n
		}
	}
	if !errors.Is(err, ErrFull) || !errors.Is(err, errBound) || !errors.Is(l.Err(), errBound) {
		t.Errorf("got %v, not healthy for %v", err, l.Err())
	}
	if s := l.Stats(); s.Segments != 6 || n-warned < 50 {
		t.Errorf("%d segments; %d rows were taken after the ledger was not healthy", s.Segments, n-warned)
	}
	for i := range 1000 { // they are counted all the same
		r := stranger(i)
		if err := l.AppendStranger(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Fold(context.Background()); err == nil {
		t.Error("fold does not fail without a store")
	}
	sink.before = nil
	if err := l.Fold(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !l.Healthy() {
		t.Errorf("still not healthy: %v", l.Err())
	}
	if err := l.Fold(context.Background()); err != nil {
		t.Fatal(err)
	}
	if rows, requests := sink.counts(); rows > n+10+3 || requests["all"] != int64(n+1000) {
		t.Errorf("%d rows of %d requests; want %d requests", rows, requests["all"], n+1000)
	}
}

// TestWhatStrangersShowIsBounded: who makes up ids of keys fills neither rows nor
// sums with them, and takes nothing from what was shown before.
func TestWhatStrangersShowIsBounded(t *testing.T) {
	o := quiet
	o.Strangers = 1000
	sink := newMemSink()
	l := open(t, t.TempDir(), sink, o)
	for i := range 500 {
		r := stranger(i)
		r.KeyID = fmt.Sprint("made-up-", i)
		if i%2 == 1 {
			r.KeyID = "revoked"
		}
		if err := l.AppendStranger(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	shown := map[string]int{}
	for _, r := range sink.rows {
		shown[r.KeyID]++
	}
	if len(shown) != mostShown+1 || shown["revoked"] != 250 || shown[""] != 250-mostShown+1 {
		t.Errorf("%d ids are written down, %d times the one that was in use, %d rows without", len(shown), shown["revoked"], shown[""])
	}
}
