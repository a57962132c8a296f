package host

import (
	"context"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/objective"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// providerHealth is one line of GET /admin/providers/health.
type providerHealth struct {
	Provider    string               `json:"provider"`
	Now         providerNow          `json:"now"`
	Adapter     *adapterNow          `json:"adapter,omitempty"`
	Credentials []admin.Credential   `json:"credentials"`
	Targets     []targetHealth       `json:"targets"`
	Minutes     []objective.Point    `json:"minutes"`
	Days        []objective.Point    `json:"days"`
	Objective   *objective.Standings `json:"objective,omitempty"`
}

// providerNow is how a provider fares at the moment.
type providerNow struct {
	Up       bool   `json:"up"`
	Awaiting bool   `json:"awaiting,omitempty"` // its first credential
	State    string `json:"state"`              // of its adapter
	InFlight int64  `json:"in_flight"`
	Benched  int    `json:"credentials_benched"`
	Breakers int    `json:"breakers_open"`
}

// adapterNow is the process that serves a provider, or a lease alone.
type adapterNow struct {
	provider.Stat
	Uptime float64 `json:"uptime_seconds"` // since it has the state that it has
	RSS    int64   `json:"rss_bytes"`      // 0: there is no process
	Lease  bool    `json:"lease"`          // the host asks the provider itself
}

// targetHealth is how a target fares and has fared.
type targetHealth struct {
	Target   string            `json:"target"`
	Breaker  string            `json:"breaker"`
	Opened   int64             `json:"breaker_opened"`
	Resting  time.Time         `json:"resting_until,omitzero"`
	InFlight int32             `json:"in_flight"`
	TTFT     float64           `json:"ttft_ms"`
	Errors   float64           `json:"error_rate"`
	Requests *admin.Quota      `json:"requests,omitempty"`
	Tokens   *admin.Quota      `json:"tokens,omitempty"`
	Minutes  []objective.Point `json:"minutes"`
}

// health implements admin.Health.
func (h *Host) health(ctx context.Context, q admin.HealthQuery) (any, error) {
	g, now := h.gen.Load(), time.Now()
	creds, err := h.ListCredentials(ctx)
	if err != nil {
		return nil, err
	}
	stats := h.supervisor.Stats()
	list := []providerHealth{}
	for _, name := range sortedNames(g.cfg.Providers) {
		if q.Provider != "" && q.Provider != name {
			continue
		}
		p := providerHealth{Provider: name, Credentials: []admin.Credential{}, Targets: []targetHealth{},
			Minutes: h.watch.Minutes(now, name, q.Minutes, q.Step), Days: h.watch.Days(now, name), Objective: h.watch.Standings(now, name)}
		for _, t := range g.targetsOf(name) {
			p.addTarget(t, h.watch.Minutes(now, t.Name, q.Minutes, q.Step), now)
		}
		for _, c := range creds {
			if c.Provider == name {
				p.Credentials = append(p.Credentials, c)
				if c.State == "refused" {
					p.Now.Benched++
				}
			}
		}
		p.addAdapter(stats, g.providers.Provider(name), now)
		list = append(list, p)
	}
	if len(list) == 0 && q.Provider != "" {
		return nil, wire.Errorf(http.StatusNotFound, "not_found", "there is no provider %q", q.Provider)
	}
	return map[string]any{"node": h.store.Node().Name, "providers": list}, nil
}

// targetsOf are the targets of a provider that models of the configuration or
// callers have named, by name.
func (g *generation) targetsOf(name string) []*call.Target {
	found := map[string]*call.Target{}
	add := func(m *call.Model) {
		for _, t := range m.Targets {
			if t.Provider.Name == name {
				found[t.Name] = t
			}
		}
	}
	for _, m := range g.models {
		add(m)
	}
	g.direct.Range(func(_, m any) bool {
		add(m.(*call.Model))
		return true
	})
	out := slices.Collect(maps.Values(found))
	slices.SortFunc(out, func(a, b *call.Target) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (p *providerHealth) addTarget(t *call.Target, minutes []objective.Point, now time.Time) {
	ms := now.UnixMilli()
	row := targetHealth{Target: t.Name, Breaker: t.Circuit(ms).String(), Opened: t.State.Opened(), InFlight: t.State.InFlight.Load(),
		TTFT: t.State.TTFT(), Errors: t.State.ErrorRate(), Minutes: minutes}
	if rest := t.Resting(ms); rest > 0 {
		row.Resting = now.Add(time.Duration(rest) * time.Millisecond).UTC()
	}
	requests, tokens := t.Left(ms)
	row.Requests, row.Tokens = quotaRow(requests, 0, requests >= 0), quotaRow(tokens, 0, tokens >= 0)
	if row.Breaker != call.CircuitClosed.String() {
		p.Now.Breakers++
	}
	p.Targets = append(p.Targets, row)
	p.Now.InFlight += int64(row.InFlight)
}

// addAdapter adds the process in use; one that drains is on its way out.
func (p *providerHealth) addAdapter(stats []provider.Stat, live *call.Provider, now time.Time) {
	p.Now.Up, p.Now.Awaiting = live.Up() && !live.Down(), live.Awaiting
	for _, s := range stats {
		if s.Provider != p.Provider || s.State == provider.Draining || s.State == provider.Stopped {
			continue
		}
		a := &adapterNow{Stat: s, Uptime: now.Sub(s.Since).Seconds(), RSS: residentOf(s.PID)}
		a.Lease = slices.ContainsFunc(s.Endpoints, func(e string) bool { return strings.Contains(e, " direct ") })
		p.Adapter, p.Now.State = a, string(s.State)
		return
	}
}

// residentOf is the memory of a process in bytes, 0 where it is not known.
func residentOf(pid int) int64 {
	if pid <= 0 {
		return 0
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0 // it has just ended
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
