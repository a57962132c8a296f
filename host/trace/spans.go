package trace

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// appendSpans appends the spans of a request: its own first, then those of its
// stages and attempts, which are its children.
func (t *Tracer) appendSpans(dst []sdktrace.ReadOnlySpan, it *Item) []sdktrace.ReadOnlySpan {
	root := t.root(it)
	at := len(dst)
	dst = append(dst, root)
	for s, step := range it.Steps {
		if step.To > step.From {
			dst = append(dst, t.stage(it, root, Stage(s)))
		}
	}
	for i := range it.Record.Attempts {
		dst = append(dst, t.attempt(it, root, i))
	}
	root.children = len(dst) - at - 1
	return dst
}

// root is the span of the request itself.
func (t *Tracer) root(it *Item) *span {
	r, tr := &it.Record, &it.Trace
	s := &span{res: t.opt.Resource, kind: trace.SpanKindServer, context: contextOf(tr, tr.Span, false),
		from: it.Received, to: it.Received.Add(time.Duration(r.DurationUS) * time.Microsecond)}
	if !tr.Remote && tr.Parent != (call.SpanID{}) {
		s.kind = trace.SpanKindInternal // one request of the gateway's within another
	}
	if tr.Parent != (call.SpanID{}) {
		s.parent = contextOf(tr, tr.Parent, tr.Remote)
	}
	key, name := subject(r.Op, r.Asked)
	s.name = spanName(Operation(r.Op, r.Dialect), name)
	a := attrs(make([]attribute.KeyValue, 0, 40))
	a.text(genAIOperation, Operation(r.Op, r.Dialect))
	a.text(key, name)
	a.request(it)
	if it.Target != nil {
		host, _ := Server(it.Target, r.Op, r.Dialect)
		a.text(genAIProvider, Provider(it.Target, host))
	}
	a.answer(it)
	a.number(httpStatus, int64(r.Status))
	a.own(it)
	if r.Status >= 400 {
		a.text(errorType, failure(r))
	}
	s.attrs = a
	if r.Status >= 500 {
		s.status = failedWith(r.Code)
	}
	return s
}

func spanName(operation, model string) string {
	if model == "" {
		return operation
	}
	return valid(operation + " " + model)
}

// failure is the low-cardinality name of what went wrong.
func failure(r *call.Record) string {
	switch {
	case r.Code != "":
		return r.Code
	case r.Class != wire.ClassNone:
		return r.Class.String()
	}
	return strconv.Itoa(r.Status)
}

// stage is the span of a part of the gateway's own work.
func (t *Tracer) stage(it *Item, root *span, st Stage) *span {
	step := it.Steps[st]
	s := &span{res: t.opt.Resource, kind: trace.SpanKindInternal, name: stageNames[st], parent: root.context,
		context: contextOf(&it.Trace, call.NewSpanID(), false), from: it.Received.Add(step.From), to: it.Received.Add(step.To)}
	var a attrs
	r := &it.Record
	switch st {
	case Policy:
		a.text("signalbox.policy.revision", r.Policy)
		a.flag("signalbox.policy.allowed", r.Class != wire.ClassPolicy)
	case Filters:
		for i := range it.Verdicts {
			v := &it.Verdicts[i]
			s.events = append(s.events, sdktrace.Event{Name: "signalbox.filter", Time: s.to, Attributes: verdict(v)})
		}
	case Route:
		a.text("signalbox.route.version", r.Route)
		if it.Rule > 0 {
			a.number("signalbox.route.rule", int64(it.Rule))
		}
	}
	s.attrs = a
	return s
}

func verdict(v *call.Verdict) []attribute.KeyValue {
	var a attrs
	a.text("signalbox.filter.name", v.Filter)
	a.text("signalbox.filter.version", v.Version)
	a.flag("signalbox.filter.answer", v.Answer)
	a.number("signalbox.filter.action", int64(v.Action))
	a.number("signalbox.filter.code", int64(v.Code))
	a.number("signalbox.filter.findings", int64(v.Findings))
	return a
}

// attempt is the span of the i-th try at a target.
func (t *Tracer) attempt(it *Item, root *span, i int) *span {
	r, at := &it.Record, &it.Record.Attempts[i]
	id := at.Span
	if id == (call.SpanID{}) {
		id = call.NewSpanID()
	}
	from := it.Received.Add(at.Start)
	s := &span{res: t.opt.Resource, kind: trace.SpanKindClient, parent: root.context, context: contextOf(&it.Trace, id, false),
		from: from, to: from.Add(at.Duration)}
	last := it.Answered && i == len(r.Attempts)-1
	if last && r.Stream {
		s.to = root.to // the answer has flowed until then
	}
	a := attrs(make([]attribute.KeyValue, 0, 24))
	a.text(genAIOperation, Operation(r.Op, r.Dialect))
	if tg := at.Target; tg != nil {
		s.name = spanName(Operation(r.Op, r.Dialect), tg.Model)
		host, port := Server(tg, r.Op, r.Dialect)
		a.text(genAIProvider, Provider(tg, host))
		a.text(genAIModel, tg.Model)
		a.text("signalbox.target", tg.Name)
		a.text("signalbox.region", tg.Region)
		a.text(serverAddress, host)
		a.count(serverPort, port)
	}
	a.request(it)
	a.text("signalbox.credential", at.Credential)
	if at.Status > 0 {
		a.number(httpStatus, int64(at.Status))
	}
	a.outcome(at)
	if last {
		a.answer(it)
	}
	if at.Class != wire.ClassNone {
		a.text(errorType, at.Class.String())
		s.status = failedWith(at.Class.String())
	}
	s.attrs = a
	return s
}

// outcome is what came of an attempt beside its answer.
func (a *attrs) outcome(at *call.Attempt) {
	if at.Hedge {
		a.flag("signalbox.hedge", true)
	}
	if at.Lost {
		a.flag("signalbox.lost", true)
	}
	a.text("signalbox.rejected", at.Rejected)
	if at.FirstByte > 0 {
		a.real("signalbox.time_to_first_byte", at.FirstByte.Seconds())
	}
	if at.Cost > 0 {
		a.real("signalbox.cost.usd", float64(at.Cost)/1e9)
	}
}
