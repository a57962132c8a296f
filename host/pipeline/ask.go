package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// of says that err is one of step s.
func (r *run) of(s *step, err *wire.Error) *wire.Error {
	e := *err
	e.Message = fmt.Sprintf("pipeline %q, step %q: %s", r.Name, s.spec.Name, err.Message)
	e.Param = "steps." + s.spec.Name
	if err.Param != "" {
		e.Param += "." + err.Param
	}
	return &e
}

// one asks for s once, or for one item of it, as often as it may, and gives
// what stands in where it fails and may.
func (r *run) one(ctx context.Context, s *step, v vars, rec *StepRecord) (map[string]any, *wire.Error) {
	got, err := r.try(ctx, s, v, rec)
	if err == nil {
		rec.Status = StatusOK
		return got, nil
	}
	err = r.of(s, err)
	rec.Error = errorOf(err)
	switch {
	case ctx.Err() != nil:
		rec.Status = StatusCancelled
		return nil, err
	case s == r.last && r.into.begun(): // half of it has left: nothing stands in for the rest
		rec.Status = StatusFailed
		return nil, err
	case s.spec.OnError == "skip":
		rec.Status = StatusSkipped
	case s.spec.OnError == "default":
		rec.Status = StatusDefaulted
	default:
		rec.Status = StatusFailed
		return nil, err
	}
	zero, _ := s.result.zero().(map[string]any) // it is an object
	zero["error"] = err.Message
	if s.spec.OnError == "default" {
		s.stand(zero)
	}
	return zero, nil
}

// stand puts what stands in for s into out.
func (s *step) stand(out map[string]any) {
	if s.json == nil {
		out[s.op.main] = s.def
		return
	}
	out["json"] = s.def
	if b, err := appendJSON(nil, s.def, maxBytes); err == nil {
		out["text"] = string(b)
	}
}

// try asks the models of s one after another, each as often as its retries say.
func (r *run) try(ctx context.Context, s *step, v vars, rec *StepRecord) (map[string]any, *wire.Error) {
	req, err := s.make(v)
	if err != nil {
		return nil, failed("with", "with", err)
	}
	req.Step, req.Op, req.Dialect, req.Purse = s.spec.Name, s.op.op, s.op.dialect, r.purse(s)
	if r.last == s {
		req.Into = r.into
	}
	var last *wire.Error
	for i, model := range s.models {
		for n := range s.spec.Retry.Attempts + 1 {
			req.last = i == len(s.models)-1 && n == s.spec.Retry.Attempts
			if n > 0 && !pause(ctx, s, n, last) {
				return nil, last
			}
			got, err := r.ask(ctx, s, req, model, rec)
			if err == nil {
				return got, nil
			}
			last = err
			if ctx.Err() != nil || req.Into.begun() {
				return nil, err
			}
			if !again(err) {
				break
			}
		}
		if last.Class == wire.ClassInvalid {
			return nil, last // another model is asked the same
		}
	}
	return nil, last
}

// again reports whether the same may succeed a moment later.
func again(err *wire.Error) bool {
	switch err.Class {
	case wire.ClassRateLimit, wire.ClassOverloaded, wire.ClassServer, wire.ClassTimeout, wire.ClassNetwork:
		return true
	}
	return false
}

// Waits between tries.
const (
	usualBackoff = 200 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// pause waits before the nth retry; false: the run has ended.
func pause(ctx context.Context, s *step, n int, last *wire.Error) bool {
	wait := s.spec.Retry.Backoff
	if wait == 0 {
		wait = usualBackoff
	}
	wait = min(max(wait<<(n-1), last.RetryAfter), maxBackoff)
	t := time.NewTimer(wait/2 + rand.N(wait/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// make makes the request of s, but for the model.
func (s *step) make(v vars) (*Request, error) {
	in := make(map[string]any, len(s.with)+1)
	for name, val := range s.with {
		got, err := val.eval(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if m, is := got.(*Media); got == nil || is && m == nil { // it was not given
			if s.op.fields[name].required {
				return nil, fmt.Errorf("%s is empty", name)
			}
			continue
		}
		if err := s.suits(name, got); err != nil {
			return nil, err
		}
		in[name] = got
	}
	if s.params != nil {
		got, err := s.params.eval(v)
		if err != nil {
			return nil, fmt.Errorf("params: %w", err)
		}
		in[paramsKey] = got
	}
	return s.op.build(s, in)
}

// suits checks a value whose type was not known before.
func (s *step) suits(name string, v any) (err error) {
	for _, t := range s.op.fields[name].types {
		if err = fits(v, t, name); err == nil {
			return nil
		}
	}
	return err
}

// ask makes one request of model.
func (r *run) ask(ctx context.Context, s *step, req *Request, model string, rec *StepRecord) (map[string]any, *wire.Error) {
	call := ctx
	if s.spec.Timeout > 0 {
		var cancel context.CancelFunc
		call, cancel = context.WithTimeout(ctx, s.spec.Timeout)
		defer cancel()
	}
	one, bad := req.of(model)
	if bad != nil {
		return nil, failed("with", "with", bad)
	}
	if req.Into != nil {
		req.Into.again()
	}
	reply, err := r.caller.Call(call, one)
	rec.note(&reply, model)
	if err != nil {
		if call.Err() == context.DeadlineExceeded && ctx.Err() == nil {
			err = wire.Errorf(504, "step_timeout", "%q did not answer within the step's timeout of %s", model, s.spec.Timeout)
			err.Class = wire.ClassTimeout
		}
		return nil, err
	}
	var got map[string]any
	switch {
	case req.Into != nil && req.Into.failed != "":
		bad = errors.New(req.Into.failed)
	case req.Into != nil && reply.Body == nil:
		got, bad = s.said(req.Into.text(), req.Into.finish)
	default:
		got, bad = s.op.read(s, &reply)
	}
	if bad != nil {
		return nil, wire.Errorf(502, "invalid_answer", "%q: %v", reply.Model, bad)
	}
	got["ok"], got["error"], got["model"] = true, "", reply.Model
	t := tokensOf(&reply.Usage)
	got["usage"] = map[string]any{"input_tokens": float64(t.Input), "output_tokens": float64(t.Output), "total_tokens": float64(t.Total)}
	return got, nil
}

// note adds a try to the record.
func (rec *StepRecord) note(r *Reply, model string) {
	if rec.Request != "" {
		if len(rec.Requests) == 0 {
			rec.Requests = []string{rec.Request}
		}
		rec.Requests = append(rec.Requests, r.ID)
	}
	rec.Request, rec.Model = r.ID, r.Model
	if r.Model == "" {
		rec.Model = model
	}
	rec.Attempts += r.Attempts
	rec.Cost += USD(r.Cost)
	rec.usage.Add(&r.Usage)
}

// of is the request as it is made of a model. What it was made from is kept for
// the next try alone.
func (req *Request) of(model string) (*Request, error) {
	one := *req
	one.Model, one.members, one.files, one.fields = model, nil, nil, nil
	if len(req.files) > 0 {
		one.Form = req.form(model)
		if req.last {
			req.files = nil
		}
		return &one, nil
	}
	members := req.members
	if req.last {
		req.members = nil
	} else {
		members = maps.Clone(members)
	}
	if members["model"] = model; req.Into != nil {
		members["stream"], members["stream_options"] = true, map[string]any{"include_usage": true}
	}
	var err error
	one.Body, err = appendJSON(nil, members, maxRequest)
	return &one, err
}
