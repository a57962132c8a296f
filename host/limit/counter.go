package limit

import (
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
)

// counter is what one scope has taken of one kind of window, or the requests of
// it that run. It is the same for whoever limits it, and to whatever number.
type counter struct {
	key  string // what it is called where nodes share it
	unit call.Unit

	mu      sync.Mutex // of several, those with lesser keys are locked first
	dead    bool       // it counted nothing and was forgotten: another has its key
	window  window     // of requests and tokens
	running int64      // of requests that run at once
	share   share
}

// fits reports whether n more fit below limit.
func (c *counter) fits(n, limit int64) bool {
	if c.unit == call.UnitConcurrent {
		return c.running < limit
	}
	return c.window.sum+n <= limit
}

// idle reports whether c counts nothing that anyone would miss.
func (c *counter) idle(now int64) bool {
	if c.unit != call.UnitConcurrent {
		c.window.turn(now)
	}
	return c.window.sum == 0 && c.running == 0 && c.share.idle()
}

// take counts a request of n tokens in and returns the cell that it is in.
func (c *counter) take(n int64) (cell int64) {
	if c.unit == call.UnitConcurrent {
		c.running++
		return 0
	}
	c.window.add(c.window.last, n)
	return c.window.last
}

// forgetful is the number of counters from which on those that count nothing
// are looked for.
const forgetful = 4096

// counters are all that are in use.
type counters struct {
	mu   sync.Mutex
	m    map[string]*counter
	most int // before the next look
}

// of returns the counter called key, made by fresh if there is none.
func (t *counters) of(key string, now int64, fresh func() *counter) *counter {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.m[key]
	if c != nil {
		return c
	}
	if t.m == nil {
		t.m, t.most = map[string]*counter{}, forgetful
	}
	if len(t.m) >= t.most {
		t.forget(now)
	}
	c = fresh()
	t.m[key] = c
	return c
}

// forget lets go of what counts nothing. One that is locked is in use.
func (t *counters) forget(now int64) {
	for key, c := range t.m {
		if !c.mu.TryLock() {
			continue
		}
		if c.idle(now) {
			c.dead = true
			delete(t.m, key)
		}
		c.mu.Unlock()
	}
	t.most = max(forgetful, 2*len(t.m))
}
