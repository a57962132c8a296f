package host

import (
	"sync"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
)

// chains remembers the counters that a principal's and a decision's limits come
// to. Both are immutable and shared between requests, so their addresses name
// them; the table is dropped when it has grown, as stale ones pile up.
type chains struct {
	mu sync.RWMutex
	m  map[chainKey]*budget.Chain
}

type chainKey struct {
	principal *call.Principal
	limits    *call.Limit // first of the decision's, nil if it has none
}

const maxChains = 16 << 10

func (t *chains) of(pool *budget.Pool, p *call.Principal, d *call.Decision) (*budget.Chain, error) {
	key := chainKey{principal: p}
	if len(d.Limits) > 0 {
		key.limits = &d.Limits[0]
	}
	t.mu.RLock()
	ch := t.m[key]
	t.mu.RUnlock()
	if ch != nil {
		return ch, nil
	}
	limits := append(append([]call.Limit(nil), p.Budgets...), d.Limits...)
	ch, err := pool.Chain(limits)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil || len(t.m) >= maxChains {
		t.m = map[chainKey]*budget.Chain{}
	}
	t.m[key] = ch
	return ch, nil
}
