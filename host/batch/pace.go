package batch

import (
	"context"
	"sync"
	"time"
)

// paces bounds how many requests run at once, for each provider: more while
// they are answered, half as many when it says that it is too much.
type paces struct {
	mu      sync.Mutex
	by      map[string]*pace     // by provider
	models  map[string]string    // who was last asked for a model
	resting map[string]time.Time // keys whose own limits are used up, until when
	most    int                  // requests at once
}

type pace struct {
	limit   float64
	running int
	rest    time.Time // nothing is sent before
	changed chan struct{}
}

// Bounds of a pace, and of what is waited for at most before it is tried again.
const (
	firstPace = 4
	maxRest   = time.Minute
	patience  = 5 * time.Second
	maxModels = 10_000
)

func (p *paces) of(provider string) *pace {
	if p.by == nil {
		p.by, p.models, p.resting = map[string]*pace{}, map[string]string{}, map[string]time.Time{}
	}
	c := p.by[provider]
	if c == nil {
		c = &pace{limit: firstPace, changed: make(chan struct{})}
		p.by[provider] = c
	}
	return c
}

// resting says that nothing can be sent for so long that it is not waited for.
type resting struct{ wait time.Duration }

// Error implements error.
func (r resting) Error() string { return "nothing can be sent for " + r.wait.String() }

// enter waits for its turn to ask for model on behalf of key, until ctx ends.
// It returns what to leave, or a resting error.
func (p *paces) enter(ctx context.Context, key, model string, most int) (*pace, error) {
	for {
		p.mu.Lock()
		p.most = most
		c := p.of(p.models[model])
		now := time.Now()
		until := c.rest
		if k := p.resting[key]; k.After(until) {
			until = k
		}
		if !until.After(now) && float64(c.running) < min(c.limit, float64(most)) {
			c.running++
			p.mu.Unlock()
			return c, nil
		}
		if long := until.Sub(now); long > patience {
			p.mu.Unlock()
			return nil, resting{long}
		}
		changed := c.changed
		p.mu.Unlock()
		wait := time.Second // limits may be configured anew
		if until.After(now) {
			wait = until.Sub(now)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// verdict is what a request says of the pace.
type verdict uint8

const (
	paceKept   verdict = iota // nothing
	paceFaster                // it was answered
	paceSlower                // the provider says that it is too much
	keyRests                  // the limits of the key are used up
)

// leave ends a turn; provider is who was asked.
func (p *paces) leave(c *pace, v verdict, model, key, provider string, rest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.running--
	if provider != "" {
		if len(p.models) >= maxModels {
			clear(p.models)
		}
		p.models[model] = provider
	}
	rest = min(max(rest, 0), maxRest)
	told := c
	if provider != "" {
		told = p.of(provider)
	}
	now := time.Now()
	switch v {
	case paceFaster:
		told.limit = min(float64(p.most), told.limit+2/told.limit)
	case paceSlower:
		if now.After(told.rest) { // once for all that ran together
			told.limit = max(1, told.limit/2)
		}
		if until := now.Add(max(rest, 100*time.Millisecond)); until.After(told.rest) {
			told.rest = until
		}
	case keyRests:
		p.resting[key] = now.Add(max(rest, 100*time.Millisecond))
		for k, until := range p.resting {
			if until.Before(now) {
				delete(p.resting, k)
			}
		}
	}
	for _, x := range []*pace{c, told} {
		close(x.changed)
		x.changed = make(chan struct{})
		if c == told {
			break
		}
	}
}
