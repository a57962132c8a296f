package release

import (
	"cmp"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Version is what List shows of one.
type Version struct {
	Label    string    `json:"label"`
	SHA256   string    `json:"sha256"`
	Tag      string    `json:"tag,omitempty"`
	State    string    `json:"state"`
	Lane     string    `json:"lane,omitempty"` // active, canary, shadow
	Origin   string    `json:"origin"`
	SignedBy string    `json:"signed_by,omitempty"`
	Proven   bool      `json:"proven"` // by a replay
	Seed     bool      `json:"seed"`   // the configuration brings it
	Pushed   time.Time `json:"pushed"`
	Changed  time.Time `json:"changed"`
}

// Module is what List shows of one name.
type Module struct {
	Name        string    `json:"name"`
	Configured  bool      `json:"configured"` // by the running configuration; else its versions lie ready for one
	Active      string    `json:"active"`     // label, "" for none
	Previous    string    `json:"previous,omitempty"`
	Canary      string    `json:"canary,omitempty"`
	Share       float64   `json:"share,omitempty"`
	By          string    `json:"by,omitempty"`
	Guard       any       `json:"guard,omitempty"`
	Trial       any       `json:"trial,omitempty"`
	Shadow      string    `json:"shadow,omitempty"`
	Quarantined string    `json:"quarantined,omitempty"`
	Swaps       int64     `json:"swaps"`
	Versions    []Version `json:"versions"`           // newest first
	Compared    any       `json:"compared,omitempty"` // of the shadow; whoever knows fills it in
}

// List tells about all names that the configuration or a version has, or about one.
func (r *Registry) List(name string) ([]Module, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.heed() // it has been logged
	if name != "" {
		if e := r.names[name]; e != nil && e.there() {
			return []Module{r.describe(e)}, nil
		}
		_, err := r.known(name)
		return nil, err
	}
	out := []Module{}
	for _, e := range r.names {
		if e.there() {
			out = append(out, r.describe(e))
		}
	}
	slices.SortFunc(out, func(a, b Module) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (e *entry) there() bool { return e.configured || len(e.versions) > 0 }

func (r *Registry) describe(e *entry) Module {
	stats := r.opt.Fleet.Lanes(e.name)
	m := Module{Name: e.name, Configured: e.configured, Active: stats.Active, Canary: stats.Canary, Shadow: stats.Shadow, Quarantined: stats.Quarantined,
		Swaps: stats.Swaps, Versions: []Version{}}
	if p := e.find(e.lanes.Previous); p != nil {
		m.Previous = p.Label
	}
	if stats.Canary != "" {
		m.Share, m.By, m.Trial, m.Guard = stats.Share, stats.By, stats.Trial, e.guard()
	}
	for _, v := range slices.Backward(e.versions) {
		m.Versions = append(m.Versions, e.show(&v))
	}
	return m
}

func (e *entry) show(v *call.ModuleVersion) Version {
	return Version{Label: v.Label, SHA256: v.SHA256, Tag: v.Tag, State: v.State, Lane: e.lane(v.Digest), Origin: v.Origin,
		SignedBy: v.Signer, Proven: v.Proven, Seed: v.Digest == e.lanes.Seed, Pushed: v.Pushed, Changed: v.Changed}
}

// Event is a line of a module's history.
type Event struct {
	Time    time.Time `json:"time"`
	Version string    `json:"version"`
	What    string    `json:"what"`
	Who     string    `json:"who"`
	Why     string    `json:"why,omitempty"`
}

// History tells what was done with name's versions, the last first.
func (r *Registry) History(name string) ([]Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.names[name]
	if e == nil {
		_, err := r.known(name)
		return nil, err
	}
	out := []Event{}
	for _, ev := range slices.Backward(e.events) {
		out = append(out, Event{Time: ev.Time, Version: ev.Label, What: ev.What, Who: ev.Who, Why: ev.Why})
	}
	return out, nil
}
