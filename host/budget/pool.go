package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
)

// Bank is the durable truth about budgets.
type Bank interface {
	// State tells where the bank stands, to a node that starts.
	State(ctx context.Context) (call.BankState, error)
	// Apply carries out a batch of ops durably and in one piece and returns a
	// grant for each. Batch seq follows seq-1; the last batch may be applied
	// again and comes to what it came to before. Any other is ErrBankSequence.
	Apply(ctx context.Context, seq int64, ops []call.BankOp) ([]call.BankGrant, error)
	// Forfeit says that the node knows nothing of what it had leased any more: all
	// of it counts as spent.
	Forfeit(ctx context.Context) error
}

// Shared is a Bank that several nodes deal with.
type Shared interface {
	// Wanted lists the rows of which this node holds something while another is
	// refused for want of it. It also shows that the node lives.
	Wanted(ctx context.Context) (rows []int64, err error)
}

// Options configure a Pool. Zero values are defaults.
type Options struct {
	Log *slog.Logger
	Now func() time.Time
	// Wait is the longest that a reservation waits for the bank.
	Wait time.Duration
	// Idle is how long an account must go unused until its lease is handed back.
	Idle time.Duration
	// Look is between two looks at what other nodes are in want of, where the bank
	// is shared, and Report between two reports to it of what has been spent.
	Look, Report time.Duration
	// Slots is the most reservations that can be open at once.
	Slots int
	// Accounts is the most scopes and windows that can be in use at once.
	Accounts int

	boot [16]byte // tests only: another kernel
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait <= 0 {
		o.Wait = 2 * time.Second
	}
	if o.Idle <= 0 {
		o.Idle = 30 * time.Second
	}
	if o.Look <= 0 {
		o.Look = 100 * time.Millisecond
	}
	if o.Report <= 0 {
		o.Report = 5 * time.Second
	}
	if o.Slots <= 0 {
		o.Slots = 1 << 15
	}
	if o.Accounts <= 0 {
		o.Accounts = 1 << 16
	}
	return o
}

// Pool is a node's share of all budgets.
type Pool struct {
	opts   Options
	bank   Bank
	path   string
	shared Shared // nil: the bank is this node's alone
	lock   *disk.Lock

	mu        sync.Mutex
	im        *image
	counters  map[counterKey]*counter
	byRow     map[int64]*account
	freeWords []int
	freeSlots []int
	queue     []*account    // that the banker must look at
	dealt     []*account    // that the batch in hand is about
	ops       []call.BankOp // of the batch in hand; it may have reached the bank
	round     chan struct{} // closed when the banker's round has ended
	orphans   []Orphan
	draining  bool // no reservations any more
	closed    bool // the file is gone
	fenced    bool // the bank was set back: nothing is spent any more
	bankDown  bool // the last batch has not gone through yet
	stats     Stats
	reporting bool      // the bank is being told of all that has changed
	reported  time.Time // last

	banker banker
}

// Stats is a snapshot of a pool's counters.
type Stats struct {
	Reserved      uint64 // reservations made
	Denied        uint64 // refused because a limit would be passed
	Unavailable   uint64 // refused because the bank could not be asked
	Passed        uint64 // reservations made beyond a soft limit
	Overruns      uint64 // settled above the reservation, in money
	OverrunSum    int64  // nano-dollars, by how much in all
	TokenOverruns uint64 // settled above the reservation, in tokens
	BankBatches   uint64
	BankErrors    uint64
	Open          int   // reservations
	Accounts      int   // in use
	Held          int64 // nano-dollars leased and not reserved, over all accounts
	BankDown      bool
	Fenced        bool // the bank was set back; restart to go on
}

// Open opens the pool file in dir, recovers what a killed process left in it
// and starts the banker. Leases that lie unused in it go back to the bank.
func Open(ctx context.Context, dir string, bank Bank, opts Options) (*Pool, error) {
	opts = opts.withDefaults()
	if opts.boot == ([16]byte{}) {
		boot, err := disk.BootID()
		if err != nil {
			return nil, err
		}
		opts.boot = boot
	}
	lock, err := disk.NewLock(filepath.Join(dir, "pool.lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot open budget pool: %w", err)
	}
	p := &Pool{
		opts: opts, bank: bank, lock: lock, path: filepath.Join(dir, "pool"),
		counters: map[counterKey]*counter{}, byRow: map[int64]*account{},
		round: make(chan struct{}),
	}
	p.shared, _ = bank.(Shared)
	if err := p.load(ctx); err != nil {
		if p.im != nil {
			err = errors.Join(err, p.im.file.Close())
		}
		lock.Unlock()
		return nil, fmt.Errorf("cannot open budget pool: %w", err)
	}
	p.banker.start(p)
	return p, nil
}

// load maps the file, recovers it and hands idle leases back.
func (p *Pool) load(ctx context.Context) error {
	state, err := p.bank.State(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the bank's state: %w", err)
	}
	g := geometry{words: p.opts.Accounts, slots: p.opts.Slots}
	im, fresh, err := openImage(p.path, g)
	if err != nil {
		return err
	}
	p.im = im
	if !fresh {
		if why := p.recover(state); why != nil {
			p.opts.Log.Error("budget pool is void: what was leased and not settled counts as spent until its window ends", "reason", why)
			if err := errors.Join(im.file.Close(), os.Remove(p.path)); err != nil {
				return fmt.Errorf("cannot remove void pool: %w", err)
			}
			if p.im, fresh, err = openImage(p.path, g); err != nil {
				return err
			}
		}
	}
	if fresh {
		if state.Seq > 0 {
			if err := p.bank.Forfeit(ctx); err != nil {
				return fmt.Errorf("cannot give up what was leased: %w", err)
			}
		}
		p.im.format(p.opts.boot, state.Generation, state.Seq)
	}
	p.index()
	if state.Fenced {
		p.fenced = true
		p.opts.Log.Error("this node spends nothing: it has been fenced, and what it had leased is others' now", "path", p.path)
		return nil
	}
	return p.returnAll(ctx)
}

// Close hands all unused leases back and closes the file. Reservations that
// are still open stay in it, as after a crash. It tolerates being called twice.
func (p *Pool) Close() error {
	p.banker.stop()
	p.mu.Lock()
	closed := p.closed
	p.draining = true
	p.mu.Unlock()
	if closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), bankTimeout)
	defer cancel()
	err := p.returnAll(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	close(p.round)
	if err == nil && len(p.byRow) == 0 && len(p.freeSlots) == p.im.slots {
		err = os.Remove(p.path) // it holds nothing that a reboot could void
	}
	err = errors.Join(err, p.im.file.Close())
	p.lock.Unlock()
	if err != nil {
		return fmt.Errorf("cannot close budget pool: %w", err)
	}
	return nil
}

// Stats returns the counters as they stand.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.BankDown, s.Fenced = p.bankDown, p.fenced
	if p.closed {
		return s
	}
	s.Open = p.im.slots - len(p.freeSlots)
	s.Accounts = p.im.words - len(p.freeWords)
	for _, a := range p.byRow {
		if a.unit == call.UnitUSD {
			s.Held += p.avail(a)
		}
	}
	return s
}
