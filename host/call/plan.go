package call

import "time"

// MaxCandidates is the most targets that a route module is asked to order.
const MaxCandidates = 64

// Plan is the order in which a request's candidates are tried.
type Plan struct {
	N        int // attempts in use
	Attempts [MaxCandidates]PlannedAttempt
	Code     uint32 // not 0: the module refuses the request, with this code
	reason   [128]byte
	reasonN  int
	Route    string // module@version that made it, "builtin" for the built-in order
	Declined string // module@version that left it to the built-in order
}

// PlannedAttempt is one step of a plan. Zero durations mean the dispatcher's own.
type PlannedAttempt struct {
	Index      uint8  // into the call's candidates
	Flags      uint32 // Attempt…
	Timeout    time.Duration
	Hedge      time.Duration
	Backoff    time.Duration
	BackoffMax time.Duration
}

// AttemptCheck in an attempt's flags: another one follows when the answer is
// empty, cut short or not of the form that was asked for.
const AttemptCheck = 1

// Reset empties p without clearing what N hides.
func (p *Plan) Reset() { p.N, p.Code, p.reasonN, p.Route, p.Declined = 0, 0, 0, "", "" }

// SetReason keeps a copy of the first 128 bytes of reason.
func (p *Plan) SetReason(reason []byte) { p.reasonN = copy(p.reason[:], reason) }

// Reason is why the module chose so; the bytes are valid until Reset.
func (p *Plan) Reason() []byte { return p.reason[:p.reasonN] }
