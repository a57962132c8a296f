package cache

import (
	"fmt"
	"sync"
	"testing"
)

func entry(tenant string, n int, size int) *Entry {
	k := Key{1: byte(n), 2: byte(n >> 8)}
	for i := range min(len(tenant), 8) {
		k[3+i] = tenant[i]
	}
	return &Entry{Key: k, Tenant: tenant, Model: "fast", Closing: -1, Body: make([]byte, size), Made: 1, Expires: 1000}
}

func TestMemoryExpires(t *testing.T) {
	m := newMemory(1<<20, 1<<10)
	e := entry("us", 1, 10)
	m.put(e)
	f := func(nowMS, ageMS int64, want *Entry) {
		t.Helper()
		if got := m.get(&e.Key, nowMS, ageMS); got != want {
			t.Errorf("at %d, of %d at most: got %v; want %v", nowMS, ageMS, got, want)
		}
	}
	f(500, 0, e)
	f(500, 499, e)
	f(500, 498, nil)
	f(999, 0, e)
	f(1000, 0, nil)
	if n, bytes, _ := m.size(); n != 0 || bytes != 0 {
		t.Errorf("%d entries of %d bytes are left", n, bytes)
	}
}

// TestNobodyIsPushedOut: a tenant that floods the memory loses its own entries,
// those used longest ago first; others keep what is less than an equal share.
func TestNobodyIsPushedOut(t *testing.T) {
	const size = 1000
	m := newMemory(100*(size+overhead+10), 100*size) // too small for parts
	if len(m.shards) != 1 {
		t.Fatalf("%d parts", len(m.shards))
	}
	for i := range 20 {
		m.put(entry("small", i, size))
	}
	used := entry("flood", 0, size)
	m.put(used)
	for i := 1; i < 1000; i++ {
		m.put(entry("flood", i, size))
		if m.get(&used.Key, 2, 0) == nil {
			t.Fatalf("what was used last is gone after %d", i)
		}
	}
	for i := range 20 {
		if e := entry("small", i, size); m.get(&e.Key, 2, 0) == nil {
			t.Errorf("entry %d of the small tenant is gone", i)
		}
	}
	n, bytes, evicted := m.size()
	if limit := m.shards[0].limit; bytes > limit || bytes < limit-2*(size+overhead) || evicted != 1020-n {
		t.Errorf("%d entries of %d bytes of %d, %d evicted", n, bytes, limit, evicted)
	}
	if gone := m.purge(func(e *Entry) bool { return e.Tenant == "flood" }); gone != n-20 {
		t.Errorf("%d were purged of %d", gone, n)
	}
}

func TestMemoryAtOnce(t *testing.T) {
	m := newMemory(256<<10, 1<<10)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 3000 {
				e := entry(fmt.Sprint("t", i%7), i%600, i%900)
				e.Key[0] = byte(i)
				m.put(e)
				if got := m.get(&e.Key, 2, 0); got != nil && got.Tenant != e.Tenant {
					t.Errorf("%s got what is %s's", e.Tenant, got.Tenant)
				}
				if i%500 == w {
					m.purge(func(e *Entry) bool { return e.Tenant == "t3" })
				}
			}
		})
	}
	wg.Wait()
	m.purge(func(*Entry) bool { return true })
	if n, bytes, _ := m.size(); n != 0 || bytes != 0 {
		t.Errorf("%d entries of %d bytes are left", n, bytes)
	}
}
