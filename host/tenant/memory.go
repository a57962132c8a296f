package tenant

import (
	"sync"
	"time"
)

// What is known of whose an object is spares most requests the store, and
// serves on for a while where that is slow or gone. It is kept short, because
// another gateway may learn that the provider has given an id anew. That an
// object is not somebody's is not kept: another gateway may just make it theirs.
const (
	remembers  = 10 * time.Second
	remembered = 8192 // objects, at most
)

// memory holds the owners of objects that were asked for last. The zero memory
// is empty.
type memory struct {
	mu         sync.Mutex
	young, old map[thing]holder // young becomes old when it is half of what may be held
}

// thing is an object at a provider.
type thing struct{ provider, id string }

type holder struct {
	tenant string
	until  time.Time
}

// has reports whether an object is known to be o's.
func (m *memory) has(o Owner, id string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := thing{o.Provider, id}
	h, ok := m.young[t]
	if !ok {
		h = m.old[t]
	}
	return h.tenant == o.Tenant && now.Before(h.until)
}

func (m *memory) put(o Owner, id string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.young == nil || len(m.young) >= remembered/2 {
		m.young, m.old = map[thing]holder{}, m.young
	}
	m.young[thing{o.Provider, id}] = holder{o.Tenant, now.Add(remembers)}
}

func (m *memory) drop(provider, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, thing{provider, id})
	delete(m.old, thing{provider, id})
}
