package call

import "github.com/signalbox-ai/signalbox/sdk/wire"

// Record is what the ledger keeps of a request. Strings may refer to immutable
// configuration or to the call; the ledger encodes the record before it returns.
type Record struct {
	ID         ID
	DurationUS int64
	OverheadUS int64 // of the gateway itself
	TTFTUS     int64 // until the first byte of the answer, 0 if none

	Op      wire.Op
	Dialect wire.Dialect
	Stream  bool

	KeyID, KeyName           string
	Org, Project, Team, User string

	Asked    string // the model name that the caller used
	Target   string // provider/model that answered or was tried last, "" if none
	Status   int
	Class    wire.Class
	Code     string // of the error, "" if none
	Attempts []Attempt

	Usage      wire.Usage
	Cost       int64 // nano-dollars
	Computed   int64 // nano-dollars: what the catalogue makes of usage whose cost the provider told, else 0
	Reserved   int64 // nano-dollars
	Provenance Provenance

	Route  string // module@version
	Policy string // bundle revision

	Parent ID     // the request that made this one, 0: a caller did
	Origin string // what of it, as Call has it
	Cached Cached
	Saved  int64 // nano-dollars that Cached has spared

	Address string // of a caller who showed no valid key, else ""
	Count   int64  // requests that the record stands for, 0: 1
}

// Requests is how many requests r stands for.
func (r *Record) Requests() int64 { return max(r.Count, 1) }
