package ledger

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
)

func TestLargestRowFits(t *testing.T) {
	long := strings.Repeat("ü", 4000)
	r := call.Record{
		ID: -1, DurationUS: -1, OverheadUS: -1, TTFTUS: -1, KeyID: long, KeyName: long, Org: long, Project: long, Team: long,
		User: long, Asked: long, Target: long, Status: -1, Code: long, Cost: math.MinInt64, Reserved: -1, Count: -1, Route: long, Policy: long, Address: long,
		Parent: -1, Origin: long, Cached: call.CacheShared, Saved: -1,
	}
	for _, v := range r.Usage.Buckets() {
		*v = -1
	}
	r.Computed = -1
	for range 100 {
		r.Attempts = append(r.Attempts, call.Attempt{Target: &call.Target{Name: long}, Status: -1, Duration: -1, Cost: -1})
	}
	b := appendRow(nil, &r)
	if len(b) > maxRow {
		t.Fatalf("the row takes %d bytes; the most is %d", len(b), maxRow)
	}
	var d decoder
	var got call.Record
	if err := d.row(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Usage != r.Usage || got.Computed != -1 {
		t.Errorf("usage came out as %+v", got.Usage)
	}
	if got.Parent != -1 || got.Saved != -1 || got.Cached != call.CacheShared || len(got.Origin) != 254 {
		t.Errorf("the row is of %d, %q, %s, and saved %d", got.Parent, got.Origin, got.Cached, got.Saved)
	}
	if got.Cost != -maxAmount || len(got.Attempts) != maxAttempts || !utf8.ValidString(got.Org) || len(got.Org) != 254 {
		t.Errorf("the row came out as %+v", got)
	}
}

// TestAmountsCanBeSummedUp: whatever an upstream says that a request has used, the
// store takes its row, and those after it.
func TestAmountsCanBeSummedUp(t *testing.T) {
	sink := newMemSink()
	l := open(t, t.TempDir(), sink, quiet)
	for id := range call.ID(3) {
		r := row(id)
		r.Cost, r.Saved, r.Computed, r.Usage.Images = math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64
		if err := l.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Fold(t.Context()); err != nil || len(sink.rows) != 3 {
		t.Fatalf("%d rows were folded, %v", len(sink.rows), err)
	}
	for _, r := range sink.rows {
		for _, v := range []int64{r.Cost, r.Saved, r.Computed, r.Usage.Images} {
			if v <= 0 || v > math.MaxInt64/100_000 {
				t.Errorf("row %s has an amount of %d: a hundred thousand of them cannot be summed up", r.ID, v)
			}
		}
	}
}

func FuzzRow(f *testing.F) {
	for id := range call.ID(4) {
		r := row(id)
		f.Add(appendRow(nil, &r))
		for i, v := range r.Usage.Buckets() {
			*v = int64(i) % int64(id+2)
		}
		r.Computed = int64(id)
		f.Add(appendRow(nil, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d decoder
		var r, again call.Record
		if d.row(b, &r) != nil {
			return
		}
		enc := appendRow(nil, &r)
		if err := d.row(enc, &again); err != nil || len(enc) > maxRow {
			t.Fatalf("a decoded row does not encode: %v", err)
		}
		if len(again.Attempts) == 0 {
			again.Attempts = r.Attempts // nil and empty are the same
		}
		if !reflect.DeepEqual(r, again) {
			t.Fatalf("row %+v came out as %+v", r, again)
		}
	})
}

// FuzzSegment reads rows from any bytes.
func FuzzSegment(f *testing.F) {
	s := &segment{Mapping: &disk.Mapping{Data: make([]byte, 32<<10)}, number: 3}
	for id := range call.ID(3) {
		r := row(id)
		s.put(&r)
	}
	f.Add(s.Data[:s.tail])
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &segment{Mapping: &disk.Mapping{Data: append(data, make([]byte, 8-len(data)%8)...)}, number: 3}
		for off := 0; off < len(s.Data); {
			row, next := s.rowAt(off, len(s.Data))
			if next <= off || next > len(s.Data)+8 || len(row) > maxRow {
				t.Fatalf("at %d: a row of %d bytes, next %d of %d", off, len(row), next, len(s.Data))
			}
			off = next
		}
	})
}
