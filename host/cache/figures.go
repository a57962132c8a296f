package cache

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
)

// maxRows bounds the tenants and models that figures are kept of apart.
const maxRows = 4096

// figures count what has come of lookups.
type figures struct {
	stored, learnt, large, dropped, failed, late atomic.Int64
	mu                                           sync.RWMutex
	rows                                         map[who]*Row
}

type who struct{ tenant, model string }

// Row is what a tenant has had of the cache for a model.
type Row struct {
	Tenant, Model    string
	Exact, Semantic  atomic.Int64 // hits
	Misses, Bypassed atomic.Int64
	Saved            atomic.Int64 // nano-dollars
}

// Count counts a lookup that came to as, and what that has saved.
func (r *Row) Count(as call.Cached, saved int64) {
	switch as {
	case call.CacheExact:
		r.Exact.Add(1)
	case call.CacheSemantic:
		r.Semantic.Add(1)
	default:
		r.Misses.Add(1)
	}
	r.Saved.Add(saved)
}

// Row is the one of a tenant and model; beyond many it is one for all others.
func (c *Cache) Row(tenant, model string) *Row {
	f, w := &c.figures, who{tenant, model}
	f.mu.RLock()
	r := f.rows[w]
	f.mu.RUnlock()
	if r != nil {
		return r
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rows) >= maxRows {
		w = who{"", ""}
	}
	if r = f.rows[w]; r == nil {
		r = &Row{Tenant: w.tenant, Model: w.model}
		f.rows[w] = r
	}
	return r
}

// Stats is what has come of the cache since the start.
type Stats struct {
	Entries, Bytes, Limit, Evicted int64 // of the memory
	Stored, Learnt                 int64
	Large                          int64 // and so not stored
	Dropped                        int64 // by a tier that could not keep up
	Failed                         int64 // by a tier that failed
	Late                           int64 // embeddings that were not there in time
	Rows                           []RowStats
}

// RowStats is Row at one moment.
type RowStats struct {
	Tenant, Model                     string
	Exact, Semantic, Misses, Bypassed int64
	Saved                             int64 // nano-dollars
}

// Stats returns the figures as they stand.
func (c *Cache) Stats() (s Stats) {
	s.Entries, s.Bytes, s.Evicted = c.memory.size()
	f := &c.figures
	s.Limit = c.opt.Memory
	s.Stored, s.Learnt, s.Large, s.Dropped, s.Failed = f.stored.Load(), f.learnt.Load(), f.large.Load(), f.dropped.Load(), f.failed.Load()
	s.Late = f.late.Load()
	f.mu.RLock()
	defer f.mu.RUnlock()
	s.Rows = make([]RowStats, 0, len(f.rows))
	for _, r := range f.rows {
		s.Rows = append(s.Rows, RowStats{Tenant: r.Tenant, Model: r.Model, Exact: r.Exact.Load(), Semantic: r.Semantic.Load(),
			Misses: r.Misses.Load(), Bypassed: r.Bypassed.Load(), Saved: r.Saved.Load()})
	}
	slices.SortFunc(s.Rows, func(a, b RowStats) int { return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Model, b.Model)) })
	return s
}

// Late counts an embedding that was not there in time.
func (c *Cache) Late() { c.figures.late.Add(1) }

// Dropped counts an answer that could not be kept fast enough.
func (c *Cache) Dropped() { c.figures.dropped.Add(1) }
