package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Counters say where the counters of rates are kept that several gateways share.
type Counters struct {
	URL     Secret        `koanf:"url"`     // redis://…, "": each gateway counts by itself
	Timeout time.Duration `koanf:"timeout"` // that a request waits for it at most
	// Mode is "leased", where each gateway takes parts of a rate ahead, or
	// "exact", where Redis is asked for each request.
	Mode string `koanf:"mode"`
	// Nodes is by how many a limit is divided while Redis is gone, 0: as many as were seen last.
	Nodes int `koanf:"nodes"`
}

// Limit is a limit as call.Limit has it in JSON.
type Limit call.Limit

var limitNames = []string{"scope", "usd", "tokens", "requests", "concurrent", "window", "per", "on_exceed"}

func (l *Limit) read(v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return errors.New("not a limit: write {scope: team/core, requests: 60, per: minute}")
	}
	for name := range m {
		if !contains(limitNames, name) {
			return unknownKey(name, limitNames)
		}
	}
	if usd, ok := m["usd"]; ok { // exactly, whatever YAML has made of it
		var n USD
		if err := n.read(usd); err != nil {
			return fmt.Errorf("usd: %w", err)
		}
		m = cloned(m)
		m["usd"] = n.String()
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("not a limit: %w", err)
	}
	return json.Unmarshal(b, (*call.Limit)(l))
}

func cloned(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// Held are the limits of the configuration that are not a key's own.
func (c *Config) Held() (out []call.Limit) {
	for _, l := range slices.Concat(c.Budgets, c.Rates) {
		out = append(out, call.Limit(l))
	}
	return out
}

const (
	maxNodes = 1024 // more than share a store
	maxHeld  = 8    // limits of a scope
)

func (c *Config) checkCounters(p *problems) {
	n := c.Counters
	if url := n.URL.Reveal(); url != "" {
		if scheme, rest, _ := strings.Cut(url, "://"); rest == "" || !contains([]string{"redis", "rediss", "unix"}, scheme) {
			p.addf("counters.url", "is not that of a Redis: write it as redis://host:6379, rediss://… for TLS, or unix:///path")
		}
	}
	if n.Timeout < time.Millisecond || n.Timeout > 5*time.Second {
		p.addf("counters.timeout", "is %s: give 1ms to 5s", n.Timeout)
	}
	checkOneOf(p, "counters.mode", n.Mode, "leased", "exact")
	if n.Nodes < 0 || n.Nodes > maxNodes {
		p.addf("counters.nodes", "is %d: give 1 to %d, or 0 for as many as were seen last", n.Nodes, maxNodes)
	}
	c.checkHeld(p, "budgets", c.Budgets, false)
	c.checkHeld(p, "rates", c.Rates, true)
	for i, k := range c.Keys {
		checkOwn(p, fmt.Sprintf("keys[%d].budgets", i), k.Budgets, false)
		checkOwn(p, fmt.Sprintf("keys[%d].rates", i), k.Rates, true)
	}
}

// checkOwn checks the limits that stand with a key.
func checkOwn(p *problems, path string, limits []Limit, rate bool) {
	if len(limits) > maxHeld {
		p.addf(path, "has %d entries: give at most %d, merge or drop some", len(limits), maxHeld)
	}
	for i, l := range limits {
		at := fmt.Sprintf("%s[%d]", path, i)
		checkRate(p, at, l, rate)
		if l.Scope != "" {
			p.addf(at+".scope", "is %q: a key's own limits have none; those of others stand under budgets and rates", l.Scope)
		}
	}
}

func (c *Config) checkHeld(p *problems, name string, limits []Limit, rate bool) {
	seen := map[string]int{}
	for i, l := range limits {
		at := fmt.Sprintf("%s[%d]", name, i)
		if seen[l.Scope]++; seen[l.Scope] == maxHeld+1 {
			p.addf(at, "%q has more than %d %s: merge or drop some", l.Scope, maxHeld, name)
		}
		checkRate(p, at, l, rate)
		kind, rest, _ := strings.Cut(l.Scope, "/")
		if !contains(call.ScopeKinds, kind) {
			p.addf(at+".scope", "%q is not kind/name%s: kinds are %s", l.Scope, didYouMean(kind, call.ScopeKinds), strings.Join(call.ScopeKinds, ", "))
		} else if rest == "" {
			p.addf(at+".scope", "%q names no %s: write %s/name", l.Scope, kind, kind)
		}
	}
}

func checkRate(p *problems, at string, l Limit, rate bool) {
	switch {
	case l.Rate && !rate:
		p.addf(at, "is a rate: put it under rates, or write window in place of per")
	case !l.Rate && rate:
		p.addf(at, "is a budget: put it under budgets, or write per in place of window")
	}
}
