package cache

import (
	"container/heap"
	"sync"
)

// maxShards is how many parts the memory has at most, each with a lock of its own.
const maxShards = 16

// memory keeps entries within a number of bytes. Where it is full, the tenant
// that has most loses what it used longest ago: nobody is pushed out by others
// as long as they keep less than an equal share.
type memory struct {
	shards []shard
}

// newMemory returns a memory of so many bytes, each part of which holds some of
// the largest entries.
func newMemory(bytes, largest int64) *memory {
	n := maxShards
	for n > 1 && bytes/int64(n) < 4*(largest+overhead) {
		n /= 2
	}
	m := &memory{shards: make([]shard, n)}
	for i := range m.shards {
		m.shards[i] = shard{limit: bytes / int64(n), entries: map[Key]*node{}, tenants: map[string]*holder{}}
	}
	return m
}

func (m *memory) of(k *Key) *shard { return &m.shards[int(k[0])%len(m.shards)] }

// node is an entry in its tenant's list, from the one used last to the one used
// longest ago.
type node struct {
	*Entry
	size       int64
	prev, next *node
	holder     *holder
}

// holder is a tenant with what it keeps in a shard.
type holder struct {
	tenant string
	list   node // its ends: next is the youngest, prev the oldest
	bytes  int64
	at     int // in the heap
}

type shard struct {
	mu      sync.Mutex
	limit   int64
	bytes   int64
	entries map[Key]*node
	tenants map[string]*holder
	most    holders
	evicted int64
}

// holders is a heap with the tenant on top that has most.
type holders []*holder

func (h holders) Len() int           { return len(h) }
func (h holders) Less(i, j int) bool { return h[i].bytes > h[j].bytes }
func (h holders) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].at, h[j].at = i, j }
func (h *holders) Push(x any)        { x.(*holder).at = len(*h); *h = append(*h, x.(*holder)) }
func (h *holders) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}

func (n *node) unlink() { n.prev.next, n.next.prev = n.next, n.prev }

// link makes n the youngest of its holder.
func (n *node) link() {
	end := &n.holder.list
	n.prev, n.next = end, end.next
	end.next.prev, end.next = n, n
}

// get returns what is kept under a key, nil: nothing is that is fresh.
func (m *memory) get(k *Key, nowMS, ageMS int64) *Entry {
	s := m.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.entries[*k]
	if n == nil || !n.fresh(nowMS, ageMS) {
		if n != nil && nowMS >= n.Expires {
			s.drop(n)
		}
		return nil
	}
	n.unlink()
	n.link()
	return n.Entry
}

// put keeps e in the place of what was there.
func (m *memory) put(e *Entry) {
	s, size := m.of(&e.Key), e.Size()
	if size > s.limit {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.entries[e.Key]; old != nil {
		s.drop(old)
	}
	for s.bytes+size > s.limit {
		s.drop(s.most[0].list.prev)
		s.evicted++
	}
	h := s.tenants[e.Tenant]
	if h == nil {
		h = &holder{tenant: e.Tenant}
		h.list.prev, h.list.next = &h.list, &h.list
		s.tenants[e.Tenant] = h
		heap.Push(&s.most, h)
	}
	n := &node{Entry: e, size: size, holder: h}
	n.link()
	s.entries[e.Key] = n
	s.bytes += size
	h.bytes += size
	heap.Fix(&s.most, h.at)
}

// drop forgets n; the shard is locked.
func (s *shard) drop(n *node) {
	n.unlink()
	delete(s.entries, n.Key)
	s.bytes -= n.size
	h := n.holder
	if h.bytes -= n.size; h.list.next != &h.list {
		heap.Fix(&s.most, h.at)
		return
	}
	heap.Remove(&s.most, h.at)
	delete(s.tenants, h.tenant)
}

// purge forgets the entries that match, and returns how many those were.
func (m *memory) purge(match func(*Entry) bool) (n int64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for _, e := range s.entries {
			if match(e.Entry) {
				s.drop(e)
				n++
			}
		}
		s.mu.Unlock()
	}
	return n
}

// size tells how much is kept, and how much had to go for want of room.
func (m *memory) size() (entries, bytes, evicted int64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		entries, bytes, evicted = entries+int64(len(s.entries)), bytes+s.bytes, evicted+s.evicted
		s.mu.Unlock()
	}
	return entries, bytes, evicted
}
