package host

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/batch"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/tenant"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// desk is where batches are worked on; it is opened once somebody needs it.
type desk struct {
	mu      sync.Mutex
	open    *batch.Desk
	serving bool // batches may be worked on
	working bool // and are
}

// own is what policy knows the gateway's own files and batches by, where those
// of providers have the provider's name.
var ownModel = &call.Model{Name: "signalbox" + anyOf}

// ownBatches serves files and batches that no provider is named for, and all
// batches of messages.
func (h *Host) ownBatches(f *flight) serving {
	if f.inner != nil || f.Provider != "" && f.Dialect != wire.AnthropicMessages {
		return nil
	}
	return h.serveBatches
}

// serveBatches serves the gateway's own files and batches.
func (h *Host) serveBatches(f *flight) (call.Answer, *wire.Error) {
	if f.Provider != "" {
		e := wire.Errorf(400, "provider_not_possible", "batches of messages are kept by the gateway, whichever provider's models they ask: leave x-signalbox-provider out")
		e.Param = "provider"
		return call.Answer{}, e
	}
	f.Model = ownModel
	h.sample(f)
	err := h.decide(f)
	if err == nil {
		err = h.rate(f)
	}
	if err != nil {
		return call.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.gen.cfg.Limits.Deadline)
	defer cancel()
	d, failed := h.batches(ctx, true)
	if failed != nil {
		return call.Answer{}, h.storeFailed(f, failed, "files and batches cannot be reached now: try again later")
	}
	owner := batch.Owner{Tenant: tenant.Of(f.Principal), Key: f.Principal.KeyID, KeyName: f.Principal.KeyName}
	ask := &batch.Ask{Method: f.Method, Path: f.Path, Body: f.Body, ContentType: f.ContentType, Upload: f.Upload, Wish: string(f.Header.Peek("X-Signalbox-Batch")), Base: f.base()}
	if f.Op == wire.OpFiles {
		r, err := d.Files(ctx, owner, ask)
		return h.batchAnswer(f, r), err
	}
	if f.Principal.Auth != "key" && f.Method == "" && !cancels(f.Path) {
		return call.Answer{}, wire.Errorf(403, "batches_need_key", "a batch goes on long after a token has expired: make it with a key")
	}
	serve := d.Batches
	if f.Dialect == wire.AnthropicMessages {
		serve = d.Messages
	}
	r, err := serve(ctx, owner, ask)
	return h.batchAnswer(f, r), err
}

// base is where the caller has asked, "": that is not known. A proxy before the
// gateway may have ended its TLS.
func (f *flight) base() string {
	host := f.Header.Peek("Host")
	if len(host) == 0 {
		return ""
	}
	if f.TLS || string(f.Header.Peek("X-Forwarded-Proto")) == "https" {
		return "https://" + string(host)
	}
	return "http://" + string(host)
}

func (h *Host) batchAnswer(f *flight, r batch.Result) call.Answer {
	f.Status = http.StatusOK
	if r.File != nil {
		f.Streamed = true
		return call.Answer{Status: http.StatusOK, ContentType: r.Type, Stream: &fileStream{h: h, f: f, r: r.File}}
	}
	return call.Answer{Status: http.StatusOK, ContentType: "application/json", Body: r.Body}
}

// fileStream is the content of a file on its way to the caller.
type fileStream struct {
	h *Host
	f *flight
	r io.ReadCloser
}

// WriteTo implements call.Stream.
func (s *fileStream) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, s.r)
	if err != nil {
		s.f.Err = wire.Errorf(502, "stream_interrupted", "the file could not be sent to its end")
	}
	s.h.Finish(&s.f.Call)
	return n, err
}

// Close implements call.Stream.
func (s *fileStream) Close() error {
	s.h.Finish(&s.f.Call)
	return s.r.Close()
}

// batches is the desk, which works from when the gateway serves. nil without
// make: there are no batches.
func (h *Host) batches(ctx context.Context, make bool) (*batch.Desk, error) {
	d := &h.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		s, err := h.store.Batches(ctx, make)
		if err != nil || s == nil {
			return nil, err
		}
		d.open = batch.New(s, batchGateway{h}, nativeBatches{h}, h.batchOptions, h.log)
	}
	if d.serving && !d.working {
		if err := d.open.Start(ctx); err != nil {
			d.open = nil // it is no good any more
			return nil, err
		}
		d.working = true
	}
	return d.open, nil
}

// startBatches goes on with what an earlier run, or another node, has left.
func (h *Host) startBatches(ctx context.Context) {
	h.desk.mu.Lock()
	h.desk.serving = true
	h.desk.mu.Unlock()
	if _, err := h.batches(ctx, false); err != nil {
		h.log.Error("cannot go on with batches: they are tried again with the next request for one", "err", err)
	}
}

// stopBatches waits for requests of batches that run, until ctx ends.
func (h *Host) stopBatches(ctx context.Context) error {
	h.desk.mu.Lock()
	h.desk.serving = false
	open := h.desk.open
	h.desk.mu.Unlock() // figures are asked for meanwhile
	return open.Stop(ctx)
}

func (h *Host) batchOptions() batch.Options {
	c := &h.gen.Load().cfg.Batches
	return batch.Options{MaxLines: c.MaxLines, MaxLine: int(c.MaxLine), MaxFile: int64(c.MaxFile), MaxFiles: int64(c.MaxFiles), MaxBatches: c.MaxBatches,
		Chunk: c.Chunk, Workers: c.Workers, Concurrency: c.Concurrency, Mode: c.Mode, Retry: c.OnInterrupt == "retry",
		Window: c.MaxWindow, KeepFiles: c.KeepFiles, KeepBatches: c.KeepBatches}
}

// batchGateway makes the requests of batches.
type batchGateway struct{ h *Host }

// Principal implements batch.Gateway.
func (g batchGateway) Principal(key string) (*call.Principal, *wire.Error) {
	return g.h.keys.Of(key, time.Now())
}

// Check implements batch.Gateway.
func (g batchGateway) Check(p *call.Principal, e *batch.Endpoint, model string) *wire.Error {
	if err := permitOp(p, e.Op); err != nil {
		return err
	}
	if model == "" {
		model = e.Model
	}
	if model == "" {
		return wire.Errorf(400, "missing_model", "the body names no model")
	}
	if _, err := g.h.gen.Load().model([]byte(model)); err != nil {
		return err
	}
	return auth.PermitModel(p, model)
}

func permitOp(p *call.Principal, op wire.Op) *wire.Error {
	if s := p.Scope; s != nil && (!s.HasOp(op) || s.ReadOnly) {
		e := wire.Errorf(403, "key_not_for_operation", "key %q may not be used for %s: use another key", p.KeyName, op)
		e.Class = wire.ClassPolicy
		return e
	}
	return nil
}

// Ask implements batch.Gateway.
func (g batchGateway) Ask(ctx context.Context, r *batch.Request, before func() *wire.Error) (batch.Reply, *wire.Error) {
	if err := permitOp(r.Principal, r.Op); err != nil {
		return batch.Reply{}, err
	}
	out, err := g.h.inner(ctx, &innerCall{Principal: r.Principal, Op: r.Op, Dialect: r.Dialect, Model: r.Model, Body: r.Body,
		Origin: "batch/" + r.Batch, Low: true, Before: before})
	reply := batch.Reply{ID: out.ID.String(), Status: out.Status, Body: out.Body, Cost: out.Cost}
	if out.Target != nil {
		reply.Provider = out.Target.Provider.Name
	}
	return reply, err
}
