package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/provider/depot"
	"github.com/signalbox-ai/signalbox/host/trust"
)

// Options of a Supervisor.
type Options struct {
	PluginDir string // holds providers/<adapter>
	RunDir    string // for sockets; "": the folder for temporary files
	Log       *slog.Logger
	// NewTransport makes the connections of a new endpoint. The supervisor
	// closes them when the endpoint is gone; a request that loaded it before
	// may still use them then, so Close must not fail it.
	NewTransport func(*call.Endpoint) call.Transport
	Depot        *depot.Depot  // of installed adapters; nil: there are none
	Drain        time.Duration // for the requests of a process that is replaced; 0: 15 minutes
}

// Supervisor runs the adapters of all providers.
type Supervisor struct {
	opts   Options
	timing timing
	run    *runDir
	spawn  *spawner
	life   context.Context // until Stop
	end    context.CancelFunc
	images images
	trust  atomic.Pointer[trust.Keys]
	logs   rings

	apply   sync.Mutex // held while a Set is being made
	mu      sync.Mutex // guards what follows
	current *Set       // committed last
	pending *Set       // applied, neither committed nor aborted
	units   map[*unit]struct{}
	stopped bool
	renew   map[string]bool // providers whose process is to be another one
	ends    sync.WaitGroup
}

// New returns a supervisor that runs nothing yet.
func New(opts Options) (*Supervisor, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	run, err := openRunDir(opts.RunDir)
	if err != nil {
		return nil, err
	}
	s := &Supervisor{opts: opts, timing: defaultTiming(), run: run, spawn: newSpawner(),
		images: images{folder: run.folder}, units: map[*unit]struct{}{}, renew: map[string]bool{}}
	s.trust.Store(&trust.Keys{})
	if opts.Drain > 0 {
		s.timing.drain = opts.Drain
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

var errStopped = errors.New("cannot apply providers: the supervisor has stopped")

// Apply starts what specs ask for beyond what runs already. Nothing that
// serves is touched until the Set is committed; on an error nothing remains of it.
func (s *Supervisor) Apply(ctx context.Context, specs []Spec) (*Set, error) {
	s.apply.Lock()
	defer s.apply.Unlock()
	s.mu.Lock()
	current, pending, stopped := s.current, s.pending, s.stopped
	s.mu.Unlock()
	switch {
	case stopped:
		return nil, errStopped
	case pending != nil:
		return nil, errors.New("cannot apply providers: an earlier set is neither committed nor aborted")
	}
	set := &Set{sup: s, entries: make(map[string]*entry, len(specs))}
	for i := range specs {
		spec := specs[i]
		if err := spec.resolve(); err != nil {
			return nil, fmt.Errorf("cannot use provider %q: %w", spec.Name, err)
		}
		if set.entries[spec.Name] != nil {
			return nil, fmt.Errorf("cannot use provider %q: it is there twice", spec.Name)
		}
		set.entries[spec.Name] = &entry{spec: spec}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	err := set.build(ctx, current)
	s.mu.Lock()
	if err == nil && s.stopped {
		err = errStopped
	}
	if err == nil {
		s.pending = set
	}
	s.mu.Unlock()
	if err != nil {
		set.discard()
		return nil, err
	}
	return set, nil
}

// Stop ends all adapters. Requests in flight get a moment to finish.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	for u := range s.units {
		u.stop()
		u.hurry()
	}
	s.mu.Unlock()
	s.end() // a Set that is being built fails and discards what it started
	s.apply.Lock()
	defer s.apply.Unlock()
	s.ends.Wait()
	if first {
		s.spawn.stop()
		s.run.close()
	}
}

// keep runs u, and counts it among the units, until it has ended.
func (s *Supervisor) keep(u *unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units[u] = struct{}{}
	s.ends.Add(1)
	if s.stopped {
		u.stop()
		u.hurry()
	}
	go func() {
		defer s.ends.Done()
		defer close(u.done)
		u.supervise()
		u.releaseImages()
		s.mu.Lock()
		delete(s.units, u)
		s.mu.Unlock()
	}()
}
