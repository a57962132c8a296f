package call

import (
	"errors"
	"time"
)

// File is one that a tenant has put with the gateway.
type File struct {
	ID, Tenant, Name, Purpose string
	Size                      int64
	SHA256                    string    // of its bytes, hexadecimal
	Created, Expires          time.Time // Expires zero: never
}

// ErrNoFile says that a tenant has no such file.
var ErrNoFile = errors.New("there is no such file")

// ErrFileUsed says that a batch which is not over needs the file.
var ErrFileUsed = errors.New("the file is the input of a batch that is not over")

// ErrNoBatch says that there is no such batch.
var ErrNoBatch = errors.New("there is no such batch")

// The states of a batch, by OpenAI's names.
const (
	BatchValidating = "validating"
	BatchFailed     = "failed"
	BatchRunning    = "in_progress"
	BatchFinalizing = "finalizing"
	BatchCompleted  = "completed"
	BatchExpired    = "expired"
	BatchCancelling = "cancelling"
	BatchCancelled  = "cancelled"
)

// Batch is a file of requests that the gateway carries out in its own time.
type Batch struct {
	ID, Tenant, Key, KeyName string // Key: the id of the one whose rights its lines have
	Endpoint                 string // "/v1/chat/completions"
	Window                   string // as the caller wrote it: "24h"
	Input, Output, Errors    string // ids of files, "": there is none
	State                    string
	Metadata                 []byte // JSON, nil: none
	Faults                   []byte // JSON list of why it failed, nil: it did not
	OutputLife               int64  // seconds that its results are kept, 0: as configured
	Lines, Done, Failed      int64  // Done: answered well
	Unsent                   int64  // that nobody has carried out, once it is over
	Cost                     int64  // nano-dollars, so far

	Mode   string  // who carries it out: BatchAuto until that is decided
	Native *Native // what a provider does of it, nil: the gateway does it all
	Why    string  // it is not left to a provider, "": nobody looked, or it is

	Created, Begun, Finalizing, Completed, Broken, Expires, Expired, Cancelling, Cancelled time.Time // zero: it has not come to that
}

// Who carries batches out.
const (
	BatchGateway = "gateway" // the gateway, request by request
	BatchNative  = "native"  // a provider, as a batch of its own
	BatchAuto    = "auto"    // a provider if one can, else the gateway
)

// Native is a batch in the hands of a provider.
type Native struct {
	Provider string
	Shape    string // the kind of its batches, as host/batch has them
	Stage    NativeStage
	Input    string // the file of what is sent to it
	Size     int64  // of that, where it is sent with the order
	File     string // that file, and all that follows, as the provider calls it
	Batch    string
	Output   string
	Errors   string
	State    string // in the provider's words
	Total    int64
	Done     int64
	Failed   int64
	Polls    int
	Planned  time.Time
	Asked    time.Time // when the batch was asked for first
	Groups   []NativeGroup

	Org, Project, Team, User string // that it is for
}

// NativeStage is how far it is.
type NativeStage string

// The stages.
const (
	NativeReserving NativeStage = "reserving" // it is about to be paid for
	NativeUploading NativeStage = "uploading" // it is paid for
	NativeCreating  NativeStage = "creating"  // the provider has the file, and may have the batch
	NativeWaiting   NativeStage = "waiting"   // it has
	NativeFetching  NativeStage = "fetching"  // and is done
	NativeOver      NativeStage = "over"      // what it has cost is settled
)

// NativeGroup are the requests of a batch that one reservation is for.
type NativeGroup struct {
	ID            ID     // of the reservation
	Asked, Target string // model
	Lines         int64
	Need          [3]int64 // the most that they can take, by unit
	Price         *Price   // nil: none is known
}

// Over reports whether nothing becomes of b any more.
func (b *Batch) Over() bool {
	switch b.State {
	case BatchFailed, BatchCompleted, BatchExpired, BatchCancelled:
		return true
	}
	return false
}

// Ended is when b was over, zero: it is not.
func (b *Batch) Ended() time.Time {
	for _, t := range [...]time.Time{b.Completed, b.Broken, b.Expired, b.Cancelled} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// Counts are how many of b's requests were answered well and not, as far as is
// known: its provider tells before the answers are here.
func (b *Batch) Counts() (done, failed int64) {
	if n := b.Native; n != nil && n.Stage == NativeWaiting {
		return n.Done, b.Failed + n.Failed
	}
	return b.Done, b.Failed
}

// Chunk is a part of a batch that one worker takes at a time. Number -1 is
// what goes before and after all lines.
type Chunk struct {
	Batch        string
	Number       int
	First, Lines int   // of the input file
	From, To     int64 // bytes of it
	Done         bool
	Node         string // that works on it, "": none
}

// Line is what is known of one request of a batch. One that nobody has sent
// has none.
type Line struct {
	Number int
	State  LineState
	Token  string // of the worker that sent it
	Out    []byte // its line of the output or error file
	Cost   int64  // nano-dollars
}

// LineState says how far a request is.
type LineState uint8

// The states of a line.
const (
	LineSent   LineState = iota // it was about to be, and no answer is known
	LineDone                    // it was answered well
	LineFailed                  // it was not
)

// Step is a piece of work on a batch.
type Step struct {
	Batch string `json:"batch"`
	Chunk int    `json:"chunk"`
	// Try tells it from the same step in the hands of one who has died.
	Try int64 `json:"try,omitempty"`
}

// FilesQuery asks for a page of a tenant's files or batches.
type FilesQuery struct {
	Tenant    string // "": of all
	Purpose   string // of files, "": any
	Prefix    string // of ids of batches, "": any
	After     string // the id before the page, "": from the beginning
	Most      int
	Ascending bool // oldest first
}
