package budget

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestOrphansAreResolved(t *testing.T) {
	dir, bank := t.TempDir(), newMemBank()
	p := openPool(t, dir, bank, Options{})
	day, month := limit("key/a", "day", 10_000), limit("org/o", "month", 10_000)
	ch := chain(t, p, day, month)
	var sent, open, settled, extended Ticket
	for i, ticket := range []*Ticket{&sent, &open, &settled, &extended} {
		if d := p.Reserve(ticket, call.ID(i+1), ch, testTime, usd(1000)); d != nil {
			t.Fatalf("denied: %+v", *d)
		}
	}
	sent.Sent()
	settled.Sent()
	settled.Settle(usd(300))
	if d := extended.Extend(usd(500)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	crash(p)

	p = openPool(t, dir, bank, Options{})
	want := []Orphan{{ID: 1, Amounts: usd(1000), Sent: true}, {ID: 2, Amounts: usd(1000)}, {ID: 4, Amounts: usd(1500)}}
	got := p.Orphans()
	slices.SortFunc(got, func(a, b Orphan) int { return int(a.ID - b.ID) })
	for i := range got {
		want[i].slot, want[i].Rows = got[i].slot, [maxChain]int64{1, 2} // both accounts of the chain
	}
	if !slices.Equal(got, want) {
		t.Fatalf("orphans are %+v; want %+v", got, want)
	}
	// The scopes go on while orphans are open, and their reservations hold.
	var ticket Ticket
	ch = chain(t, p, day, month)
	if d := p.Reserve(&ticket, 9, ch, testTime, usd(10_000-300-3500)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	var more Ticket
	if d := p.Reserve(&more, 10, ch, testTime, usd(1)); d == nil || d.Unavailable {
		t.Fatalf("got %+v; want a refusal while orphans hold the rest", d)
	}
	ticket.Release()
	p.Resolve(got[0], usd(got[0].Amounts[0]))
	p.Resolve(got[1], usd(0))
	p.Resolve(got[2], usd(40))
	p.Resolve(got[2], usd(40)) // once is enough
	if left := p.Orphans(); len(left) != 0 {
		t.Errorf("orphans are left: %+v", left)
	}
	if d := p.Reserve(&ticket, 11, ch, testTime, usd(10_000-300-1040)); d != nil {
		t.Fatalf("what orphans gave back is not usable: %+v", *d)
	}
	ticket.Release()
	closePool(t, p)
	if got := bank.total(t); got != 2*1340 {
		t.Errorf("the bank has %d out; want %d", got, 2*1340)
	}
}

// TestCrashAroundBank kills the pool on either side of the bank's commit, for
// grants and returns, and expects the books to balance after recovery.
func TestCrashAroundBank(t *testing.T) {
	f := func(name string, committed, returns bool) {
		t.Helper()
		dir, bank := t.TempDir(), newMemBank()
		p := openPool(t, dir, bank, Options{})
		ch := chain(t, p, limit("key/a", "day", 100_000))
		var ticket Ticket
		if d := p.Reserve(&ticket, 1, ch, testTime, usd(1000)); d != nil {
			t.Fatalf("%s: denied: %+v", name, *d)
		}
		ticket.Settle(usd(250))
		hit := make(chan struct{}, 100)
		fail := func() error { hit <- struct{}{}; return errDown }
		bank.mu.Lock()
		if committed {
			bank.after = fail
		} else {
			bank.before = fail
		}
		bank.mu.Unlock()
		if returns {
			p.mu.Lock()
			for _, a := range p.byRow {
				a.retired = true
				p.enqueue(a)
			}
			p.mu.Unlock()
		} else {
			other := chain(t, p, limit("key/a", "day", 100_000), limit("key/b", "day", 100_000))
			if d := p.Reserve(&ticket, 2, other, testTime, usd(90_000)); d == nil || !d.Unavailable {
				t.Fatalf("%s: got %+v; want unavailable", name, d)
			}
		}
		<-hit
		crash(p)
		bank.before, bank.after = nil, nil
		p = openPool(t, dir, bank, Options{})
		if got := bank.total(t); got != 250 {
			t.Errorf("%s: the bank has %d out after recovery; want 250", name, got)
		}
		if d := p.Reserve(&ticket, 3, chain(t, p, limit("key/a", "day", 100_000)), testTime, usd(99_750)); d != nil {
			t.Errorf("%s: the rest of the budget is not usable: %+v", name, *d)
		}
		ticket.Release()
		closePool(t, p)
	}
	f("grant, not committed", false, false)
	f("grant, committed", true, false)
	f("return, not committed", false, true)
	f("return, committed", true, true)
}

func TestRebootVoidsLeases(t *testing.T) {
	dir, bank := t.TempDir(), newMemBank()
	p := openPool(t, dir, bank, Options{})
	ch := chain(t, p, limit("key/a", "day", 1000))
	var ticket Ticket
	if d := p.Reserve(&ticket, 1, ch, testTime, usd(100)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	ticket.Settle(usd(30))
	crash(p)
	leased := bank.total(t)
	p = openPool(t, dir, bank, Options{boot: [16]byte{1}})
	if len(p.Orphans()) != 0 || p.Stats().Held != 0 {
		t.Error("a lease outlived the reboot")
	}
	if got := bank.total(t); got != leased {
		t.Errorf("the bank has %d out; want %d: nothing may come back from a void pool", got, leased)
	}
	if d := p.Reserve(&ticket, 2, chain(t, p, limit("key/a", "day", 1000)), testTime, usd(1000-leased)); d != nil {
		t.Errorf("the rest is not usable: %+v", *d)
	}
}

func TestRebootAfterCloseVoidsNothing(t *testing.T) {
	dir, bank := t.TempDir(), newMemBank()
	p := openPool(t, dir, bank, Options{})
	var ticket Ticket
	if d := p.Reserve(&ticket, 1, chain(t, p, limit("key/a", "day", 1000)), testTime, usd(100)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	ticket.Settle(usd(30))
	closePool(t, p)
	var log strings.Builder
	openPool(t, dir, bank, Options{boot: [16]byte{1}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if got := bank.total(t); got != 30 || log.Len() != 0 {
		t.Errorf("the bank has %d out, the log says %q; want 30 and nothing", got, log.String())
	}
}

func TestForeignBankVoidsLeases(t *testing.T) {
	f := func(name string, change func(*memBank)) {
		t.Helper()
		dir, bank := t.TempDir(), newMemBank()
		p := openPool(t, dir, bank, Options{})
		var ticket Ticket
		for i, scope := range []string{"key/a", "key/b"} {
			if d := p.Reserve(&ticket, call.ID(i), chain(t, p, limit(scope, "day", 1000)), testTime, usd(100)); d != nil {
				t.Fatalf("denied: %+v", *d)
			}
			ticket.Settle(usd(100))
		}
		crash(p)
		change(bank)
		p = openPool(t, dir, bank, Options{})
		if held := p.Stats().Held; held != 0 {
			t.Errorf("%s: %d nano-dollars held; want none", name, held)
		}
		closePool(t, p)
	}
	f("another bank", func(b *memBank) { b.generation++ })
	f("bank set back", func(b *memBank) { b.seq-- })
	f("pool set back", func(b *memBank) { b.seq += 2 })
}

// TestReplayFinishesAChange cuts a change at each of its stores.
func TestReplayFinishesAChange(t *testing.T) {
	im, _, err := openImage(filepath.Join(t.TempDir(), "pool"), geometry{words: 8, slots: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer im.file.Close()
	im.format([16]byte{}, 1, 1)
	before := slices.Clone(im.m)
	change := func() {
		for w := range 4 {
			im.set(im.word(w, wordAvail), int64(100+w))
		}
		im.set(cellSeq, 2)
	}
	change()
	im.commit()
	after := slices.Clone(im.m)
	for cut := range 7 {
		copy(im.m, before)
		change()
		n := im.n
		im.n = 0
		if cut > 0 { // the log's length was stored, and cut-1 of the changes
			im.m[cellLog] = int64(n)
			im.apply(cut - 1)
		}
		if err := im.check(); err != nil {
			t.Fatal(err)
		}
		im.replay()
		want := after
		if cut == 0 {
			want = before
		}
		if !slices.Equal(im.m[headerCells+2*logPairs:], want[headerCells+2*logPairs:]) || im.m[cellSeq] != want[cellSeq] {
			t.Errorf("cut %d: the file is neither before nor after the change", cut)
		}
	}
}

func FuzzPoolFile(f *testing.F) {
	dir := f.TempDir()
	bank := newMemBank()
	opts := Options{Slots: 8, Accounts: 8, boot: [16]byte{9}}
	p := openPool(f, dir, bank, opts)
	var ticket Ticket
	p.Reserve(&ticket, 1, chain(f, p, limit("key/a", "day", 1000), limit("key/b", "day", 1000)), testTime, usd(10))
	crash(p)
	seed, err := os.ReadFile(filepath.Join(dir, "pool"))
	if err != nil {
		f.Fatal(err)
	}
	state, _ := bank.State(context.Background())
	tail := (headerCells + 2*logPairs) * cellBytes
	f.Add(seed[:128], seed[headerCells*cellBytes:headerCells*cellBytes+64], seed[tail:])
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, header, log, data []byte) {
		file := make([]byte, len(seed))
		copy(file, header)
		copy(file[headerCells*cellBytes:], log)
		copy(file[tail:], data)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "pool"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		bank := newMemBank()
		bank.seq, bank.last = state.Seq, state.Grants
		p, err := Open(context.Background(), dir, bank, opts)
		if err != nil {
			t.Fatalf("a damaged pool must be void, not an error: %v", err)
		}
		for _, o := range p.Orphans() {
			p.Resolve(o, usd(o.Amounts[0]))
		}
		var ticket Ticket
		p.Reserve(&ticket, 1, chain(t, p, limit("key/z", "day", 1000)), testTime, usd(10))
		ticket.Release()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
