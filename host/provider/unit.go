package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
)

// State is where a supervised adapter stands.
type State string

// The states.
const (
	Running     State = "running"
	Restarting  State = "restarting"  // it died and waits for its next start
	Quarantined State = "quarantined" // it died too often
	Draining    State = "draining"    // it finishes what it serves
	Stopped     State = "stopped"
)

// timing holds what tests shorten.
type timing struct {
	start       time.Duration // of a process until it serves
	backoffMin  time.Duration
	backoffMax  time.Duration
	crashWindow time.Duration // in which crashes count together
	crashes     int           // within the window, that quarantine
	quarantine  time.Duration // until one more start is tried
	health      time.Duration // between two checks
	unhealthy   int           // failed checks in a row that end the process
	grace       time.Duration // between unpublishing a process and refusing its requests
	drain       time.Duration // for requests of a process that was replaced
	stop        time.Duration // the same when the gateway stops
}

func defaultTiming() timing {
	return timing{start: 30 * time.Second, backoffMin: 100 * time.Millisecond, backoffMax: 30 * time.Second,
		crashWindow: time.Minute, crashes: 5, quarantine: 5 * time.Minute, health: 10 * time.Second, unhealthy: 3,
		grace: time.Second, drain: 15 * time.Minute, stop: 2 * time.Second}
}

// unit keeps one adapter process running for the providers that use it. Its
// goroutine alone changes in and leases.
type unit struct {
	sup   *Supervisor
	spec  Spec
	hosts []string // effective, of the first process

	in         *instance
	leases     []leased
	restarting bool // as published
	minter     minter
	crashed    []time.Time // within the crash window, oldest first

	mu        sync.Mutex // guards what follows
	image     *image
	version   string // of the image, if it is an installed one
	fallback  fallback
	providers []*call.Provider
	endpoints *call.Endpoints // published last
	stat      Stat
	minted    bool              // the adapter makes tokens of credentials
	rpc       pb.ProviderClient // of the running process, nil: there is none
	log       *logs             // of the process started last
	counter   *call.Process     // of the running process
	force     chan struct{}     // closed: no more draining
	life      context.Context   // until stopping is closed
	endLife   context.CancelFunc
	stopping  chan struct{} // closed: end
	retry     chan struct{} // leave quarantine
	done      chan struct{} // closed when the goroutine has ended
}

// newUnit starts the adapter of spec; it does not return before it serves.
// The caller then runs supervise.
func newUnit(ctx context.Context, s *Supervisor, spec Spec, im *image, version string) (*unit, error) {
	u := &unit{sup: s, spec: spec, image: im, version: version, force: make(chan struct{}), stopping: make(chan struct{}),
		retry: make(chan struct{}, 1), done: make(chan struct{}),
		minter: minter{state: map[*call.Credential]*mintState{}, wake: make(chan struct{}, 1)}}
	u.life, u.endLife = context.WithCancel(context.Background())
	u.stat = Stat{Provider: spec.Name, Adapter: spec.Adapter, SHA256: im.sha256, Installed: version, Isolation: spec.Isolation.String(), State: Restarting}
	if spec.Path != "" {
		u.stat.Adapter = spec.Path
	}
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	return u, nil
}

// begin starts a process and publishes its leases.
func (u *unit) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, u.sup.timing.start)
	defer cancel()
	in, set, err := u.sup.start(ctx, &u.spec, u.program())
	if err != nil {
		return err
	}
	list, err := in.endpoints(set, time.Now())
	if err == nil && len(list) == 0 {
		err = errors.New("it serves nothing that this gateway knows")
	}
	if err != nil {
		in.kill()
		return err
	}
	u.in = in
	if u.hosts == nil {
		u.hosts = in.hosts
	}
	u.mu.Lock()
	u.minted, u.rpc, u.log = slices.Contains(in.about.GetCapabilities(), capToken), in.rpc, in.log
	u.mu.Unlock()
	for _, p := range u.attached() {
		u.hideAll(p)
	}
	dropped := u.publish(list, false)
	u.setState(Running, nil) // only now: who waits for it asks at once
	closeAll(dropped)
	return nil
}

// supervise is the unit's goroutine.
func (u *unit) supervise() {
	if u.mints() {
		tokens := make(chan struct{})
		go func() { defer close(tokens); u.keepTokens() }()
		defer func() { <-tokens }()
	}
	for {
		err := u.watch()
		if err == nil {
			u.end()
			return
		}
		u.lost(err)
		if !u.revive() {
			closeAll(u.publish(nil, false))
			u.setState(Stopped, nil)
			return
		}
	}
}

var (
	errDied      = errors.New("the process ended")
	errUnhealthy = errors.New("it did not answer its health checks")
)

// watch serves a running process. It returns nil when the unit is to end and
// why otherwise.
func (u *unit) watch() error {
	tick := time.NewTicker(u.sup.timing.health)
	defer tick.Stop()
	var missed misses
	expiry := time.NewTimer(0)
	defer expiry.Stop()
	for {
		expiry.Reset(u.nextExpiry())
		select {
		case <-u.stopping:
			return nil
		case <-u.in.proc.done:
			return errDied
		case set := <-u.in.sets:
			list, err := u.in.endpoints(set, time.Now())
			if err != nil {
				u.sup.opts.Log.Error("leases refused, those before stay", "provider", u.spec.Name, "error", err)
				continue
			}
			closeAll(u.publish(list, false))
		case now := <-expiry.C:
			u.expire(now)
		case <-tick.C:
			if u.check(&missed); missed.inARow >= u.sup.timing.unhealthy {
				return errUnhealthy
			}
		}
	}
}

// misses are a process's failed health checks. On a machine with too much to do
// a check can starve behind the requests themselves; a process that answers
// those lives, and to end it would make things worse.
type misses struct {
	inARow  int
	answers int64 // of the process, at the last check
}

func (u *unit) check(m *misses) {
	ctx, cancel := context.WithTimeout(context.Background(), u.sup.timing.health/2)
	defer cancel()
	err := u.in.healthy(ctx)
	answers := u.in.counter.Answers()
	switch {
	case err == nil:
		m.inARow = 0
	case answers != m.answers:
		m.inARow = 0
		u.sup.opts.Log.Warn("health check failed, requests are answered", "provider", u.spec.Name, "error", err)
	default:
		m.inARow++
		u.sup.opts.Log.Warn("health check failed", "provider", u.spec.Name, "error", err)
	}
	m.answers = answers
}

// lost withdraws what a dead process served. Direct leases stay: they need
// nobody until they expire.
func (u *unit) lost(err error) {
	u.setState(Restarting, err)
	var direct []leased
	for _, l := range u.leases {
		if l.endpoint.Direct() {
			direct = append(direct, l)
		}
	}
	closeAll(u.publish(direct, true))
	u.mu.Lock()
	u.rpc = nil
	u.mu.Unlock()
	u.in.kill() // which reads its log to the end
	if words := u.in.log.words(); words != "" {
		u.sup.opts.Log.Error("adapter lost", "provider", u.spec.Name, "error", err, "last_words", words)
	} else {
		u.sup.opts.Log.Error("adapter lost", "provider", u.spec.Name, "error", err)
	}
	u.in = nil
}

// revive starts the adapter again, after a wait that grows with each crash.
// It reports false when the unit is to end.
func (u *unit) revive() bool {
	for {
		if !u.wait(u.delay(time.Now())) {
			return false
		}
		err := u.begin(u.life)
		if err == nil {
			u.mu.Lock()
			u.stat.Restarts++
			u.mu.Unlock()
			u.sup.opts.Log.Info("adapter restarted", "provider", u.spec.Name, "pid", u.in.proc.pid())
			return true
		}
		u.sup.opts.Log.Error("adapter does not start", "provider", u.spec.Name, "error", err)
		u.setState(Restarting, err)
	}
}

// delay counts a crash and says how long to wait before the next start.
func (u *unit) delay(now time.Time) time.Duration {
	t := &u.sup.timing
	for len(u.crashed) > 0 && now.Sub(u.crashed[0]) > t.crashWindow {
		u.crashed = u.crashed[1:]
	}
	u.crashed = append(u.crashed, now)
	n := len(u.crashed)
	if n >= t.crashes {
		u.crashed = u.crashed[:0]
		if u.goBack() {
			return 0
		}
		u.setState(Quarantined, nil)
		closeAll(u.publish(u.leases, false)) // nobody need wait for it
		u.sup.opts.Log.Error("adapter quarantined", "provider", u.spec.Name, "crashes", n, "window", t.crashWindow, "next_try", t.quarantine)
		return t.quarantine
	}
	if n == 1 {
		return 0 // it is back at once
	}
	d := min(t.backoffMin<<min(n-2, 20), t.backoffMax)
	return d/2 + rand.N(d/2+1)
}

// wait lets time pass and direct leases expire.
func (u *unit) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	expiry := time.NewTimer(0)
	defer expiry.Stop()
	for {
		expiry.Reset(u.nextExpiry())
		select {
		case <-u.stopping:
			return false
		case <-u.retry:
			return true
		case <-timer.C:
			return true
		case now := <-expiry.C:
			u.expire(now)
		}
	}
}

// alive reports whether the unit has not been asked to end.
func (u *unit) alive() bool {
	select {
	case <-u.stopping:
		return false
	default:
		return true
	}
}

// nudge tries a quarantined or waiting adapter at once: the operator has
// applied a configuration that wants it.
func (u *unit) nudge() {
	u.mu.Lock()
	waits := u.stat.State == Quarantined
	u.mu.Unlock()
	if waits {
		select {
		case u.retry <- struct{}{}:
		default:
		}
	}
}

// sameHosts reports whether both units' credentials may go to the same hosts.
func (u *unit) sameHosts(o *unit) bool {
	return slices.Equal(u.hosts, o.hosts)
}
