package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	leastRest = 250 * time.Millisecond // between a server's end and its next start
	mostRest  = 30 * time.Second
	// healthy is how long a server has to run until a failure is its first again.
	healthy = time.Minute
	// startTime is how long a server has until it has said what it offers.
	startTime = 30 * time.Second
	// relist is how often a server is asked again what it offers: one with a URL
	// is known to be there only then.
	relist = 30 * time.Second
	// leastLook is the time between two such questions of a server that says that
	// it has changed all the time.
	leastLook = 100 * time.Millisecond
	// settle is how long a call that was given up may still hold the line: a
	// server that does not even read is started anew.
	settle = 2 * time.Second
)

var (
	errEnded     = errors.New("it has ended")
	errRestarted = errors.New("it was restarted by an operator")
	errStuck     = errors.New("it does not read what it is sent")
)

// server is one tool server and the goroutine that keeps it running.
type server struct {
	spec    Spec
	log     *slog.Logger
	impl    *sdk.Implementation
	changed func() // what it offers is no longer what it was

	again  chan error // end what runs and start anew
	look   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
	slots  chan struct{}
	counts counts

	mu      sync.Mutex
	session *sdk.ClientSession // nil: it is down
	offer   *offer
	since   time.Time // it is up, or down
	starts  int
	failure string // why it is down, or was before
	next    time.Time
	pid     int
	version string
}

// run keeps the server running until ctx ends.
func (s *server) run(ctx context.Context) {
	runtime.LockOSThread() // and never unlocked: what is started here ends with this thread
	rest := leastRest
	for {
		began := time.Now()
		err := s.serve(ctx)
		if ctx.Err() != nil {
			s.down(nil, time.Time{})
			return
		}
		if time.Since(began) > healthy || errors.Is(err, errRestarted) {
			rest = leastRest
		}
		wait := rest/2 + rand.N(rest/2)
		s.down(err, time.Now().Add(wait))
		s.log.Warn("tool server is down", "err", err, "next_try", wait)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-s.again:
			rest = leastRest
		}
		t.Stop()
		rest = min(2*rest, mostRest)
	}
}

// serve starts the server and keeps the line to it until one of both ends.
func (s *server) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	transport, pid, end, err := s.open()
	if err != nil {
		return err
	}
	late := time.AfterFunc(startTime, cancel)
	defer late.Stop()
	session, err := sdk.NewClient(s.impl, s.options()).Connect(ctx, transport, nil)
	if err != nil {
		end()
		return fmt.Errorf("cannot begin: %w", err)
	}
	gone := make(chan struct{})
	go func() { _ = session.Wait(); close(gone) }()
	defer func() {
		cancel()
		s.unplug()
		go func() { _ = session.Close() }() // it may wait for what end ends
		end()
		<-gone
	}()
	tick := time.NewTicker(relist)
	defer tick.Stop()
	for {
		began := time.Now()
		found, err := s.list(ctx, session)
		if err != nil {
			return fmt.Errorf("cannot list what it offers: %w", err)
		}
		late.Stop()
		s.up(session, found, pid)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-gone:
			return errEnded
		case err := <-s.again:
			return err
		case <-s.look:
			select {
			case <-ctx.Done():
			case <-gone:
			case <-time.After(time.Until(began.Add(leastLook))):
			}
		case <-tick.C:
		}
	}
}

// open readies a line to the server; end closes it.
func (s *server) open() (t sdk.Transport, pid int, end func(), err error) {
	if len(s.spec.Command) == 0 {
		w := newWeb(&s.spec)
		return w.transport(), 0, w.stop, nil
	}
	p, err := start(&s.spec, s.log)
	if err != nil {
		return nil, 0, nil, err
	}
	return p.transport(&s.spec), p.cmd.Process.Pid, p.stop, nil
}

// options of the gateway as a client: it has neither a model nor a person to
// offer to servers, so what they ask of either is refused.
func (s *server) options() *sdk.ClientOptions {
	poke := func() {
		select {
		case s.look <- struct{}{}:
		default:
		}
	}
	return &sdk.ClientOptions{
		Logger:                      slog.New(slog.DiscardHandler),
		Capabilities:                &sdk.ClientCapabilities{},
		ToolListChangedHandler:      func(context.Context, *sdk.ToolListChangedRequest) { poke() },
		PromptListChangedHandler:    func(context.Context, *sdk.PromptListChangedRequest) { poke() },
		ResourceListChangedHandler:  func(context.Context, *sdk.ResourceListChangedRequest) { poke() },
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) { s.counts.heard(r.Params) },
	}
}

func (s *server) up(session *sdk.ClientSession, found *offer, pid int) {
	s.mu.Lock()
	if s.session == nil {
		s.session, s.since, s.pid = session, time.Now(), pid
		s.starts++
		if r := session.InitializeResult(); r != nil && r.ServerInfo != nil {
			s.version = clip(r.ServerInfo.Version, maxName)
		}
	}
	before := s.offer
	s.offer, s.next = found, time.Time{}
	s.mu.Unlock()
	if !found.same(before) {
		s.log.Info("tool server is up", "tools", len(found.tools), "prompts", len(found.prompts), "resources", len(found.resources)+len(found.templates))
		for _, p := range found.problems {
			s.log.Warn("tool server offers what cannot be used", "problem", p)
		}
		s.changed()
	}
}

// unplug lets no more calls begin.
func (s *server) unplug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = nil
}

// down takes what the server offers out of the catalogue.
func (s *server) down(err error, next time.Time) {
	s.mu.Lock()
	had := s.offer != nil
	s.session, s.offer, s.since, s.next, s.pid = nil, nil, time.Now(), next, 0
	if err != nil {
		s.failure = clip(err.Error(), maxFailure)
	}
	s.mu.Unlock()
	if had {
		s.changed()
	}
}

// restart has the server started anew.
func (s *server) restart(why error) {
	select {
	case s.again <- why:
	default: // that is underway
	}
}

// stop ends the server. It may be called twice.
func (s *server) stop() {
	s.cancel()
	s.done.Wait()
}

// Codes of failures.
const (
	CodeDown    = "tool_server_down"
	CodeBusy    = "tool_server_busy"
	CodeFailed  = "tool_server_failed"
	CodeTimeout = "tool_timeout"
	CodeLeft    = "client_closed_request"
)

// A Failure is what callers are told of a call that did not come about or
// through: never in the server's words, which may hold what is not theirs.
type Failure struct {
	Code, Message string
	// Sent: the server may have done what it was asked to.
	Sent bool
}

func (f *Failure) Error() string { return f.Message }

// use makes do with the line to the server, within its bounds.
func (s *server) use(ctx context.Context, do func(context.Context, *sdk.ClientSession) error) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return &Failure{Code: CodeBusy, Message: fmt.Sprintf("tool server %q has %d calls running, as many as it may have at once: try again", s.spec.Name, cap(s.slots))}
	}
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session == nil {
		return &Failure{Code: CodeDown, Message: fmt.Sprintf("tool server %q is not there at the moment: try again later", s.spec.Name)}
	}
	ctx, cancel := context.WithTimeout(ctx, s.spec.Timeout)
	defer cancel()
	unstuck := make(chan struct{})
	defer close(unstuck)
	defer context.AfterFunc(ctx, func() { s.watch(unstuck) })()
	began := time.Now()
	err := do(ctx, session)
	err = s.verdict(ctx, err)
	s.counts.called(time.Since(began), err)
	return err
}

// watch restarts a server that holds on to a call that was given up.
func (s *server) watch(unstuck <-chan struct{}) {
	t := time.NewTimer(settle)
	defer t.Stop()
	select {
	case <-unstuck:
	case <-t.C:
		s.restart(errStuck)
	}
}
