package hint

import (
	"sync"
	"time"
)

// What is remembered of sessions: at most 65,536, for an hour after their last use.
const (
	shards = 16
	most   = 2048 // of a shard's generation; there are two
	life   = int64(time.Hour / time.Second)
)

// last is where a session was last.
type last struct {
	target  string
	session uint64
	at      int64 // Unix seconds
}

// table forgets by generations: when the young one is full it becomes the old
// one, in place of what was. What is used again becomes young again.
type table struct{ shards [shards]shard }

type shard struct {
	mu         sync.Mutex
	young, old map[uint64]last
}

func (t *table) init() {
	for i := range t.shards {
		t.shards[i].young, t.shards[i].old = map[uint64]last{}, map[uint64]last{}
	}
}

func (t *table) get(key uint64, now time.Time) (last, bool) {
	s := &t.shards[key%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.young[key]
	if !ok {
		v, ok = s.old[key]
	}
	return v, ok && v.at+life > now.Unix()
}

func (t *table) put(key uint64, v last) {
	s := &t.shards[key%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.young[key]; !there && len(s.young) >= most {
		clear(s.old)
		s.young, s.old = s.old, s.young
	}
	s.young[key] = v
}
