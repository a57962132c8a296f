//go:build !race

// One goroutine, and minutes under the race detector.

package policy

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// fill puts n keys of owner, which start at first, and reads each back, so that
// it gets its second chance.
func fill(m *memo[int], owner string, first, n int, epoch uint32) {
	by, key, val := asker{owner, epoch}, make([]byte, 100), 1
	for i := first; i < first+n; i++ {
		binary.LittleEndian.PutUint64(key, uint64(i))
		m.put(key, &val, 0, by)
		m.get(key, by)
	}
}

// present counts those of the n keys from first on that are remembered, without
// reading them.
func present(m *memo[int], first, n int) (found int) {
	for s := range m.sets {
		for w := range m.sets[s].places {
			e := m.sets[s].places[w].Load()
			if e == nil {
				continue
			}
			if i := int(binary.LittleEndian.Uint64(e.key)); i >= first && i < first+n {
				found++
			}
		}
	}
	return found
}

// checkOwners compares the owners' lists with the table.
func checkOwners(t *testing.T, m *memo[int]) {
	t.Helper()
	var bytes, entries int64
	for name, o := range m.owners {
		var own int64
		for e := o.oldest; e != nil; e = e.newer {
			if e.owner != o || e.place.Load() != e || e.newer == nil && o.newest != e {
				t.Fatalf("the list of %q does not match the table", name)
			}
			own, entries = own+e.size, entries+1
		}
		if own != o.bytes || o.oldest == nil {
			t.Errorf("%q has %d bytes, %d are counted", name, own, o.bytes)
		}
		bytes += own
	}
	if bytes != m.bytes.Load() || entries != m.entries.Load() {
		t.Errorf("owners have %d bytes in %d entries, the memo %d in %d", bytes, entries, m.bytes.Load(), m.entries.Load())
	}
}

const flood = 1 << 20 // first key of who floods

// TestOneOwnerTakesAnEighthAtMost: a flood costs others an eighth of what they
// have, however long it lasts.
func TestOneOwnerTakesAnEighthAtMost(t *testing.T) {
	f := func(name string, maxBytes int64, others int) {
		t.Run(name, func(t *testing.T) {
			m := newMemo[int](memoSets, maxBytes)
			for i := range 16 {
				fill(m, fmt.Sprint(i), i*others/16, others/16, 1)
			}
			before := present(m, 0, others)
			for round := range 10 {
				fill(m, "flood", flood+round*20_000, 20_000, 2)
			}
			checkOwners(t, m)
			after, took := present(m, 0, others), present(m, flood, 200_000)
			if lost := before - after; lost > before/7 || took < before/10 || took > before/7 {
				t.Errorf("of %d entries of others %d are left, the flood has %d", before, after, took)
			}
		})
	}
	f("bounded by entries", 1<<30, 200_000)
	f("bounded by bytes", 1<<20, 50_000)
}

func TestOneOwnerAloneTakesAll(t *testing.T) {
	all := newMemo[int](memoSets, 1<<20)
	fill(all, "one", 0, 50_000, 1)
	checkOwners(t, all)
	if got := all.bytes.Load(); got < 1<<20-1000 {
		t.Errorf("%d bytes of %d are used", got, 1<<20)
	}
	full := newMemo[int](memoSets, 1<<30)
	fill(full, "one", 0, 200_000, 1)
	if got := full.entries.Load(); got != memoSets*memoWays {
		t.Errorf("%d entries of %d are used", got, memoSets*memoWays)
	}
}

// TestIdleEntriesAreFree: who is gone does not hold others to their share.
func TestIdleEntriesAreFree(t *testing.T) {
	for _, maxBytes := range []int64{1 << 20, 1 << 30} {
		m := newMemo[int](memoSets, maxBytes)
		for i := range 16 {
			fill(m, fmt.Sprint(i), i*10_000, 10_000, 1)
		}
		before := m.entries.Load()
		fill(m, "busy", flood, 200_000, 3)
		checkOwners(t, m)
		if got := int64(present(m, flood, 200_000)); got < before*9/10 {
			t.Errorf("%d of %d entries were taken from owners that are gone", got, before)
		}
	}
}

func TestIdle(t *testing.T) {
	f := func(seen, now time.Time, want bool) {
		t.Helper()
		e := &memoEntry[int]{}
		e.seen.Store(epochOf(seen)<<1 | 1)
		if got := e.idle(epochOf(now)); got != want {
			t.Errorf("read at %v, idle at %v: %v", seen, now, got)
		}
	}
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	f(at, at, false)
	f(at, at.Add(17*time.Minute), false)
	f(at, at.Add(35*time.Minute), true)
	f(at, at.Add(24*time.Hour), true)
	f(at, at.Add(-24*time.Hour), false) // the clock was set back
	f(time.Time{}, time.Time{}, false)
}

// TestFloodOfOnePrincipal asks for ever new models with one key: what others
// are told comes from memory as before.
func TestFloodOfOnePrincipal(t *testing.T) {
	e := openWith(t, Options{Path: files{"model": `deny contains {"code": "x", "v": input.request.model} if {
	input.request.model != "known"
	input.principal.key_id
}`}.folder(t), Deadline: slack, MemoBytes: 300_000})
	ask := func(key, model string) {
		c := sampleCall()
		c.Principal.KeyID, c.Model = key, &call.Model{Name: model}
		e.Decide(c)
	}
	misses := func() uint64 { return e.Stats().Units[1].Misses }
	const others = 40
	for i := range others {
		ask(fmt.Sprint("other", i), "known")
	}
	for i := range 5000 {
		ask("flood", fmt.Sprint(i))
	}
	before := misses()
	if before != others+5000 {
		t.Fatalf("%d evaluations", before)
	}
	for i := range others {
		ask(fmt.Sprint("other", i), "known")
	}
	if lost := misses() - before; lost > others/4 {
		t.Errorf("%d of %d verdicts of others were forgotten", lost, others)
	}
}
