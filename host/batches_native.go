package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"runtime/debug"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/batch"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/filter"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// nativeBatches has providers carry out batches of their own.
type nativeBatches struct{ h *Host }

// errands is who the gateway is to providers that work on a batch for it.
var errands = internal("batches")

// Books implements batch.Native.
func (n nativeBatches) Books() batch.Books { return nativeBooks(n) }

// Plan implements batch.Native: what the way of a request comes to, up to where
// it would leave.
func (n nativeBatches) Plan(r *batch.Request) (out batch.Plan, err *wire.Error) {
	h := n.h
	c := h.New()
	f := c.Owner.(*flight)
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("BUG: the plan of a batch's request panicked", "request", c.ID, "panic", p, "stack", string(debug.Stack()))
			err = wire.Errorf(500, "internal_error", "the gateway failed at this request")
		}
		f.finished = true // nothing of it has left
		h.Done(c)
	}()
	h.bind(f)
	c.Received = time.Now()
	c.ID = h.ids.Next(c.Received)
	out.ID, out.Reservation = c.ID, h.ids.Next(c.Received)
	in := &innerCall{Principal: r.Principal, Op: r.Op, Dialect: r.Dialect, Model: r.Model, Body: r.Body, Origin: "batch/" + r.Batch, Low: true}
	in.apply(f)
	if err := permitOp(r.Principal, r.Op); err != nil {
		return out, err
	}
	if err := scan.Operation(&f.Facts, f.Op, f.Dialect, f.Body); err != nil {
		return out, err
	}
	if r.Model != "" {
		f.Facts.Model = []byte(r.Model)
	}
	if h.own(f) != nil {
		out.Not = "the gateway itself answers some of its requests"
		return out, nil
	}
	return h.planNative(f, out)
}

// planNative takes f as far as its first target.
func (h *Host) planNative(f *flight, out batch.Plan) (batch.Plan, *wire.Error) {
	err := h.resolve(f)
	if err == nil {
		err = h.decide(f)
	}
	if err == nil {
		out.Not, err = f.unlike()
	}
	if err != nil || out.Not != "" {
		return out, err
	}
	for _, stage := range [...]func() *wire.Error{
		func() *wire.Error { return h.filter(f) }, func() *wire.Error { return h.candidates(f) }, f.narrow, f.fit,
		func() *wire.Error { return f.gen.plan(f) },
	} {
		if err := stage(); err != nil {
			return out, err
		}
	}
	if f.Plan.N == 0 {
		out.Not = "the route of some of its requests has no target"
		return out, nil
	}
	cand := &f.Candidates[f.Plan.Attempts[0].Index]
	t, p := cand.Target, cand.Target.Provider
	kind, why := batchKindOf(p, f.Op, f.Dialect)
	if kind == nil {
		out.Not = why
		return out, nil
	}
	out.Shape = kind.shape
	out.Provider, out.Asked, out.Target = p.Name, f.Model.Name, t.Name
	if f.chain != nil {
		out.Chain = f.chain
	}
	out.Price = batchPrice(t.Price.At(f.Received))
	out.Need = [...]int64{0, cand.Tokens, 1}
	if out.Price != nil {
		bound, err := meter.Bound(out.Price, f.terms())
		if err != nil && f.chain.Bounds(call.UnitUSD) && !(f.gen.allowUnpriced && err.Code == "model_unpriced") {
			return out, err
		}
		out.Need[call.UnitUSD] = bound
	}
	out.Body, err = kind.body(f, t)
	return out, err
}

// batchKind is a kind of batches that providers have.
type batchKind struct {
	shape   batch.Shape
	needs   []provided   // of a provider that has it
	dialect wire.Dialect // of its requests, NoDialect: each batch's own
}

// provided is something that a provider may serve.
type provided struct {
	op      wire.Op
	dialect wire.Dialect
}

var batchKinds = [...]batchKind{
	{batch.Files, []provided{{wire.OpFiles, wire.OpenAIFiles}, {wire.OpBatches, wire.OpenAIBatches}}, wire.NoDialect},
	{batch.Messages, []provided{{wire.OpBatches, wire.AnthropicMessages}, {wire.OpChat, wire.AnthropicMessages}}, wire.AnthropicMessages},
}

// batchKindOf is the kind of batches that p has for requests of op in dialect
// d, nil: none, and why.
func batchKindOf(p *call.Provider, op wire.Op, d wire.Dialect) (_ *batchKind, why string) {
	why = fmt.Sprintf("provider %q, where some of its requests go, has none", p.Name)
	for i := range batchKinds {
		k := &batchKinds[i]
		if slices.ContainsFunc(k.needs, func(n provided) bool { return p.Endpoint(n.op, n.dialect) == nil }) {
			continue
		}
		if k.takes(p, op, d) {
			return k, ""
		}
		why = fmt.Sprintf("provider %q speaks another dialect than some of its requests", p.Name)
	}
	return nil, why
}

// own is the dialect that a batch has requests in which come in d.
func (k *batchKind) own(d wire.Dialect) wire.Dialect {
	if k.dialect != wire.NoDialect {
		return k.dialect
	}
	return d
}

// takes reports whether requests of op in dialect d can be in a batch of p.
func (k *batchKind) takes(p *call.Provider, op wire.Op, d wire.Dialect) bool {
	own := k.own(d)
	if ep := p.Endpoint(op, own); ep == nil || !ep.Direct() {
		return false
	}
	_, translates := wire.Translate(d, own)
	return own == d || op == wire.OpChat && translates
}

// body is what a batch has of f that goes to t.
func (k *batchKind) body(f *flight, t *call.Target) ([]byte, *wire.Error) {
	own := k.own(f.Dialect)
	ep := t.Provider.Endpoint(f.Op, own)
	if own == f.Dialect {
		return dispatch.Body(&f.Call, t, ep), nil
	}
	tr, _ := wire.Translate(f.Dialect, own)
	body, _, err := tr.Request(nil, dispatch.Body(&f.Call, t, t.Provider.Endpoint(f.Op, f.Dialect)), ep.Upstream(t.Model))
	if err == nil {
		return body, nil
	}
	var said *wire.Error
	if errors.As(err, &said) {
		return nil, said
	}
	return nil, wire.Errorf(400, "invalid_request", "the request cannot be translated: %v", err)
}

// unlike says what of a request no batch of a provider does.
func (f *flight) unlike() (string, *wire.Error) {
	switch string(f.Facts.ServiceTier) {
	case "", "auto", "default":
	default:
		return "some of its requests ask for a service_tier", nil
	}
	if f.Facts.Stream {
		return "some of its requests ask for a stream", nil
	}
	if len(f.Decision.Filters) == 0 && len(f.Model.Filters) == 0 {
		return "", nil
	}
	chain, err := f.chainOf()
	if err == nil && slices.ContainsFunc(chain, func(l filter.Link) bool { return l.Answer }) {
		return "filters look at the answers to some of its requests", nil
	}
	return "", err
}

// batchPrice is what a request costs in a batch: half where nothing else is known.
func batchPrice(p *call.Price) *call.Price {
	switch {
	case p == nil:
		return nil
	case p.Batch != nil:
		p = p.Batch
	default:
		p = p.Scaled(500)
	}
	q := *p
	q.Batch, q.Flex, q.Priority, q.Next = nil, nil, nil, nil // it is the price of a tier
	return &q
}

// Do implements batch.Native.
func (n nativeBatches) Do(ctx context.Context, e *batch.Errand) ([]byte, *wire.Error) {
	in := &innerCall{Principal: errands, Op: e.Op, Dialect: e.Dialect, Method: e.Method, Path: e.Path, Provider: e.Provider,
		Body: e.Body, Origin: "batch/" + e.Batch, Decision: permitted, Once: true, Low: true}
	if e.File != nil {
		form, err := newSentForm(e.File)
		if err != nil {
			return nil, wire.Errorf(500, "internal_error", "cannot make a form: %v", err)
		}
		in.Form = form
	}
	if e.Into == nil {
		out, err := n.h.inner(ctx, in)
		return out.Body, err
	}
	out, err := n.h.innerStream(ctx, in, e.Into)
	if err == nil && len(out.Body) > 0 { // it did not stream
		if _, werr := e.Into.Write(out.Body); werr != nil {
			err = wire.Errorf(502, "stream_interrupted", "the answer could not be taken")
		}
	}
	return nil, err
}

// sentForm is a file of requests as the form that it is uploaded in, or as it is.
type sentForm struct {
	head, tail []byte
	file       *batch.Sent
}

func newSentForm(file *batch.Sent) (*innerForm, error) {
	facts := func(f *scan.Facts) { f.Reset() }
	if file.Type != "" {
		return &innerForm{ContentType: file.Type, Upload: &sentForm{file: file}, Facts: facts}, nil
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("purpose", "batch"); err != nil {
		return nil, err
	}
	if _, err := w.CreateFormFile("file", file.Name); err != nil {
		return nil, err
	}
	s := &sentForm{file: file}
	s.head = bytes.Clone(b.Bytes())
	if err := w.Close(); err != nil {
		return nil, err
	}
	s.tail = bytes.Clone(b.Bytes()[len(s.head):])
	return &innerForm{ContentType: w.FormDataContentType(), Upload: s, Facts: facts}, nil
}

// Size implements call.Upload.
func (s *sentForm) Size() int64 { return int64(len(s.head)) + s.file.Size + int64(len(s.tail)) }

// Send implements call.Upload.
func (s *sentForm) Send(w io.Writer, from, to int64) error {
	file, err := s.file.Open(min(max(0, from-int64(len(s.head))), s.file.Size))
	if err != nil {
		return err
	}
	defer file.Close()
	skipped := min(from, int64(len(s.head)))
	behind := max(0, from-int64(len(s.head))-s.file.Size)
	all := io.MultiReader(bytes.NewReader(s.head[skipped:]), file, bytes.NewReader(s.tail[behind:]))
	_, err = io.CopyN(w, all, to-from)
	return err
}
