package store

import (
	"errors"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Key is a virtual key as it is kept: never the secret itself.
type Key struct {
	call.Principal
	MAC     []byte // HMAC of the secret under the pepper
	Created time.Time
	Revoked time.Time // zero: it is live

	Previous []byte    // HMAC of the secret before it was rotated, empty: there was none
	Until    time.Time // the previous secret counts
	Rotated  time.Time // zero: never
	Used     time.Time // last, to about a minute; zero: never

	Damaged error // why not all of it could be read: it must not be let in
}

// The errors of keys that callers tell apart.
var (
	ErrKeyExists  = errors.New("a live key has this name or id already")
	ErrKeyUnknown = errors.New("no live key has this name or id")
)

// Credential is a provider's secret as it is kept: sealed.
type Credential struct {
	Provider, Name string
	Sealed         []byte
	Weight         int
	Created        time.Time
	Retires        time.Time // zero: never; after it, it is gone
}

// The errors of credentials that callers tell apart.
var (
	ErrCredentialExists  = errors.New("the provider has a credential of this name already")
	ErrCredentialUnknown = errors.New("the provider has no credential of this name in the store")
)

// Node is one gateway process with its own data directory.
type Node struct {
	ID      string // random, kept in its directory
	Number  int    // 0–1023, part of the ids of its requests
	Name    string
	Version string // of the program
	Epoch   int64  // how often it has started
	Started time.Time
	Seen    time.Time
	Fenced  time.Time // zero: it is not
}

// ErrUnavailable says that the store did not answer in time, or has not for a
// while and was not asked.
var ErrUnavailable = errors.New("the database is slow or gone")

// The errors of nodes that callers tell apart.
var (
	ErrFenced  = errors.New("this node has been fenced: what it had leased is others' now; give it a new data directory")
	ErrTaken   = errors.New("another process has started with a copy of this node's data directory: give each its own")
	ErrNumbers = errors.New("all 1024 numbers of nodes are taken: fence nodes that are gone for good, and wait a day")
)

// Account is what of one budget, in one window or bucket of one that rolls, is
// leased or spent: nano-dollars, tokens or requests.
type Account struct {
	Row        int64
	Scope      string
	Window     string // "1 day Europe/Berlin", "tokens 1 day rolling"
	Start, End time.Time
	Max        int64 // the limit as it was asked for last
	Granted    int64 // out of the bank, leased or spent
	Leases     []Lease
}

// Lease is what a node has of an account beside what it has spent, as it told last.
type Lease struct {
	Node     string `json:"node,omitempty"` // its id, "" where there is but one
	Held     int64  `json:"held"`           // not reserved
	Reserved int64  `json:"reserved"`       // by running requests
}
