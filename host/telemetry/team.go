package telemetry

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// maxTeams bounds the teams that have series of their own: tokens of others may
// name any. The rest is counted as other.
const (
	maxTeams  = 256
	noTeam    = "none"
	otherTeam = "other"
)

// teams count by who asked.
type teams struct {
	requests, cost *prometheus.CounterVec
	known          atomic.Pointer[map[string]*team]
	grow           sync.Mutex // guards replacing known
}

// team is what requests of one team count in.
type team struct {
	name     string
	requests [wire.NumClasses]atomic.Pointer[counter]
	cost     prometheus.Counter
}

func (t *teams) count(r *call.Record) {
	name := r.Team
	if name == "" {
		name = noTeam
	}
	one := (*t.known.Load())[name]
	if one == nil {
		one = t.add(name)
	}
	c := one.requests[r.Class].Load()
	if c == nil {
		c = &counter{t.requests.WithLabelValues(one.name, outcome(r.Class))}
		one.requests[r.Class].Store(c) // a racing store holds the same counter
	}
	c.Inc()
	if r.Cost > 0 {
		one.cost.Add(float64(r.Cost) / 1e9)
	}
}

func (t *teams) add(name string) *team {
	t.grow.Lock()
	defer t.grow.Unlock()
	old := *t.known.Load()
	if len(old) >= maxTeams {
		name = otherTeam
	}
	name = strings.ToValidUTF8(name, "\uFFFD") // labels are text
	if one := old[name]; one != nil {
		return one
	}
	one := &team{name: name, cost: t.cost.WithLabelValues(name)}
	grown := make(map[string]*team, len(old)+1)
	for k, v := range old {
		grown[k] = v
	}
	grown[name] = one
	t.known.Store(&grown)
	return one
}
