package host

import (
	"cmp"
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/decision"
	"github.com/signalbox-ai/signalbox/host/feature"
	"github.com/signalbox-ai/signalbox/host/hint"
	"github.com/signalbox-ai/signalbox/host/queue"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// kept is room for what is kept of a decision.
type kept struct {
	entry     decision.Entry
	recording route.Recording
	plan      *call.Plan // the first one, where another followed
}

// openDecisions opens the log of decisions, and what sessions are told by.
func (h *Host) openDecisions(ctx context.Context, cfg *config.Config) (err error) {
	secret, err := h.secret(ctx, "session-hash", 32)
	if err != nil {
		return err
	}
	h.hints = hint.New(secret)
	h.decisions, err = decision.Open(filepath.Join(h.dir, "decisions"), keeps(cfg.Decisions), decision.Options{Log: h.log})
	return err
}

func keeps(c config.Decisions) decision.Settings {
	return decision.Settings{Sample: c.Sample, PerSecond: c.PerSecond, Max: int64(c.Max)}
}

// find implements call.Find.
func (h *Host) find(c *call.Call, needs call.Needs) {
	f := c.Owner.(*flight)
	if needs&call.NeedSession != 0 {
		h.hints.Find(c)
	}
	if needs&call.NeedBudget != 0 {
		if left, of, ok := h.budget.Left(f.chain, c.Received); ok {
			c.Wants.Budget, c.Wants.BudgetMax = max(left, 1), max(of.Max, 1) // 0 would say that nothing limits it
		}
	}
	if needs&call.NeedMetadata != 0 {
		hint.Metadata(c)
	}
	if needs&call.NeedFeatures != 0 {
		c.Wants.Features = feature.Of(c)
	}
}

// responded ties what goes on with a stored response to its session.
func (h *Host) responded(c *call.Call, response []byte) {
	if c.Wants.Filled&call.NeedSession == 0 {
		return
	}
	var r struct {
		ID       string
		Response struct{ ID string }
	}
	if json.Unmarshal(response, &r) == nil { // of what is no response nothing can be said
		h.hints.Responded(c, cmp.Or(r.Response.ID, r.ID))
	}
}

// sample decides whether the decision on f is kept, and readies room for it.
func (h *Host) sample(f *flight) {
	if !h.decisions.Sampled(f.ID, f.Received) {
		return
	}
	f.sampled = true
	if f.kept == nil {
		f.kept = &kept{}
	}
	r := &f.kept.recording
	r.Module, r.Record, r.Calls, r.Answer = "", r.Record[:0], r.Calls[:0], r.Answer[:0]
}

// planBy has r plan f, nil for the built-in order.
func (f *flight) planBy(r *route.Handle) {
	if r != nil || f.sampled {
		f.Wants.Priority = priorityOf(&f.Call)
	}
	if !f.sampled {
		r.Plan(&f.Call)
		return
	}
	r.Keep(&f.Call, &f.kept.recording)
}

// priorityOf is how urgent c is, as records say it: 0 normal, 1 high, 2 low.
func priorityOf(c *call.Call) uint32 {
	if c.Principal == nil {
		return 0
	}
	switch classOf(c) {
	case queue.High:
		return 1
	case queue.Low:
		return 2
	}
	return 0
}

// keep writes a sampled decision down, with what came of it.
func (h *Host) keep(f *flight, r *call.Record) {
	if !f.sampled {
		return
	}
	c, e := &f.Call, &f.kept.entry
	e.Reset()
	e.ID, e.Received, e.Op, e.Dialect, e.Stream = c.ID, c.Received, c.Op, c.Dialect, r.Stream
	e.KeyID, e.KeyName, e.Org, e.Team, e.Asked, e.Rule = r.KeyID, r.KeyName, r.Org, r.Team, r.Asked, c.Rule
	e.Module, e.Recording = f.kept.recording.Module, f.kept.recording.Recording
	if c.Plan.Route != "" {
		e.Plan = &c.Plan
		if f.replanned {
			e.Plan = f.kept.plan
		}
	}
	if c.Model != nil {
		e.Route = f.route()
		e.Lane = f.gen.handles[e.Route].Lane(e.Module)
	}
	keepPolicy(&e.Policy, c.Decision)
	if len(f.seen) <= maxInput {
		e.Input = append(e.Input, f.seen...)
	}
	for i := range c.Attempts {
		e.Attempts = append(e.Attempts, keepAttempt(&c.Attempts[i]))
	}
	e.Target, e.Usage, e.Cost, e.Reserved, e.Provenance = r.Target, c.Usage, c.Cost, c.Reserved, c.Provenance
	e.Status, e.Class, e.Code = r.Status, r.Class, r.Code
	e.TTFT, e.Duration, e.Overhead = c.FirstByte, micros(r.DurationUS), micros(r.OverheadUS)
	e.Verdicts = append(e.Verdicts, c.Verdicts...)
	h.decisions.Append(e)
	e.Plan = nil
}

// outcome tells the route that planned f how it ended.
func (f *flight) outcome(r *call.Record) {
	c := &f.Call
	if c.Plan.Route == "" || c.Model == nil {
		return
	}
	h := f.gen.handles[f.route()]
	h.Outcome(&c.Plan, route.Outcome{Failed: upstreams(c.Err), Cost: c.Cost, TTFT: c.FirstByte, Total: micros(r.DurationUS),
		Left: c.Err != nil && (c.Err.Status == statusLeft || c.Gone.Why() != nil) && len(c.Attempts) > 0})
	h.Observe(c)
}

// statusLeft is of requests whose caller closed the connection.
const statusLeft = 499

// upstreams reports whether err is a failure that another route might have
// avoided.
func upstreams(err *wire.Error) bool {
	if err == nil {
		return false
	}
	switch err.Class {
	case wire.ClassRateLimit, wire.ClassQuota, wire.ClassOverloaded, wire.ClassServer, wire.ClassTimeout, wire.ClassAuth, wire.ClassModelNotFound:
		return true
	}
	return err.Status >= 500
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

func keepPolicy(p *decision.Policy, d *call.Decision) {
	if d == nil {
		return
	}
	p.Revision, p.Allow, p.MaxTokens = d.Revision, d.Allow, d.MaxTokens
	p.Restricted, p.Targets, p.Filters = d.Restricted, d.Targets, d.Filters
	if len(d.Reasons) > 0 {
		p.Code = d.Reasons[0].Code
	}
	if len(d.Dry) > 0 {
		p.Dry = d.Dry[0].Code
	}
}

func keepAttempt(a *call.Attempt) decision.Attempt {
	out := decision.Attempt{Credential: a.Credential, Start: a.Start, FirstByte: a.FirstByte, Duration: a.Duration,
		Status: a.Status, Class: a.Class, Hedge: a.Hedge, Lost: a.Lost, Rejected: a.Rejected, Cost: a.Cost}
	if a.Target != nil {
		out.Target = a.Target.Name
	}
	return out
}
