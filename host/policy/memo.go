package policy

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	memoWays = 8       // entries that share a set, and so compete for its places
	memoSets = 2 << 10 // of a unit's memo: × ways = 16 Ki entries

	// memoShare is the part of a memo, an eighth, up to which an owner may take
	// the places of others; beyond, it makes room at its own expense. What is
	// empty or idle is free to all.
	memoShare = 8
)

// memo remembers values by key: bounded in entries and bytes, read without a
// lock and without allocating. It is a table of sets of eight places; each set
// evicts by second chance (CLOCK). Keys are compared in full, so a hash
// collision costs a place, never a wrong answer. An entry is found whoever asks,
// and belongs to whose request put it there.
type memo[V any] struct {
	seed     maphash.Seed
	sets     []memoSet[V]
	maxBytes int64

	mu      sync.Mutex // held by writers
	hand    int        // set that is robbed next when the bytes run out
	owners  map[string]*memoOwner[V]
	bytes   atomic.Int64
	entries atomic.Int64
}

type memoSet[V any] struct {
	places [memoWays]memoPlace[V]
	hand   int // guarded by memo.mu
}

type memoPlace[V any] struct{ atomic.Pointer[memoEntry[V]] }

type memoEntry[V any] struct {
	hash uint64
	key  []byte
	val  *V
	size int64
	seen atomic.Uint32 // epoch of the last reading << 1 | whether it was since the hand last passed

	// Guarded by memo.mu.
	place        *memoPlace[V]
	owner        *memoOwner[V]
	older, newer *memoEntry[V] // of the owner
}

// asker is whose request a memo is asked for, and when.
type asker struct {
	owner string
	epoch uint32
}

// epochOf numbers spans of 17 minutes.
func epochOf(t time.Time) uint32 { return uint32(t.Unix()>>10) & (1<<31 - 1) }

// idle reports that e was read neither in the epoch now nor in the one before.
func (e *memoEntry[V]) idle(now uint32) bool {
	age := (now - e.seen.Load()>>1) & (1<<31 - 1)
	return age > 1 && age < 1<<30 // more is a clock that was set back
}

// spare takes e's second chance; it reports whether there was one.
func (e *memoEntry[V]) spare() bool { return e.seen.And(^uint32(1))&1 == 1 }

func newMemo[V any](sets int, maxBytes int64) *memo[V] {
	return &memo[V]{seed: maphash.MakeSeed(), sets: make([]memoSet[V], sets), maxBytes: maxBytes, owners: map[string]*memoOwner[V]{}}
}

func (m *memo[V]) set(hash uint64) *memoSet[V] { return &m.sets[hash%uint64(len(m.sets))] }

func (m *memo[V]) get(key []byte, by asker) *V {
	hash := maphash.Bytes(m.seed, key)
	set := m.set(hash)
	for i := range set.places {
		e := set.places[i].Load()
		if e != nil && e.hash == hash && bytes.Equal(e.key, key) {
			if seen := by.epoch<<1 | 1; e.seen.Load() != seen {
				e.seen.Store(seen)
			}
			return e.val
		}
	}
	return nil
}

// put remembers val, which takes about size bytes. It copies key. What would
// take more than a sixteenth of the whole memo is not kept.
func (m *memo[V]) put(key []byte, val *V, size int64, by asker) {
	size += int64(len(key)) + int64(unsafe.Sizeof(memoEntry[V]{})+unsafe.Sizeof(memoOwner[V]{}))
	if size > m.maxBytes/16 {
		return
	}
	e := &memoEntry[V]{hash: maphash.Bytes(m.seed, key), key: bytes.Clone(key), val: val, size: size}
	e.seen.Store(by.epoch << 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.owner = m.owners[by.owner]; e.owner == nil {
		e.owner = &memoOwner[V]{name: by.owner}
	}
	e.place = m.set(e.hash).victim(e, by.epoch)
	m.remove(e.place.Load())
	for m.bytes.Load()+size > m.maxBytes {
		m.makeRoom(e, by.epoch)
	}
	m.add(e)
}

// victim picks the place for e: the one that holds the same key, an empty one,
// one that is idle, one of e's owner, or else the first that was not read since
// the hand last passed.
func (s *memoSet[V]) victim(e *memoEntry[V], now uint32) *memoPlace[V] {
	var empty, idle, own *memoPlace[V]
	for i := range s.places {
		switch old := s.places[i].Load(); {
		case old == nil:
			empty = &s.places[i]
		case old.hash == e.hash && bytes.Equal(old.key, e.key):
			return &s.places[i]
		case old.idle(now):
			idle = &s.places[i]
		case old.owner == e.owner && (own == nil || !old.spare()):
			own = &s.places[i]
		}
	}
	if free := cmp.Or(empty, idle, own); free != nil {
		return free
	}
	return s.sweep()
}

// sweep moves the hand to an entry that gets no second chance.
func (s *memoSet[V]) sweep() *memoPlace[V] {
	for {
		place := &s.places[s.hand]
		s.hand = (s.hand + 1) % memoWays
		if e := place.Load(); e != nil && !e.spare() {
			return place
		}
	}
}

// makeRoom frees the bytes of one entry: of anybody's while e's owner has less
// than its share, then of one that is idle if one is at hand, or else of its own.
func (m *memo[V]) makeRoom(e *memoEntry[V], now uint32) {
	switch {
	case e.owner.bytes+e.size <= m.maxBytes/memoShare:
		m.rob()
	case !m.robIdle(now):
		m.remove(e.owner.victim())
	}
}

// rob frees the bytes of one entry of the next set that has any.
func (m *memo[V]) rob() {
	for range m.sets {
		set := m.next()
		for i := range set.places {
			if set.places[i].Load() != nil {
				m.remove(set.sweep().Load())
				return
			}
		}
	}
}

// robIdle looks for idle entries in the next set alone: it is asked often.
func (m *memo[V]) robIdle(now uint32) (found bool) {
	set := m.next()
	for i := range set.places {
		if e := set.places[i].Load(); e != nil && e.idle(now) {
			m.remove(e)
			found = true
		}
	}
	return found
}

func (m *memo[V]) next() *memoSet[V] {
	set := &m.sets[m.hand]
	m.hand = (m.hand + 1) % len(m.sets)
	return set
}

func (m *memo[V]) add(e *memoEntry[V]) {
	e.place.Store(e)
	m.bytes.Add(e.size)
	m.entries.Add(1)
	m.owners[e.owner.name] = e.owner
	e.owner.push(e)
}

func (m *memo[V]) remove(e *memoEntry[V]) {
	if e == nil {
		return
	}
	e.place.Store(nil)
	m.bytes.Add(-e.size)
	m.entries.Add(-1)
	if e.owner.unlink(e); e.owner.newest == nil {
		delete(m.owners, e.owner.name)
	}
}
