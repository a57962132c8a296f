package mcp

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// States of a server.
const (
	StateStarting = "starting"
	StateUp       = "up"
	StateDown     = "down"
)

// Status is how a server is.
type Status struct {
	Name     string     `json:"name"`
	Kind     string     `json:"kind"` // "command" or "url"
	State    string     `json:"state"`
	Since    time.Time  `json:"since"`
	NextTry  *time.Time `json:"next_try,omitempty"`
	PID      int        `json:"pid,omitempty"`
	Version  string     `json:"version,omitempty"`
	Restarts int        `json:"restarts"`
	Failure  string     `json:"failure,omitempty"` // the last one
	Problems []string   `json:"problems,omitempty"`

	Tools     []ToolStatus `json:"tools"`
	Prompts   []string     `json:"prompts,omitempty"`
	Resources int          `json:"resources,omitempty"`

	Calls   int64         `json:"calls"`
	Errors  int64         `json:"errors"`
	Running int           `json:"running"`
	P50MS   float64       `json:"p50_ms"` // of the last calls
	MeanMS  float64       `json:"mean_ms"`
	Took    time.Duration `json:"-"` // by all calls
}

// ToolStatus is a tool that a server offers.
type ToolStatus struct {
	Name        string      `json:"name"` // that callers call it by
	Description string      `json:"description,omitempty"`
	PriceUSD    json.Number `json:"price_usd"`
}

// maxShown bounds what is shown of a tool's description.
const maxShown = 200

// List tells how all servers are.
func (s *Servers) List() []Status {
	out := []Status{}
	for _, sv := range s.all() {
		out = append(out, sv.status())
	}
	return out
}

func (s *server) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Name: s.spec.Name, Kind: "url", State: StateDown, Since: s.since.UTC(), PID: s.pid, Version: s.version, Restarts: max(0, s.starts-1), Failure: s.failure, Running: len(s.slots), Tools: []ToolStatus{}}
	if len(s.spec.Command) > 0 {
		st.Kind = "command"
	}
	switch {
	case s.session != nil:
		st.State = StateUp
	case s.starts == 0 && s.failure == "":
		st.State = StateStarting
	}
	if !s.next.IsZero() {
		next := s.next.UTC()
		st.NextTry = &next
	}
	if o := s.offer; o != nil {
		st.Problems, st.Resources = o.problems, len(o.resources)+len(o.templates)
		for i, t := range o.tools {
			price := call.AppendUSD(nil, s.spec.priceOf(t.Name))
			st.Tools = append(st.Tools, ToolStatus{o.names[i], clip(t.Description, maxShown), json.Number(price)})
		}
		for _, p := range o.prompts {
			st.Prompts = append(st.Prompts, p.Name)
		}
	}
	s.counts.fill(&st)
	return st
}

func (c *counts) fill(st *Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.Calls, st.Errors, st.Took = c.calls, c.errors, c.took
	if c.calls == 0 {
		return
	}
	last := slices.Clone(c.last[:min(c.at, len(c.last))])
	slices.Sort(last)
	st.P50MS = float64(last[len(last)/2].Microseconds()) / 1e3
	st.MeanMS = float64(c.took.Microseconds()) / float64(c.calls) / 1e3
}
