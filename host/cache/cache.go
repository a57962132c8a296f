// Package cache keeps the answers of requests for others that are the same, or
// that mean the same. What tells requests apart is all of them: whose they are,
// every parameter, the configuration of the model, the revisions of policy and
// filters. Answers lie in memory, and beyond it in a file or in a Redis; there
// they are sealed, and keys tell nothing of what was asked.
package cache

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Tier is where entries lie beyond the memory. It may lose them.
type Tier interface {
	// Get returns what is kept under a key, nil: nothing is.
	Get(ctx context.Context, k Key) ([]byte, error)
	// Put keeps an entry, which sealed is, until it expires.
	Put(ctx context.Context, e *Entry, sealed []byte) error
	// Purge forgets what matches, and returns how many entries that were.
	Purge(ctx context.Context, m call.Purge) (int64, error)
}

// matches reports whether a purge is meant for e.
func matches(m *call.Purge, e *Entry) bool {
	return (m.Tenant == "" || m.Tenant == e.Tenant) && (m.Model == "" || m.Model == e.Model) &&
		(m.Key == "" || m.Key == e.Key.String()) && (m.Before == 0 || e.Made <= m.Before)
}

// Options of a Cache.
type Options struct {
	Memory   int64    // bytes
	MaxEntry int64    // bytes of the largest answer that is kept
	Tier     Tier     // nil: there is none
	Meanings Meanings // nil: there are none
	Secret   []byte
	Log      *slog.Logger
}

// SecretLen is the length of Options.Secret: half of it makes keys, half seals.
const SecretLen = 64

// Cache keeps answers. It is safe for concurrent use.
type Cache struct {
	*Keyer
	opt     Options
	memory  *memory
	sealer  *Sealer
	puts    chan *Entry
	waiting atomic.Int64 // bytes
	stop    context.CancelFunc
	done    sync.WaitGroup
	void    atomic.Pointer[[]call.Purge]
	veil    veil
	figures figures
}

const (
	// putQueue is how many entries may wait for the tier; more are not kept there.
	putQueue = 256
	// maxWaiting bounds what waits to be carried beyond the memory, in bytes, one
	// entry aside.
	maxWaiting = 32 << 20
	// putTime bounds what the tier may take for one.
	putTime = 2 * time.Second
)

// New returns a cache. Close ends it.
func New(opt Options) (*Cache, error) {
	if len(opt.Secret) != SecretLen {
		return nil, fmt.Errorf("cannot open the cache: its secret has %d bytes; want %d", len(opt.Secret), SecretLen)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	sealer, err := NewSealer(opt.Secret[SecretLen/2:])
	if err != nil {
		return nil, fmt.Errorf("cannot open the cache: %w", err)
	}
	c := &Cache{Keyer: NewKeyer(opt.Secret[:SecretLen/2]), opt: opt, sealer: sealer, memory: newMemory(opt.Memory, opt.MaxEntry), veil: newVeil(opt.Secret)}
	c.figures.rows = map[who]*Row{}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	if opt.Tier != nil {
		c.puts = make(chan *Entry, putQueue)
		c.done.Go(func() { c.keep(ctx) })
	}
	return c, nil
}

// Close ends what New began, and waits for it.
func (c *Cache) Close() {
	c.stop()
	c.done.Wait()
}

// keep carries entries to the tier, beside the requests.
func (c *Cache) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-c.puts:
			c.carry(ctx, e)
			c.Left(e)
		}
	}
}

func (c *Cache) carry(ctx context.Context, e *Entry) {
	if c.voided(e) {
		return
	}
	within, cancel := context.WithTimeout(ctx, putTime)
	defer cancel()
	if err := c.opt.Tier.Put(within, e, c.sealer.Seal(e)); err != nil && ctx.Err() == nil {
		c.figures.failed.Add(1)
		c.opt.Log.Debug("cannot keep an answer", "err", err)
	}
}

// Waits takes an entry in among those that wait to be carried beyond the memory,
// until Left; false: they are too much already.
func (c *Cache) Waits(e *Entry) bool {
	size := e.Size()
	if before := c.waiting.Add(size) - size; before > maxWaiting {
		c.Left(e)
		return false
	}
	return true
}

// Left ends what Waits began.
func (c *Cache) Left(e *Entry) { c.waiting.Add(-e.Size()) }

// Get returns the answer kept under a key, nil: none is that is fresh. age is
// how old it may be, 0: as old as it is kept.
func (c *Cache) Get(ctx context.Context, k *Key, now time.Time, age time.Duration) *Entry {
	nowMS, ageMS := now.UnixMilli(), age.Milliseconds()
	if e := c.memory.get(k, nowMS, ageMS); e != nil || c.opt.Tier == nil {
		return e
	}
	sealed, err := c.opt.Tier.Get(ctx, *k)
	if err != nil {
		c.figures.failed.Add(1)
		return nil
	}
	if sealed == nil {
		return nil
	}
	e, err := c.sealer.Open(*k, sealed)
	if err != nil {
		c.figures.failed.Add(1)
		c.opt.Log.Warn("a kept answer cannot be read", "key", k.String(), "err", err)
		return nil
	}
	if !e.fresh(nowMS, ageMS) || c.voided(e) {
		return nil
	}
	c.memory.put(e)
	return e
}

// Put keeps an answer. Those that are too large it does not.
func (c *Cache) Put(e *Entry) {
	if int64(len(e.Body)) > c.opt.MaxEntry {
		c.figures.large.Add(1)
		return
	}
	c.memory.put(e)
	c.figures.stored.Add(1)
	if c.puts == nil {
		return
	}
	if !c.Waits(e) {
		c.figures.dropped.Add(1)
		return
	}
	select {
	case c.puts <- e:
	default:
		c.Left(e)
		c.figures.dropped.Add(1)
	}
}

// Purge forgets what matches, here and in the tier, and returns how many
// entries that were, those that lay in both places once.
func (c *Cache) Purge(ctx context.Context, m call.Purge) (n int64, err error) {
	n = c.memory.purge(func(e *Entry) bool { return matches(&m, e) })
	var beyond, meant int64
	if c.opt.Tier != nil {
		beyond, err = c.opt.Tier.Purge(ctx, m)
	}
	if c.opt.Meanings != nil && err == nil {
		meant, err = c.opt.Meanings.PurgeMeanings(ctx, m)
	}
	return max(n, beyond) + meant, err
}

// Void takes in which purges there have been, here or at another gateway: what
// they are meant for is no answer any more, wherever it lies.
func (c *Cache) Void(list []call.Purge) {
	c.void.Store(&list)
	c.memory.purge(c.voided)
}

func (c *Cache) voided(e *Entry) bool {
	list := c.void.Load()
	return list != nil && slices.ContainsFunc(*list, func(m call.Purge) bool { return matches(&m, e) })
}

// MaxEntry is the size of the largest answer that is kept.
func (c *Cache) MaxEntry() int64 { return c.opt.MaxEntry }

// Beyond reports whether there is anything beyond the memory.
func (c *Cache) Beyond() bool { return c.opt.Tier != nil }

// Within is ctx with an end, where there is a tier that could be waited for.
func (c *Cache) Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if c.opt.Tier == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// Learn keeps an answer under what was meant by its request. It may take as long
// as the database does.
func (c *Cache) Learn(ctx context.Context, part Key, vector []float32, e *Entry) {
	if int64(len(e.Body)) > c.opt.MaxEntry {
		c.figures.large.Add(1)
		return
	}
	v := c.veil.over(vector)
	if v == nil {
		return
	}
	err := c.opt.Meanings.Learn(ctx, &call.Meaning{Part: part, Key: e.Key, Tenant: e.Tenant, Model: e.Model, Made: e.Made, Expires: e.Expires,
		Vector: v, Sealed: c.sealer.Seal(e)})
	if err != nil {
		c.figures.failed.Add(1)
		c.opt.Log.Debug("cannot keep what an answer means", "err", err)
		return
	}
	c.figures.learnt.Add(1)
}

// Near returns the answer to the request of a part that is nearest in meaning,
// and how near it is, 1 at most; nil: none is as near as threshold.
func (c *Cache) Near(ctx context.Context, part Key, vector []float32, threshold float64, now time.Time, age time.Duration) (*Entry, float64) {
	v := c.veil.over(vector)
	if v == nil {
		return nil, 0
	}
	near, err := c.opt.Meanings.Near(ctx, part, v, now.UnixMilli())
	if err != nil {
		c.figures.failed.Add(1)
		return nil, 0
	}
	likeness := 1 - near.Distance
	if near.Sealed == nil || !(likeness >= threshold) {
		return nil, likeness
	}
	e, err := c.sealer.Open(near.Key, near.Sealed)
	if err != nil || !e.fresh(now.UnixMilli(), age.Milliseconds()) || c.voided(e) {
		return nil, likeness
	}
	return e, likeness
}
