// Package call holds the vocabulary that the stages of a request share: the
// request value itself, who made it, what it may use, where it may go and what
// it cost. It has no behaviour of its own beyond small invariants; every stage
// imports it and none imports another.
package call

import (
	"io"
	"net/netip"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// Call is one request on its way through the gateway. It is pooled: nothing
// may keep a pointer to it, or to bytes that it refers to, past Release by its
// owner (host.go); what outlives the call is copied out first.
type Call struct {
	ID       ID
	Received time.Time // the one clock reading that policy, windows and routing use
	Op       wire.Op
	Dialect  wire.Dialect // the caller's
	Remote   netip.Addr   // the caller's, in PlainAddr's form
	TLS      bool
	Peer     Peer // the end of the connection, nil: there is none

	// Method, Path and ContentType are those of requests that are no plain POST
	// of JSON: uploads, and operations that have paths of their own.
	Method      string // "": POST
	Path        string // beyond the operation's own, query included: "/file-12/content"
	ContentType string // of the body, "": JSON
	Provider    string // that the caller names where it names no model, "": any
	Priority    string // "high", "normal" or "low", "": normal
	Strict      bool   // the caller would rather be refused than have parameters dropped

	// Body is the caller's bytes and Facts what one pass over them found.
	Body  []byte
	Facts scan.Facts
	// Upload is the body where Body does not hold it, nil: Body is all.
	Upload Upload
	// Receive reads a large body, once it is known who sends it. It fills Body
	// or Upload, and Facts; nil: that has been done.
	Receive func() *wire.Error
	// Whole: the answer is to be read whole, since the host has to look into it.
	Whole bool
	// Once: one attempt is all that is made.
	Once bool
	// Screen looks into the answer where it streams, nil: nobody does.
	Screen Screen
	// Verdicts are what filters said.
	Verdicts []Verdict
	// Buf is space that the dispatcher reads an answer into.
	Buf []byte
	// terms holds what Detach has copied.
	terms []byte
	// Header reads the caller's request headers, for the few that a lease passes on.
	Header Header

	Owner     any                // what the host keeps beside the call; it survives Reset
	Find      func(*Call, Needs) // fills in Wants what is needed of it, for Need alone; it survives Reset
	Principal *Principal
	Decision  *Decision

	// Model is what the caller asked for resolved; Candidates are its targets
	// that policy, operation and price allow, in configured order.
	Model      *Model
	Candidates []Candidate
	Wants      Wants // what routing may go by beside them
	Plan       Plan
	Rule       int  // the rule of Model that held, from 1; 0: none
	Place      Pass // at a target that the call has waited for, until an attempt takes it
	Gate       Gate // that attempts have to pass, nil: there is none

	Rates RateStates // where the caller stands with its rates

	Trace Trace // its place in a distributed trace
	Tap   Tap   // hears an answer that streams, nil: nobody does

	// Of what it is a part, and who has really answered.
	Parent ID     // the request that made this one, 0: a caller did
	Origin string // what of it: "pipeline/digest/translate", "batch/batch_12", "mirror", "": it is a caller's own
	Cached Cached // the answer is that of an earlier request, or of one beside it
	Saved  int64  // nano-dollars that Cached has spared
	KeptAs string // the key in the cache of the answer that it was given, "": none

	// What dispatch did.
	Attempts []Attempt
	Target   *Target // that answered, or was tried last
	Status   int     // HTTP status given to the caller
	Err      *wire.Error
	Streamed bool
	Events   int64  // streamed so far
	Bytes    int64  // of a streamed answer so far
	Dropped  []byte // parameters that a translation could not carry, comma-separated

	// What it cost.
	Usage      wire.Usage
	Provenance Provenance
	Cost       int64  // nano-dollars
	Reserved   int64  // nano-dollars, the bound that was reserved
	MaxTokens  int64  // what a budget leaves for the answer, 0: all that it may have
	Stepped    bool   // the answer is reserved step by step while it streams
	Warned     string // the soft limit that has been passed, "": none

	Gone      Gone
	FirstByte time.Duration // from Received until the first byte of an answer, 0 if none
	Upstream  time.Duration // spent waiting for upstreams
	SentUp    bool          // bytes of the request have left for an upstream
}

// What a pooled call holds on to at most.
const (
	maxKeptBuf   = 64 << 10
	maxKeptTerms = 1 << 10
)

// Header reads one request header; the bytes are valid during the call only.
type Header interface{ Peek(name string) []byte }

// Upload is a body that was put aside, to be sent as often as attempts need it.
type Upload interface {
	// Size is its length in bytes.
	Size() int64
	// Send writes the bytes from from to to.
	Send(w io.Writer, from, to int64) error
}

// Tap hears what a streamed answer says, as its caller gets it.
type Tap interface {
	// Event hears the data of one event, which is valid until it returns.
	Event(data []byte)
}

// Detach lets go of the caller's bytes, which no attempt needs any more. What
// the account goes by is copied; the names in Facts are void.
func (c *Call) Detach() {
	f := &c.Facts
	c.terms = c.terms[:0]
	f.ServiceTier, f.ImageSize, f.Quality = c.copied(f.ServiceTier), c.copied(f.ImageSize), c.copied(f.Quality)
	f.Model, f.Tools, f.Refs = nil, f.Tools[:0], f.Refs[:0]
	Poison(c.Body)
	c.Body, c.Upload, c.Header = nil, nil, nil
}

func (c *Call) copied(b []byte) []byte {
	from := len(c.terms)
	c.terms = append(c.terms, b...)
	return c.terms[from:]
}

// Reset readies c for the pool; it keeps the capacity of its slices.
func (c *Call) Reset() {
	clear(c.Candidates)
	clear(c.Attempts)
	clear(c.Verdicts)
	Poison(c.Buf)
	Poison(c.Dropped)
	c.ID, c.Received, c.Op, c.Dialect, c.Remote, c.TLS, c.Peer = 0, time.Time{}, 0, 0, netip.Addr{}, false, nil
	c.Method, c.Path, c.ContentType, c.Provider, c.Priority, c.Strict = "", "", "", "", "", false
	c.Upload, c.Receive, c.Whole, c.Once = nil, nil, false, false
	c.Screen, c.Verdicts = nil, c.Verdicts[:0]
	c.Body, c.Header, c.Principal, c.Decision, c.Model = nil, nil, nil, nil, nil
	c.Candidates, c.Attempts, c.Dropped = c.Candidates[:0], c.Attempts[:0], c.Dropped[:0]
	c.Target, c.Status, c.Err, c.Streamed, c.Events = nil, 0, nil, false, 0
	c.Rule = 0
	c.Place.Leave()
	c.Gate, c.Rates = nil, RateStates{}
	c.Usage, c.Provenance, c.Cost, c.Reserved = wire.Usage{}, 0, 0, 0
	c.MaxTokens, c.Stepped, c.Warned = 0, false, ""
	c.Parent, c.Origin, c.Cached, c.Saved = 0, "", CacheNone, 0
	c.KeptAs = ""
	c.FirstByte, c.Upstream, c.SentUp = 0, 0, false
	c.Trace, c.Tap, c.Bytes = Trace{}, nil, 0
	if cap(c.Buf) > maxKeptBuf {
		c.Buf = nil
	}
	c.Buf = c.Buf[:0]
	if cap(c.terms) > maxKeptTerms {
		c.terms = nil
	}
	c.Facts.Reset()
	c.Plan.Reset()
	c.Wants.Reset()
	c.Gone.Reset()
}

// Cap is the most tokens that the answer may have beside what the caller says,
// by policy and budgets, 0: as many as it likes.
func (c *Call) Cap() int64 {
	if d := c.Decision; d != nil && d.MaxTokens > 0 && (c.MaxTokens == 0 || d.MaxTokens < c.MaxTokens) {
		return d.MaxTokens
	}
	return c.MaxTokens
}

// Overhead is the time that the gateway itself has added so far.
func (c *Call) Overhead() time.Duration { return max(0, time.Since(c.Received)-c.Upstream) }

// Principal is who makes a request. It is immutable once published.
type Principal struct {
	Auth    string // how it showed who it is: "key", "jwt"
	KeyID   string // public part of the key: loggable
	KeyName string
	Org     string
	Project string
	Team    string
	User    string
	Env     string
	Roles   []string // sorted
	Attrs   map[string]string
	Budgets []Limit   // the key's own, as they are kept
	Limits  []Limit   // all that hold beside policy's: the key's and those kept for its organisation, project, team and user
	Scope   *Scope    // what it is good for, nil: anything
	Expires time.Time // zero: never
}

// Decision is what policy says of a request. It is immutable and shared
// between requests.
type Decision struct {
	Allow    bool
	Reasons  []Reason // why not, when Allow is false
	Dry      []Reason // why units in a dry run would not
	Revision string   // of the bundle

	MaxTokens  int64    // cap on the answer, 0: none
	Restricted bool     // Targets is a restriction, even when empty
	Targets    []string // eligible targets by name, sorted
	Filters    []string // required filters
	Limits     []Limit  // to hold beside the key's own
	Log        string   // "", "none", "metadata", "full"
	Cache      string   // "", "allow", "deny"
	// LogRequired: the request is refused if the decision cannot be logged.
	LogRequired bool
}

// Reason is one denial: a stable code, the unit that gave it, and a value that
// the message may show.
type Reason struct{ Unit, Code, Value string }

// Provenance says how far a cost can be trusted.
type Provenance uint8

// The provenances, weakest first.
const (
	CostNone      Provenance = iota // nothing was consumed
	CostEstimated                   // bounded from sizes: the upstream reported nothing
	CostComputed                    // reported usage × catalogue price
	CostReported                    // the provider's own figure
)

// String returns the stable name.
func (p Provenance) String() string {
	return [...]string{"none", "estimated", "computed", "reported"}[p]
}

// Attempt is one try at one target. Of the attempts of a call that was answered
// the last one is the one that answered.
type Attempt struct {
	Target   *Target
	Status   int        // upstream's HTTP status, 0 if there was none
	Class    wire.Class // ClassNone: it answered, or was ended before it could
	Duration time.Duration
	// Cost is what it consumed, in nano-dollars, where its answer is not the
	// call's: that is priced apart. Provenance says how far it can be trusted.
	Cost       int64
	Tokens     int64 // that it took, where its answer is not the call's
	Provenance Provenance

	Start      time.Duration // from the call's Received
	FirstByte  time.Duration // from Start, 0: none came
	Span       SpanID        // that the target was told of, zero: it was told of none
	Credential string        // name of the one that was used, "" if none
	Hedge      bool          // it ran beside another
	Lost       bool          // it was ended because another was faster
	Rejected   string        // why the answer was not taken, though the target gave one
}
