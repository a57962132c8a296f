package call

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Provider is a configured provider as the request path sees it: where its
// operations are served now, and with which credentials. The supervisor
// publishes new endpoints; requests load them once per attempt.
type Provider struct {
	Name        string
	Credentials []*Credential // empty: the provider needs none
	Awaiting    bool          // it needs one, and waits for its first
	Timeouts    Timeouts
	// Drain is for how long a streamed answer is read on after its caller has
	// left, so that what it cost is known; 0: its connection is closed.
	Drain time.Duration
	// Propagate: it is told which trace its requests are part of.
	Propagate bool

	endpoints atomic.Pointer[Endpoints]
	mu        sync.Mutex
	changed   chan struct{} // closed and replaced at each Publish
}

// Timeouts of one attempt; zero means the dispatcher's default.
type Timeouts struct {
	Connect   time.Duration // until a connection stands
	FirstByte time.Duration // from the request sent until the first byte of the answer
	Idle      time.Duration // between two reads of an answer
}

// Endpoints is one generation of a provider's endpoints; immutable.
type Endpoints struct {
	// Restarting: the adapter is down for a moment, and what it serves itself
	// with it; direct leases go on.
	Restarting bool

	byKind [wire.NumOps][wire.NumDialects]*Endpoint
}

// NewEndpoints indexes list; of two with the same operation and dialect the first wins.
func NewEndpoints(list []*Endpoint) *Endpoints {
	e := &Endpoints{}
	for _, ep := range list {
		if at := &e.byKind[ep.Op][ep.Dialect]; *at == nil {
			*at = ep
		}
	}
	return e
}

// Endpoint returns where op in dialect is served now, nil if it is not.
func (p *Provider) Endpoint(op wire.Op, dialect wire.Dialect) *Endpoint {
	e := p.endpoints.Load()
	if e == nil {
		return nil
	}
	return e.byKind[op][dialect]
}

// Serving is Endpoint and Up of one moment.
func (p *Provider) Serving(op wire.Op, dialect wire.Dialect) (ep *Endpoint, up bool) {
	e := p.endpoints.Load()
	if e == nil {
		return nil, false
	}
	return e.byKind[op][dialect], !e.Restarting
}

// Publish replaces the endpoints; nil means the provider is down for now.
func (p *Provider) Publish(e *Endpoints) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endpoints.Store(e)
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// Up reports whether the adapter is there: what has no endpoint then is not
// served at all.
func (p *Provider) Up() bool {
	e := p.endpoints.Load()
	return e != nil && !e.Restarting
}

// Down reports whether nothing is served at all, and nothing is about to be:
// the adapter is in quarantine.
func (p *Provider) Down() bool {
	e := p.endpoints.Load()
	return e != nil && !e.Restarting && e.byKind == (Endpoints{}).byKind
}

// Changed returns a channel that is closed at the next Publish.
func (p *Provider) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// Endpoint is one leased data-plane address: where the host sends requests of
// one operation and dialect, and how. Immutable.
type Endpoint struct {
	Op      wire.Op
	Dialect wire.Dialect

	Network string // "tcp" or "unix"
	Addr    string // "api.openai.com:443", or the path of a socket
	TLS     bool
	Host    string // Host header and TLS server name
	Path    string // absolute, with query if any; may hold {model} and {path}
	// StreamPath is the path of requests whose answer streams, "": Path.
	StreamPath string

	Headers     []HeaderTemplate
	PassHeaders []string             // caller's headers that go upstream when present
	Models      map[string]string    // model as configured → as upstream calls it; absent: unchanged
	Errors      []ErrorRule          // first match wins, then wire.ClassOfStatus
	MaxTokens   string               // member that caps an answer where the caller gave none, "" is max_tokens
	StreamUsage bool                 // streams report usage only when stream_options.include_usage asks
	RateHeaders [NumRateKinds]string // the upstream's headers that tell of its rate limit, "": there is none

	// AllowIP says whether an address that Addr resolved to may be dialled:
	// the guard against private addresses and rebinding. nil for unix sockets.
	AllowIP func(ip [16]byte) bool

	Process *Process // that serves a unix endpoint; nil on a direct lease
	// Transport keeps the endpoint's connections; the dispatcher makes it and
	// the supervisor closes it with the generation.
	Transport Transport
}

// Upstream is what a model as configured is called upstream.
func (e *Endpoint) Upstream(model string) string {
	if m, ok := e.Models[model]; ok {
		return m
	}
	return model
}

// Direct reports whether the host dials the upstream itself.
func (e *Endpoint) Direct() bool { return e.Process == nil }

// Transport is a pool of connections to one endpoint.
type Transport interface{ Close() }

// HeaderTemplate is a request header: Prefix, then the credential if
// Credential is set, then Suffix.
type HeaderTemplate struct {
	Name           string
	Prefix, Suffix string
	Credential     bool
}

// ErrorRule classifies an upstream's error by status and, if Code is set, by
// that text in the body's error code or type.
type ErrorRule struct {
	Status int
	Code   string
	Class  wire.Class
}

// Process counts the requests that an adapter process serves, so that it can
// be drained, and the answers, which show that it lives.
type Process struct {
	inFlight atomic.Int64
	answers  atomic.Int64
	retired  atomic.Bool
	idle     chan struct{}
	once     sync.Once
}

// NewProcess returns the counter of a process that serves nothing yet.
func NewProcess() *Process { return &Process{idle: make(chan struct{})} }

// Acquire counts a request in; false means the process is on its way out and
// the caller must load the endpoints again. A nil Process always accepts.
func (p *Process) Acquire() bool {
	if p == nil {
		return true
	}
	p.inFlight.Add(1)
	if p.retired.Load() {
		p.Release()
		return false
	}
	return true
}

// Release counts a request out.
func (p *Process) Release() {
	if p != nil && p.inFlight.Add(-1) == 0 && p.retired.Load() {
		p.once.Do(func() { close(p.idle) })
	}
}

// Answered notes that an answer, of whatever kind, has begun.
func (p *Process) Answered() {
	if p != nil {
		p.answers.Add(1)
	}
}

// Answers is how many have begun.
func (p *Process) Answers() int64 { return p.answers.Load() }

// Retire refuses further requests and returns a channel that is closed when
// the last one has ended.
func (p *Process) Retire() <-chan struct{} {
	p.retired.Store(true)
	if p.inFlight.Load() == 0 {
		p.once.Do(func() { close(p.idle) })
	}
	return p.idle
}

// InFlight is the number of requests being served.
func (p *Process) InFlight() int64 { return p.inFlight.Load() }
