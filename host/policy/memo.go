package policy

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	memoWays = 8       // entries that share a set, and so compete for its places
	memoSets = 2 << 10 // of a unit's memo: × ways = 16 Ki entries
)

// memo remembers values by key: bounded in entries and bytes, read without a
// lock and without allocating. It is a table of sets of eight places; each set
// evicts by second chance (CLOCK). Keys are compared in full, so a hash
// collision costs a place, never a wrong answer.
type memo[V any] struct {
	seed     maphash.Seed
	sets     []memoSet[V]
	maxBytes int64

	mu      sync.Mutex // held by writers
	hand    int        // set that is robbed next when the bytes run out
	bytes   atomic.Int64
	entries atomic.Int64
}

type memoSet[V any] struct {
	places [memoWays]atomic.Pointer[memoEntry[V]]
	hand   int // guarded by memo.mu
}

type memoEntry[V any] struct {
	hash uint64
	key  []byte
	val  *V
	size int64
	used atomic.Bool // read since the hand last passed
}

func newMemo[V any](sets int, maxBytes int64) *memo[V] {
	return &memo[V]{seed: maphash.MakeSeed(), sets: make([]memoSet[V], sets), maxBytes: maxBytes}
}

func (m *memo[V]) set(hash uint64) *memoSet[V] { return &m.sets[hash%uint64(len(m.sets))] }

func (m *memo[V]) get(key []byte) *V {
	hash := maphash.Bytes(m.seed, key)
	set := m.set(hash)
	for i := range set.places {
		e := set.places[i].Load()
		if e != nil && e.hash == hash && bytes.Equal(e.key, key) {
			if !e.used.Load() {
				e.used.Store(true)
			}
			return e.val
		}
	}
	return nil
}

// put remembers val, which takes about size bytes. It copies key. What would
// take more than a sixteenth of the whole memo is not kept.
func (m *memo[V]) put(key []byte, val *V, size int64) {
	size += int64(len(key)) + int64(unsafe.Sizeof(memoEntry[V]{}))
	if size > m.maxBytes/16 {
		return
	}
	e := &memoEntry[V]{hash: maphash.Bytes(m.seed, key), key: bytes.Clone(key), val: val, size: size}
	m.mu.Lock()
	defer m.mu.Unlock()
	set := m.set(e.hash)
	place := set.victim(e)
	m.replace(place, nil)
	for m.bytes.Load()+size > m.maxBytes {
		m.rob()
	}
	m.replace(place, e)
}

// victim picks the place for e: the one that holds the same key, an empty one,
// or the first that was not read since the hand last passed.
func (s *memoSet[V]) victim(e *memoEntry[V]) *atomic.Pointer[memoEntry[V]] {
	var empty *atomic.Pointer[memoEntry[V]]
	for i := range s.places {
		old := s.places[i].Load()
		if old == nil {
			empty = &s.places[i]
		} else if old.hash == e.hash && bytes.Equal(old.key, e.key) {
			return &s.places[i]
		}
	}
	if empty != nil {
		return empty
	}
	return s.sweep()
}

// sweep moves the hand to an entry that gets no second chance.
func (s *memoSet[V]) sweep() *atomic.Pointer[memoEntry[V]] {
	for {
		place := &s.places[s.hand]
		s.hand = (s.hand + 1) % memoWays
		if e := place.Load(); e != nil && !e.used.Swap(false) {
			return place
		}
	}
}

// rob frees the bytes of one entry of the next set that has any.
func (m *memo[V]) rob() {
	for range m.sets {
		set := &m.sets[m.hand]
		m.hand = (m.hand + 1) % len(m.sets)
		for i := range set.places {
			if set.places[i].Load() != nil {
				m.replace(set.sweep(), nil)
				return
			}
		}
	}
}

func (m *memo[V]) replace(place *atomic.Pointer[memoEntry[V]], e *memoEntry[V]) {
	if old := place.Swap(e); old != nil {
		m.bytes.Add(-old.size)
		m.entries.Add(-1)
	}
	if e != nil {
		m.bytes.Add(e.size)
		m.entries.Add(1)
	}
}
