package provider

import (
	"fmt"
	"sort"
	"time"
)

// Stat is the state of one adapter for status pages and metrics.
type Stat struct {
	Provider  string    `json:"provider"`
	Adapter   string    `json:"adapter"`             // name, or path of one that is not shipped
	Version   string    `json:"version"`             // as it says
	Installed string    `json:"installed,omitempty"` // version in the catalogue
	SHA256    string    `json:"sha256"`              // of what runs
	Isolation string    `json:"isolation"`
	Rejected  string    `json:"rejected,omitempty"` // sha256 of a newer program that crashed too often
	State     State     `json:"state"`
	Since     time.Time `json:"since"` // of the state
	PID       int       `json:"pid"`   // 0: none
	Restarts  int       `json:"restarts"`
	InFlight  int64     `json:"in_flight"` // requests that the process serves
	Endpoints []string  `json:"endpoints"` // "chat/openai-chat direct api.openai.com:443"
	Hosts     []string  `json:"-"`         // where its credentials may go
	LastError string    `json:"last_error,omitempty"`
}

// Stats returns the state of every adapter, those that drain included.
func (s *Supervisor) Stats() []Stat {
	s.mu.Lock()
	units := make([]*unit, 0, len(s.units))
	for u := range s.units {
		units = append(units, u)
	}
	s.mu.Unlock()
	list := make([]Stat, 0, len(units))
	for _, u := range units {
		list = append(list, u.snapshot())
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Provider != list[j].Provider {
			return list[i].Provider < list[j].Provider
		}
		return list[i].Since.Before(list[j].Since)
	})
	return list
}

func (u *unit) snapshot() Stat {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := u.stat
	st.Endpoints = append([]string{}, st.Endpoints...)
	if u.counter != nil {
		st.InFlight = u.counter.InFlight()
	}
	return st
}

// setState is called by the unit's goroutine, or before it runs.
func (u *unit) setState(state State, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stat.State, u.stat.Since, u.stat.PID, u.counter = state, time.Now(), 0, nil
	if err != nil {
		u.stat.LastError = err.Error()
	}
	if u.in != nil {
		u.stat.PID, u.counter = u.in.proc.pid(), u.in.counter
		u.stat.Version, u.stat.Hosts = clip(u.in.about.GetVersion()), u.in.hosts
	}
}

func describe(list []leased) (out []string) {
	for _, l := range list {
		e, how := l.endpoint, "direct"
		if !e.Direct() {
			how = "adapter"
		}
		out = append(out, fmt.Sprintf("%s/%s %s %s", e.Op, e.Dialect, how, e.Addr))
	}
	return out
}
