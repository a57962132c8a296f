package mcp

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Servers are the tool servers that are configured.
type Servers struct {
	log  *slog.Logger
	impl *sdk.Implementation

	mu       sync.Mutex
	byName   map[string]*server
	watchers map[chan struct{}]bool
	stopped  bool
}

// NewServers returns none; Apply starts some.
func NewServers(version string, log *slog.Logger) *Servers {
	return &Servers{log: log, impl: implementation(version), byName: map[string]*server{}, watchers: map[chan struct{}]bool{}}
}

// Apply makes specs those that run. What is as before goes on; it waits until
// what is no longer wanted has ended, for nothing else.
func (s *Servers) Apply(specs []Spec) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	want := map[string]*Spec{}
	for i := range specs {
		want[specs[i].Name] = &specs[i]
	}
	var over []*server
	for name, sv := range s.byName {
		if spec := want[name]; spec == nil || !sv.spec.same(spec) {
			over = append(over, sv)
			delete(s.byName, name)
		}
	}
	for name, spec := range want {
		if s.byName[name] == nil {
			s.byName[name] = s.begin(spec)
		}
	}
	s.mu.Unlock()
	s.end(over)
	if len(over) > 0 {
		s.changed()
	}
}

func (s *Servers) begin(spec *Spec) *server {
	ctx, cancel := context.WithCancel(context.Background())
	sv := &server{spec: *spec, log: s.log.With("tool_server", spec.Name), impl: s.impl, changed: s.changed, cancel: cancel,
		again: make(chan error, 1), look: make(chan struct{}, 1), slots: make(chan struct{}, spec.Parallel), since: time.Now()}
	sv.done.Go(func() { sv.run(ctx) })
	return sv
}

// end stops servers beside each other.
func (s *Servers) end(list []*server) {
	var all sync.WaitGroup
	for _, sv := range list {
		all.Go(sv.stop)
	}
	all.Wait()
}

// Stop ends all. It may be called twice.
func (s *Servers) Stop() {
	s.mu.Lock()
	s.stopped = true
	var all []*server
	for _, sv := range s.byName {
		all = append(all, sv)
	}
	s.mu.Unlock()
	s.end(all)
}

// Watch returns a channel that is told when what servers offer changes, and may
// have, until stop.
func (s *Servers) Watch() (changes <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, c)
	}
}

func (s *Servers) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.watchers {
		select {
		case c <- struct{}{}:
		default: // it has not looked since the last
		}
	}
}

// all are the servers by name.
func (s *Servers) all() []*server {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*server, 0, len(s.byName))
	for _, sv := range s.byName {
		list = append(list, sv)
	}
	slices.SortFunc(list, func(a, b *server) int { return strings.Compare(a.spec.Name, b.spec.Name) })
	return list
}

// Restart ends a server and starts it anew; false: there is none of the name.
func (s *Servers) Restart(name string) bool {
	s.mu.Lock()
	sv := s.byName[name]
	s.mu.Unlock()
	if sv != nil {
		sv.restart(errRestarted)
	}
	return sv != nil
}
