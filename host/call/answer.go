package call

import (
	"io"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Answer is what a caller gets: a complete body, or a stream.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte // complete; valid until the call ends
	Stream      Stream // nil: Body is all
	RetryAfter  time.Duration
	Header      [][2]string // beside what all answers tell
}

// Stream writes an answer as it arrives from upstream. With status 101 it is a
// session that goes both ways, and WriteTo is given the caller's net.Conn. WriteTo returns nil
// only when the whole answer was written; any error means that the caller's
// connection must be cut, so that a part never looks like the whole. Close
// must be called once, also after WriteTo; it ends the upstream request.
type Stream interface {
	WriteTo(w io.Writer) (int64, error)
	Close() error
}

// Interruptible is something that a call waits on: a connection whose reads
// and writes fail at once after SetDeadline with a time in the past.
type Interruptible interface{ SetDeadline(t time.Time) error }

// Gone tells a running call that its caller has left, or may not stay. The zero
// Gone is ready.
type Gone struct {
	mu   sync.Mutex
	left bool
	who  *Principal  // whose answer streams, nil: it does not
	why  *wire.Error // may not stay
	on   Interruptible
	done chan struct{}
	stay func() bool // others want the answer, nil: nobody else does
	late bool        // the caller has left, and others stayed
}

// Leave marks the caller as gone and interrupts what the call waits on.
func (g *Gone) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.part()
}

// part lets the caller go, unless others want its answer.
func (g *Gone) part() {
	if g.stay != nil && g.stay() {
		g.late = true
		return
	}
	g.leave()
}

// Streams says that the answer streams from now on, to who.
func (g *Gone) Streams(who *Principal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.who = who
}

// Recheck has a caller whose answer streams leave if may says why it must not
// stay. It returns what Why does.
func (g *Gone) Recheck(may func(*Principal) *wire.Error) *wire.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.who == nil || g.left || g.why != nil {
		return g.why
	}
	if g.why = may(g.who); g.why != nil {
		g.part()
	}
	return g.why
}

// Why is what a caller is told that may not stay, nil: it may.
func (g *Gone) Why() *wire.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

// Stay makes Leave wait while wanted says that others want the answer; nil ends
// that.
func (g *Gone) Stay(wanted func() bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stay = wanted
}

// Again lets a caller go that has left while others stayed.
func (g *Gone) Again() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.late && (g.stay == nil || !g.stay()) {
		g.leave()
	}
}

func (g *Gone) leave() {
	if g.left {
		return
	}
	g.left = true
	if g.on != nil {
		_ = g.on.SetDeadline(time.Unix(1, 0)) // the waiter sees the error
	}
	if g.done != nil {
		close(g.done)
	}
}

// Left reports whether the caller has gone, or had to go.
func (g *Gone) Left() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.left
}

// Hold makes Leave interrupt on until Free; false means the caller has left already.
func (g *Gone) Hold(on Interruptible) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.on = on
	return !g.left
}

// Free ends Hold: after it, Leave touches what was held no more.
func (g *Gone) Free() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.on = nil
}

// Done returns a channel that is closed when the caller leaves.
func (g *Gone) Done() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done == nil {
		g.done = make(chan struct{})
		if g.left {
			close(g.done)
		}
	}
	return g.done
}

// Reset readies g for another call.
func (g *Gone) Reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left, g.on, g.done, g.stay, g.late, g.who, g.why = false, nil, nil, nil, false, nil, nil
}
