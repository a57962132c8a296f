package call

import (
	"errors"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// UsageQuery asks what the ledger sums up to.
type UsageQuery struct {
	By       []string      // dimensions, of Dimensions; none: one row of all
	Where    []UsageFilter // all of them hold
	From, To time.Time     // From ≤ t < To; zero: unbounded
	Zone     *time.Location
}

// UsageFilter keeps what has, or has not, one of the values.
type UsageFilter struct {
	By     string
	Not    bool
	Values []string
}

// Usage is the answer to a UsageQuery.
type Usage struct {
	Source string // "sums": of hours and days; "requests": of single requests
	Rows   []UsageRow
}

// UsageRow is what requests of the same values come to.
type UsageRow struct {
	Keys     []string // the values, as By has it
	Requests int64
	Errors   int64 // failed or refused
	Refused  int64 // by the gateway itself
	Usage    wire.Usage
	Cost     int64 // nano-dollars, as all that follow; they are parts of it
	Reported int64 // by providers
	Computed int64 // of reported usage
	Estimate int64
	Saved    int64 // by caches: beside the cost
}

// Add adds what v comes to.
func (r *UsageRow) Add(v *UsageRow) {
	to := r.Figures()
	for i, n := range v.Figures() {
		*to[i] += *n
	}
}

// NumFigures is how many figures a UsageRow has.
const NumFigures = 8 + wire.NumBuckets

// Figures are all numbers of r in one order: requests, errors, refused, cost,
// its parts, what was saved, and the buckets of usage.
func (r *UsageRow) Figures() (f [NumFigures]*int64) {
	copy(f[:], []*int64{&r.Requests, &r.Errors, &r.Refused, &r.Cost, &r.Reported, &r.Computed, &r.Estimate, &r.Saved})
	buckets := r.Usage.Buckets()
	copy(f[8:], buckets[:])
	return f
}

// Dimensions are what usage can be asked by. Those of time come last but two;
// of the last two only single requests know.
var Dimensions = []string{"key", "key_id", "org", "project", "team", "user", "model", "provider", "asked", "origin", "cached", "op", "dialect", "stream",
	"route", "policy", "status", "class", "code", "provenance", "result", "hour", "day", "week", "month", "minute", "address"}

// ErrUsageGone says that what a query needs is no longer kept, and until when.
var ErrUsageGone = errors.New("is no longer kept")

// ErrUsageGroups says that an answer would have too many rows.
var ErrUsageGroups = errors.New("there are too many groups")

// RequestsQuery asks for single requests of the ledger, in order of their ids,
// or with Newest in the opposite one.
type RequestsQuery struct {
	ID       ID            // this one alone, 0: any
	After    ID            // those after it
	Before   ID            // those before it, 0: any
	Parent   ID            // those that this one has made, 0: any
	From, To time.Time     // From ≤ t < To; zero: unbounded
	Where    []UsageFilter // all of them hold
	Limit    int           // at most, 0: all
	Newest   bool
}

// LedgerRow is a request as the ledger has it.
type LedgerRow struct {
	ID    ID
	Count int64 // requests that it stands for: more than one where rows were left out

	KeyID, KeyName, Org, Project, Team, User  string
	Op, Dialect, Asked, Target, Route, Policy string
	Stream                                    bool
	Status                                    int64
	Class, Code, Provenance, Address          string
	DurationUS, OverheadUS, TTFTUS            int64
	Usage                                     wire.Usage
	Cost, Computed, Reserved                  int64  // nano-dollars
	Attempts                                  []byte // JSON, nil: one or none

	Parent         ID     // the request that made this one, 0: a caller did
	Origin, Cached string // what of it; whose answer it was given
	Saved          int64  // nano-dollars
}

// Retention says from which time on what is kept; zero keeps all.
type Retention struct {
	Requests time.Time // rows of the ledger
	Hours    time.Time // its sums by hour; those before become sums of days
	Objects  time.Time // whose what is that providers keep: made or named last
	Keys     time.Time // that were revoked
	Pledges  time.Time // that were redeemed
}
