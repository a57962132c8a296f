package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/decision"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// decided is what the admin API shows of decisions.
func (h *Host) decided() *admin.Decisions {
	return &admin.Decisions{Explain: h.explain, Last: h.lastDecisions}
}

// explain tells how the request called id was decided, and decides it again.
func (h *Host) explain(ctx context.Context, text string) (any, error) {
	id, ok := call.ParseID(text)
	if !ok {
		return nil, wire.Errorf(http.StatusBadRequest, "invalid_request", "%q is not the id of a request: it reads req_ and 13 characters, as in the header x-signalbox-request-id", text)
	}
	e, err := h.decisions.Find(id)
	if errors.Is(err, decision.ErrUnknown) {
		return nil, h.unknownDecision(id)
	}
	if err != nil {
		return nil, err
	}
	return h.explained(ctx, e)
}

// unknownDecision says why a decision may not be there.
func (h *Host) unknownDecision(id call.ID) error {
	c := h.gen.Load().cfg.Decisions
	why := "it was made at another node, or ended before its key was known"
	switch first, err := h.firstDecision(); {
	case c.Sample <= 0 || c.PerSecond <= 0:
		why = "none are kept: decisions.sample or decisions.per_second is 0"
	case err == nil && first != 0 && id < first:
		why = fmt.Sprintf("it is older than what is kept, which begins at %s: decisions.max bounds that", first.Time().UTC().Format(time.DateTime))
	case c.Sample < 1:
		why = fmt.Sprintf("it may not have been sampled (decisions.sample is %v, at most %d a second), or was made at another node", c.Sample, c.PerSecond)
	case h.decisions.Stats().Limited+h.decisions.Stats().Dropped > 0:
		why = fmt.Sprintf("it may have come in a second with more than %d requests (decisions.per_second), or was made at another node", c.PerSecond)
	}
	return wire.Errorf(http.StatusNotFound, "decision_unknown", "no decision is kept of %s: %s", id, why)
}

// firstDecision is the oldest that is kept, 0 if none is.
func (h *Host) firstDecision() (first call.ID, err error) {
	err = h.decisions.Each("", time.Time{}, func(e *decision.Entry) bool { first = e.ID; return false })
	return first, err
}

// lastDecisions are the newest n, newest first.
func (h *Host) lastDecisions(_ context.Context, n int) (any, error) {
	list, err := h.decisions.Last(n)
	if err != nil {
		return nil, err
	}
	type line struct {
		Request string    `json:"request"`
		Time    time.Time `json:"time"`
		Key     string    `json:"key"`
		Model   string    `json:"model"`
		By      string    `json:"by"`
		Target  string    `json:"target"`
		Status  int       `json:"status"`
		Cost    int64     `json:"cost_nano_usd"`
	}
	out := make([]line, 0, len(list))
	for _, e := range list {
		l := line{Request: e.ID.String(), Time: e.Received.UTC(), Key: e.KeyName, Model: e.Asked, Target: e.Target, Status: e.Status, Cost: e.Cost}
		if e.Plan != nil {
			l.By = e.Plan.Route
		}
		out = append(out, l)
	}
	return map[string]any{"decisions": out}, nil
}

func (h *Host) explained(ctx context.Context, e *decision.Entry) (*explanation, error) {
	x := &explanation{Request: e.ID.String(), Time: e.Received.UTC(), Operation: e.Op.String(), Dialect: e.Dialect.String(), Stream: e.Stream, Model: e.Asked,
		Policy: explainedPolicy(e.Policy), Route: explainedRoute{e.Route, e.Module, e.Lane, e.Rule}}
	x.Key.ID, x.Key.Name, x.Key.Org, x.Key.Team = e.KeyID, e.KeyName, e.Org, e.Team
	for _, c := range e.Calls {
		x.Counters = append(x.Counters, explainedCounter{c.Counter, c.Delta, c.Value})
	}
	if len(e.Record) > 0 {
		shown, err := route.Show(e.Record, h.gen.Load().tags)
		if err != nil {
			return nil, err
		}
		x.Facts, x.Candidates = shown, shown.Candidates
		x.Plan = explainPlan(e.Plan, shown.TargetNames)
		if e.Plan != nil {
			x.Again = h.again(ctx, e, shown.TargetNames)
		}
	}
	x.Attempts = make([]explainedAttempt, len(e.Attempts))
	for i, a := range e.Attempts {
		x.Attempts[i] = explainedAttempt{Target: a.Target, Credential: a.Credential, StartMS: ms(a.Start), FirstByteMS: ms(a.FirstByte),
			DurationMS: ms(a.Duration), Status: a.Status, Class: a.Class.String(), Hedge: a.Hedge, Lost: a.Lost, Rejected: a.Rejected, Cost: a.Cost}
	}
	x.Filters = explainVerdicts(e.Verdicts)
	x.Outcome = explainedOutcome{Status: e.Status, Code: e.Code, Class: e.Class.String(), Target: e.Target, Usage: explainUsage(&e.Usage),
		Cost: e.Cost, Reserved: e.Reserved, Provenance: e.Provenance.String(), TTFTMS: ms(e.TTFT), DurationMS: ms(e.Duration), OverheadMS: ms(e.Overhead)}
	return x, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func explainUsage(u *wire.Usage) map[string]int64 {
	out := map[string]int64{}
	for i, v := range u.Buckets() {
		if *v != 0 {
			out[wire.BucketNames[i]] = *v
		}
	}
	return out
}

func explainVerdicts(list []call.Verdict) (out []explainedVerdict) {
	actions := [...]string{0: "failed", abi.ActionPass: "pass", abi.ActionReplace: "replace", abi.ActionBlock: "block",
		abi.ActionMore: "more", abi.ActionEscalate: "escalate"}
	for _, v := range list {
		on := "request"
		if v.Answer {
			on = "answer"
		}
		out = append(out, explainedVerdict{v.Filter, v.Version, on, actions[min(int(v.Action), len(actions)-1)], v.Code, v.Findings, v.Count})
	}
	return out
}

func explainPlan(p *call.Plan, targets []string) *explainedPlan {
	if p == nil {
		return nil
	}
	out := &explainedPlan{By: p.Route, Code: p.Code, Reason: string(p.Reason())}
	for i := range p.N {
		a := &p.Attempts[i]
		t := explainedTry{TimeoutMS: a.Timeout.Milliseconds(), HedgeMS: a.Hedge.Milliseconds(), BackoffMS: a.Backoff.Milliseconds(),
			BackoffMaxMS: a.BackoffMax.Milliseconds(), Check: a.Flags&call.AttemptCheck != 0}
		if int(a.Index) < len(targets) {
			t.Target = targets[a.Index]
		}
		out.Attempts = append(out.Attempts, t)
	}
	return out
}

// again makes the decision again: on the version of the module that made it, or
// by the built-in order.
func (h *Host) again(ctx context.Context, e *decision.Entry, targets []string) *explainedAgain {
	if e.Module == "" {
		return againBuiltin(e.Plan, e, targets)
	}
	rec := &route.Recording{Module: e.Module, Recording: e.Recording}
	got, err := h.router.Repeat(rec, func(name, label string) (lane.Source, error) { return h.routes.Source(ctx, name, label) })
	out := &explainedAgain{By: e.Module}
	switch {
	case errors.Is(err, route.ErrGone):
		out.Result, out.Detail = "gone", err.Error()
	case err != nil && len(e.Answer) == 0 && e.Plan.Route != e.Module:
		out.Result, out.Detail = "same", "the module fails again: "+err.Error()
	case err != nil:
		out.Result, out.Detail = "failed", err.Error()
	case got.Same:
		out.Result, out.Detail = "same", "the module's answer is the same, byte for byte"
		if len(e.Answer) == 0 {
			out.Detail = "the module declines again"
		}
	default:
		out.Result, out.Detail, out.Plan = "different", "the module's answer is another", explainPlan(&got.Plan, targets)
	}
	if out.Result == "same" && len(e.Answer) == 0 && e.Plan.Code == 0 {
		b := againBuiltin(e.Plan, e, targets)
		b.By, b.Detail = e.Module, out.Detail+"; "+b.Detail
		return b
	}
	return out
}

// againBuiltin compares a plan with the built-in order of its record.
func againBuiltin(p *call.Plan, e *decision.Entry, targets []string) *explainedAgain {
	out := &explainedAgain{By: p.Route}
	again, err := route.BuiltinOf(e.Record)
	switch {
	case err != nil:
		out.Result, out.Detail = "failed", err.Error()
	case p.Code == again.Code && slices.Equal(p.Attempts[:p.N], again.Attempts[:again.N]):
		out.Result, out.Detail = "same", "the built-in order is the same, place for place"
	default:
		out.Result, out.Detail, out.Plan = "different", "the built-in order is another", explainPlan(again, targets)
	}
	return out
}
