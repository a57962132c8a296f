package host

import (
	"context"
	"io"
	"runtime/debug"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// innerCall is a request that the gateway makes of itself: it takes the way of
// any other, with a record of its own.
type innerCall struct {
	Principal *call.Principal
	Op        wire.Op
	Dialect   wire.Dialect
	Model     string // "": the body names it
	Body      []byte // not to be changed until inner returns

	// Parent is the request that this one is part of, nil: none is. It has
	// come from where that has.
	Parent *call.Call
	// Origin says what makes it, as call.Call has it.
	Origin string
	// Form is a body of several parts, in place of Body, nil: Body is all.
	Form *innerForm
	// Method and Path are those of operations that have paths of their own,
	// Provider whom one that names no model is for.
	Method, Path, Provider string
	// Purse has to cover what is asked, beside the caller's budgets, nil: there
	// is none.
	Purse purse
	// Granted: the key's list of models does not bound this one.
	Granted bool

	// Before is called once, before a byte of it leaves: its error is what comes
	// of the call, nil: nobody wants to know. Low: all others come first.
	Before func() *wire.Error
	Low    bool

	// Target is the only one to be asked, nil: those of the model.
	Target *call.Target
	// Decision stands in for policy's, nil: policy is asked. Limits of money,
	// rates and filters hold where policy is asked alone.
	Decision *call.Decision
	// Once: nothing is tried again, and nothing waited for.
	Once bool
	// Timeout is how long a target has to begin its answer, 0: as for others.
	Timeout time.Duration
}

// innerForm is a form that is sent: its type with the boundary, what of it
// counts for routing and money, and its bytes.
type innerForm struct {
	ContentType string
	Facts       func(*scan.Facts)
	Upload      call.Upload
}

// purse is what an inner call may spend. It is safe for concurrent use.
type purse interface {
	// Hold keeps nano-dollars for one call, beside what it holds already.
	Hold(nano int64) *wire.Error
	// Settle gives back what was held for a call, which has cost so much.
	Settle(held, cost int64)
}

// innerAnswer is what came of an innerCall.
type innerAnswer struct {
	ID       call.ID
	Status   int
	Body     []byte // the caller's to keep; nil of a stream that was handed on
	Usage    wire.Usage
	Cost     int64           // nano-dollars
	Sure     call.Provenance // of Cost
	Attempts int
	Target   *call.Target
	Type     string // of the answer
}

// internal is the principal of what the gateway does by itself, under a name
// that no key can have.
func internal(name string) *call.Principal {
	return &call.Principal{KeyID: "signalbox/" + name, KeyName: "signalbox/" + name}
}

// internal reports whether the gateway asks for itself.
func (f *flight) internal() bool { return f.inner != nil && f.inner.Decision != nil }

// permitted is the decision of requests that policy is not asked about.
var permitted = &call.Decision{Allow: true, Revision: "internal"}

// innerAnswerMax bounds an answer that is streamed although nobody asked for that.
const innerAnswerMax = 16 << 20

// noHeader are the headers of a request that has none.
type noHeader struct{}

func (noHeader) Peek(string) []byte { return nil }

// lowHeader are those of one that all others come before.
type lowHeader struct{}

func (lowHeader) Peek(name string) []byte {
	if name == "X-Signalbox-Priority" {
		return lowPriority
	}
	return nil
}

var lowPriority = []byte("low")

// inner makes a request and reads its whole answer. It ends early with ctx. A
// panic ends the request alone.
func (h *Host) inner(ctx context.Context, in *innerCall) (out innerAnswer, err *wire.Error) {
	return h.innerStream(ctx, in, nil)
}

// innerStream is inner, but an answer that streams goes to w as it comes. What
// w refuses ends the request. A nil w keeps all of it.
func (h *Host) innerStream(ctx context.Context, in *innerCall, w io.Writer) (out innerAnswer, err *wire.Error) {
	c := h.New()
	f := c.Owner.(*flight)
	defer h.Done(c)
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("BUG: an inner request panicked", "request", c.ID, "panic", p, "stack", string(debug.Stack()))
			err = wire.Errorf(500, "internal_error", "the gateway failed at this request")
		}
	}()
	left := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { c.Gone.Leave(); close(left) })
	defer func() {
		if !stop() {
			<-left // before the call is another's
		}
	}()

	h.bind(f)
	c.Received = time.Now()
	c.ID = h.ids.Next(c.Received)
	in.apply(f)
	f.follow()
	ans, err := h.innerAnswer(f)
	out = innerAnswer{ID: c.ID, Status: ans.Status, Type: ans.ContentType}
	if ans.Stream != nil {
		out.Body, err = handOn(ans.Stream, w)
	} else if err == nil {
		ans, err = f.filterAnswer(ans)
		out.Body = append([]byte(nil), ans.Body...)
	}
	if c.Err == nil { // a stream that has ended has said why
		c.Err = err
	}
	h.Finish(c) // of a stream it has been called
	if ans.Stream == nil && f.recall.keeps() {
		h.remember(f, out.Type, out.Body, false)
	}
	out.Usage, out.Cost, out.Sure, out.Target, out.Attempts = c.Usage, c.Cost, c.Provenance, c.Target, len(c.Attempts)
	return out, c.Err
}

// apply makes f the request that in asks for.
func (in *innerCall) apply(f *flight) {
	c := &f.Call
	c.Op, c.Dialect, c.Principal, c.Body, c.Header = in.Op, in.Dialect, in.Principal, in.Body, noHeader{}
	c.Method, c.Path, c.Provider, c.Once, c.Origin, f.inner = in.Method, in.Path, in.Provider, in.Once, in.Origin, in
	if p := in.Parent; p != nil {
		c.Parent, c.Remote, c.TLS, c.Priority, c.Strict = p.ID, p.Remote, p.TLS, p.Priority, p.Strict
	}
	if in.Low {
		c.Header = lowHeader{}
	}
	if in.Form != nil {
		c.ContentType, c.Upload = in.Form.ContentType, in.Form.Upload
	}
}

func (h *Host) innerAnswer(f *flight) (call.Answer, *wire.Error) {
	if form := f.inner.Form; form != nil {
		form.Facts(&f.Facts)
	} else if len(f.Body) == 0 && modelless(f.Op) {
		f.Facts.Reset()
	} else if err := scan.Operation(&f.Facts, f.Op, f.Dialect, f.Body); err != nil {
		return call.Answer{}, err
	}
	if f.inner.Model != "" {
		f.Facts.Model = []byte(f.inner.Model)
	}
	if own := h.own(f); own != nil {
		return own(f)
	}
	if err := h.prepare(f); err != nil {
		return call.Answer{}, err
	}
	for i := range f.Plan.N {
		if f.inner.Timeout > 0 {
			f.Plan.Attempts[i].Timeout = f.inner.Timeout
		}
	}
	return h.fetch(f)
}

// target makes the one target of an inner call what it asks for.
func (in *innerCall) target(f *flight) {
	f.Model = &call.Model{Name: in.Target.Name, Targets: []*call.Target{in.Target}}
}

// handOn writes the whole of an answer that came as a stream to w, or keeps it
// where w is nil.
func handOn(s call.Stream, w io.Writer) (kept []byte, _ *wire.Error) {
	var b capped
	if w == nil {
		w = &b
	}
	_, err := s.WriteTo(w)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return b.kept, wire.Errorf(502, "stream_interrupted", "the answer broke off")
	}
	return b.kept, nil
}

// capped keeps what is written to it, up to innerAnswerMax.
type capped struct{ kept []byte }

func (b *capped) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) > innerAnswerMax {
		return 0, io.ErrShortWrite
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}
