// Package call holds the vocabulary that the stages of a request share: the
// request value itself, who made it, what it may use, where it may go and what
// it cost. It has no behaviour of its own beyond small invariants; every stage
// imports it and none imports another.
package call

import (
	"io"
	"net/netip"
	"strconv"
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
	Remote   netip.Addr
	TLS      bool

	// Method, Path and ContentType are those of requests that are no plain POST
	// of JSON: uploads, and operations that have paths of their own.
	Method      string // "": POST
	Path        string // beyond the operation's own, query included: "/file-12/content"
	ContentType string // of the body, "": JSON
	Provider    string // that the caller names where it names no model, "": any
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
	// Buf is space that the dispatcher reads an answer into.
	Buf []byte
	// Header reads the caller's request headers, for the few that a lease passes on.
	Header Header

	Owner     any // what the host keeps beside the call; it survives Reset
	Principal *Principal
	Decision  *Decision

	// Model is what the caller asked for resolved; Candidates are its targets
	// that policy, operation and price allow, in configured order.
	Model      *Model
	Candidates []Candidate
	Plan       Plan

	// What dispatch did.
	Attempts []Attempt
	Target   *Target // that answered, or was tried last
	Status   int     // HTTP status given to the caller
	Err      *wire.Error
	Streamed bool
	Events   int64  // streamed so far
	Dropped  []byte // parameters that a translation could not carry, comma-separated

	// What it cost.
	Usage      wire.Usage
	Provenance Provenance
	Cost       int64 // nano-dollars
	Reserved   int64 // nano-dollars, the bound that was reserved

	Gone      Gone
	FirstByte time.Duration // from Received until the first byte of an answer, 0 if none
	Upstream  time.Duration // spent waiting for upstreams
	SentUp    bool          // bytes of the request have left for an upstream
}

// maxKeptBuf bounds what a pooled call holds on to.
const maxKeptBuf = 64 << 10

// Header reads one request header; the bytes are valid during the call only.
type Header interface{ Peek(name string) []byte }

// Upload is a body that was put aside, to be sent as often as attempts need it.
type Upload interface {
	// Size is its length in bytes.
	Size() int64
	// Send writes the bytes from from to to.
	Send(w io.Writer, from, to int64) error
}

// Reset readies c for the pool; it keeps the capacity of its slices.
func (c *Call) Reset() {
	clear(c.Candidates)
	clear(c.Attempts)
	Poison(c.Buf)
	Poison(c.Dropped)
	c.ID, c.Received, c.Op, c.Dialect, c.Remote, c.TLS = 0, time.Time{}, 0, 0, netip.Addr{}, false
	c.Method, c.Path, c.ContentType, c.Provider, c.Strict = "", "", "", "", false
	c.Upload, c.Receive, c.Whole = nil, nil, false
	c.Body, c.Header, c.Principal, c.Decision, c.Model = nil, nil, nil, nil, nil
	c.Candidates, c.Attempts, c.Dropped = c.Candidates[:0], c.Attempts[:0], c.Dropped[:0]
	c.Target, c.Status, c.Err, c.Streamed, c.Events = nil, 0, nil, false, 0
	c.Usage, c.Provenance, c.Cost, c.Reserved = wire.Usage{}, 0, 0, 0
	c.FirstByte, c.Upstream, c.SentUp = 0, 0, false
	if cap(c.Buf) > maxKeptBuf {
		c.Buf = nil
	}
	c.Buf = c.Buf[:0]
	c.Facts.Reset()
	c.Plan.Reset()
	c.Gone.Reset()
}

// Overhead is the time that the gateway itself has added so far.
func (c *Call) Overhead() time.Duration { return max(0, time.Since(c.Received)-c.Upstream) }

// Principal is who makes a request. It is immutable once published.
type Principal struct {
	KeyID   string // public part of the key: loggable
	KeyName string
	Org     string
	Project string
	Team    string
	User    string
	Env     string
	Roles   []string // sorted
	Attrs   map[string]string
	Budgets []Limit   // the key's own
	Expires time.Time // zero: never
}

// Unit is what a limit counts.
type Unit uint8

// The units of limits.
const (
	UnitUSD    Unit = iota // nano-dollars
	UnitTokens             // tokens of all buckets
	UnitRequests
)

// String returns the unit's name in policies.
func (u Unit) String() string {
	switch u {
	case UnitUSD:
		return "usd_nano"
	case UnitTokens:
		return "tokens"
	case UnitRequests:
		return "requests"
	}
	return "unit " + strconv.Itoa(int(u))
}

// Limit bounds a quantity within a window for a scope.
type Limit struct {
	Scope  string // "key/k-12", "team/core": whose counter it is
	Unit   Unit
	Window Window
	Max    int64
}

// Window is a calendar window in a time zone; Size counts units ("7 day").
type Window struct {
	Unit string // minute, hour, day, week, month, total
	Size int    // ≥ 1
	TZ   string // IANA name, "" is UTC
}

// Decision is what policy says of a request. It is immutable and shared
// between requests.
type Decision struct {
	Allow    bool
	Reasons  []Reason // why not, when Allow is false
	Revision string   // of the bundle

	MaxTokens  int64    // cap on the answer, 0: none
	Restricted bool     // Targets is a restriction, even when empty
	Targets    []string // eligible targets by name, sorted
	Filters    []string // required filters
	Limits     []Limit  // to hold beside the key's own
	Log        string   // "", "none", "metadata", "full"
	Cache      string   // "", "allow", "deny"
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

// Attempt is one try at one target.
type Attempt struct {
	Target   *Target
	Status   int        // upstream's HTTP status, 0 if there was none
	Class    wire.Class // ClassNone: it answered
	Duration time.Duration
	Cost     int64 // nano-dollars, for attempts that failed after they had consumed something
}
