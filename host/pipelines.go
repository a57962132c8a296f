package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// pipelinePrefix is what the names of pipelines as models begin with.
const pipelinePrefix = "pipeline/"

// pipelineModel is a pipeline with what it is as a model.
type pipelineModel struct {
	*pipeline.Pipeline
	model *call.Model
}

// compilePipelines readies the configuration's pipelines. All that is wrong with
// any is one error.
func (g *generation) compilePipelines() error {
	var errs []error
	for _, name := range sortedNames(g.cfg.Pipelines) {
		spec := specOf(g.cfg, name)
		p, err := pipeline.Compile(name, &spec, g)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if g.pipelines == nil {
			g.pipelines = map[string]*pipelineModel{}
		}
		g.pipelines[name] = &pipelineModel{Pipeline: p, model: &call.Model{Name: pipelinePrefix + name}}
	}
	return errors.Join(errs...)
}

// specOf is the pipeline called name, which has an end in any case: where it
// names no deadline that of requests is its own.
func specOf(cfg *config.Config, name string) call.Pipeline {
	spec := cfg.Pipelines[name]
	if spec.Deadline == 0 {
		spec.Deadline = cfg.Limits.Deadline
	}
	return spec
}

// CheckPipelines compiles the pipelines of a configuration as serving would, but
// for what only adapters know: which operations they serve.
func CheckPipelines(cfg *config.Config, good func(name string)) error {
	var errs []error
	for _, name := range sortedNames(cfg.Pipelines) {
		spec := specOf(cfg, name)
		if _, err := pipeline.Compile(name, &spec, named{cfg}); err != nil {
			errs = append(errs, err)
			continue
		}
		good(name)
	}
	return errors.Join(errs...)
}

// named knows models by what a configuration says of them.
type named struct{ cfg *config.Config }

// Serves implements pipeline.Models.
func (n named) Serves(model string, _ wire.Op, _ wire.Dialect) error {
	if _, ok := n.cfg.Models[model]; ok {
		return nil
	}
	if provider, _, ok := strings.Cut(model, "/"); ok {
		if _, ok := n.cfg.Providers[provider]; ok {
			return nil
		}
		return fmt.Errorf("there is no provider %q: name one of %s", provider, strings.Join(sortedNames(n.cfg.Providers), ", "))
	}
	return nil // an adapter may know it by this name
}

// Serves implements pipeline.Models.
func (g *generation) Serves(model string, op wire.Op, d wire.Dialect) error {
	m, err := g.model([]byte(model))
	if err != nil {
		return errors.New(err.Message)
	}
	var names []string
	for _, t := range m.Targets {
		if t.Provider.Endpoint(op, d) != nil || !t.Provider.Up() {
			return nil
		}
		names = append(names, t.Provider.Name)
	}
	return fmt.Errorf("model %q does not serve %s: provider %s has no such operation, name a model of another", model, op, strings.Join(slices.Compact(names), ", "))
}

// ownChat serves chats whose model is a pipeline.
func (h *Host) ownChat(f *flight) serving {
	if f.gen.pipelines == nil || !bytes.HasPrefix(f.Facts.Model, []byte(pipelinePrefix)) {
		return nil
	}
	return h.servePipelineChat
}

// noPipeline says to p that there is no such pipeline for it.
func (g *generation) noPipeline(p *call.Principal, name string) *wire.Error {
	near, names := "", slices.DeleteFunc(sortedNames(g.pipelines), func(n string) bool { return auth.PermitModel(p, pipelinePrefix+n) != nil })
	if n := config.Nearest(name, names); n != "" {
		near = fmt.Sprintf(", did you mean %q?", n)
	}
	e := wire.Errorf(404, "pipeline_not_found", "there is no pipeline %q%s: GET /v1/pipelines lists those that are", name, near)
	e.Param = "model"
	return e
}

// enterPipeline finds the pipeline called name for a caller, and asks policy
// whether they may use it.
func (h *Host) enterPipeline(f *flight, name string) (*pipelineModel, *wire.Error) {
	if err := h.recordable(); err != nil {
		return nil, err
	}
	p := f.gen.pipelines[name]
	if p == nil {
		return nil, f.gen.noPipeline(f.Principal, name)
	}
	h.sample(f)
	f.Op, f.Model = wire.OpPipeline, p.model
	if f.inner == nil {
		if err := auth.Permit(&f.Call); err != nil { // it came as another operation
			return nil, err
		}
	}
	if err := auth.PermitModel(f.Principal, p.model.Name); err != nil {
		return nil, err
	}
	return p, h.decide(f)
}

// leavePipeline writes the record of a run that is over. What it has cost is in
// those of its steps, and shown to the caller.
func (h *Host) leavePipeline(f *flight, rec *pipeline.Record, err *wire.Error) *wire.Error {
	f.Err = err
	if rec != nil {
		f.Upstream = time.Duration(rec.Duration * float64(time.Millisecond)) // what the gateway adds to its steps is in their records
	}
	sure := f.Provenance
	f.Provenance = call.CostNone
	h.Finish(&f.Call)
	if rec != nil {
		h.runs.Add(rec, f.Principal.KeyName)
		f.Cost, f.Provenance, f.Usage = int64(rec.Cost), sure, rec.AllUsage()
	}
	return f.Err
}

// stepCaller asks models for the steps of a pipeline, in the name of f's caller.
type stepCaller struct {
	host *Host
	f    *flight
	p    *pipelineModel
	mu   sync.Mutex // of f's provenance, which is that of its weakest step
}

// trust notes how far what a step has cost can be trusted.
func (s *stepCaller) trust(cost int64, sure call.Provenance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.f; cost > 0 && (f.Provenance == call.CostNone || sure < f.Provenance) {
		f.Provenance = sure
	}
}

// Call implements pipeline.Caller.
func (s *stepCaller) Call(ctx context.Context, r *pipeline.Request) (out pipeline.Reply, err *wire.Error) {
	f := s.f
	if scope := f.Principal.Scope; scope != nil && !s.p.Granted() && !scope.HasOp(r.Op) {
		e := wire.Errorf(403, "key_not_for_operation", "key %q may not be used for %s: have the operator add it, or set grant: steps in the pipeline", f.Principal.KeyName, r.Op)
		e.Class = wire.ClassPolicy
		return out, e
	}
	in := &innerCall{Principal: f.Principal, Op: r.Op, Dialect: r.Dialect, Body: r.Body, Parent: &f.Call,
		Origin: s.p.model.Name + "/" + r.Step, Granted: s.p.Granted()}
	if r.Purse != nil {
		in.Purse = r.Purse
	}
	if form := r.Form; form != nil {
		in.Form = &innerForm{ContentType: form.ContentType, Upload: held(form.Body), Facts: func(f *scan.Facts) { formFacts(f, r.Op, form) }}
	}
	var ans innerAnswer
	if r.Into != nil {
		ans, err = s.host.innerStream(ctx, in, r.Into)
	} else {
		ans, err = s.host.inner(ctx, in)
	}
	out = pipeline.Reply{ID: ans.ID.String(), Type: ans.Type, Body: ans.Body, Attempts: ans.Attempts, Usage: ans.Usage, Cost: ans.Cost}
	if s.trust(ans.Cost, ans.Sure); ans.Target != nil {
		out.Model = ans.Target.Name
	}
	return out, err
}

// formFacts are those of a form with sounds or pictures.
func formFacts(f *scan.Facts, op wire.Op, form *pipeline.Form) {
	f.Reset()
	f.N, f.Size, f.Messages, f.In = form.N, len(form.Body), form.Files, scan.Audio
	if op == wire.OpImageEdits {
		f.In, f.ImageSize, f.Quality = scan.Image|scan.Text, []byte(form.Size), []byte(form.Quality)
	}
	f.Model, f.ModelAt = form.Body[form.ModelFrom:form.Model], scan.Span{From: form.ModelFrom, To: form.Model}
}

// held is an upload that is held in memory.
type held []byte

// Size implements call.Upload.
func (b held) Size() int64 { return int64(len(b)) }

// Send implements call.Upload.
func (b held) Send(w io.Writer, from, to int64) error {
	_, err := w.Write(b[from:to])
	return err
}
