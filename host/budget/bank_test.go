package budget

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memBank is a Bank in memory. before and after are failpoints: an error from
// before means the batch never arrived, one from after that its answer was lost.
type memBank struct {
	mu            sync.Mutex
	generation    int64
	seq           int64
	last          []call.BankGrant
	rows          map[string]int64
	granted       map[int64]int64
	max           map[int64]int64
	starts        map[int64]int64
	told          map[int64]int64 // what the node has of a row beside what it has spent
	batches       int
	before, after func() error
}

func newMemBank() *memBank {
	return &memBank{generation: 7, rows: map[string]int64{}, granted: map[int64]int64{}, max: map[int64]int64{}, starts: map[int64]int64{}, told: map[int64]int64{}}
}

func (b *memBank) State(context.Context) (call.BankState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return call.BankState{Generation: b.generation, Seq: b.seq, Grants: b.last}, nil
}

func (b *memBank) Apply(_ context.Context, seq int64, ops []call.BankOp) ([]call.BankGrant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches++
	if b.before != nil {
		if err := b.before(); err != nil {
			return nil, err
		}
	}
	if seq != b.seq {
		if seq != b.seq+1 {
			return nil, call.ErrBankSequence
		}
		b.seq, b.last = seq, nil
		for _, op := range ops {
			b.last = append(b.last, b.one(op))
		}
	}
	if b.after != nil {
		if err := b.after(); err != nil {
			return nil, err
		}
	}
	return b.last, nil
}

func (b *memBank) Forfeit(context.Context) error { return nil }

func (b *memBank) one(op call.BankOp) call.BankGrant {
	row := op.Row
	if row == 0 {
		key := op.Scope + "|" + op.Window + "|" + time.Unix(op.Start, 0).UTC().String()
		if row = b.rows[key]; row == 0 {
			row = int64(len(b.rows) + 1)
			b.rows[key] = row
		}
	}
	b.granted[row] -= op.Return
	before := int64(0) // on other buckets of a window that rolls
	if op.From != op.Start {
		for key, other := range b.rows {
			if at := b.starts[other]; other != row && at >= op.From && strings.HasPrefix(key, op.Scope+"|"+op.Window+"|") {
				before += b.granted[other]
			}
		}
	}
	b.starts[row] = op.Start
	rem := op.Max - before - b.granted[row]
	amount := max(0, min(rem, max(op.Need, min(op.Want, rem/2))))
	b.granted[row] += amount
	b.max[row] = max(b.max[row], op.Max)
	b.told[row] = op.Held + amount + op.Reserved
	return call.BankGrant{Row: row, Amount: amount, Granted: before + b.granted[row]}
}

// total is what the bank has out, over all rows; it fails when a row is over its limit.
func (b *memBank) total(t testing.TB) int64 {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var sum int64
	for row, g := range b.granted {
		if g > b.max[row] {
			t.Errorf("row %d has %d granted of %d", row, g, b.max[row])
		}
		sum += g
	}
	return sum
}

var errDown = errors.New("bank is down")

// testTime is a fixed noon.
var testTime = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

func openPool(t testing.TB, dir string, bank Bank, opts Options) *Pool {
	t.Helper()
	if opts.Now == nil {
		opts.Now = func() time.Time { return testTime }
	}
	if opts.Slots == 0 {
		opts.Slots = 4096
	}
	if opts.Accounts == 0 {
		opts.Accounts = 4096
	}
	p, err := Open(context.Background(), dir, bank, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func usd(n int64) Amounts { return Amounts{call.UnitUSD: n} }

func limit(scope, unit string, max int64) call.Limit {
	return call.Limit{Scope: scope, Window: call.Window{Unit: unit, Size: 1}, Max: max}
}

func chain(t testing.TB, p *Pool, limits ...call.Limit) *Chain {
	t.Helper()
	ch, err := p.Chain(limits)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func closePool(t testing.TB, p *Pool) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// crash drops p as a kill would: nothing is handed back, the file stays as it is.
func crash(p *Pool) {
	p.banker.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining, p.closed = true, true
	p.im.file.Close()
	p.lock.Unlock()
}
