package policy

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Detail says how much of an evaluation is shown.
type Detail string

// The details, the least first.
const (
	DetailNone  Detail = "off"
	DetailFails Detail = "fails" // what did not hold, and why
	DetailFull  Detail = "full"
)

// UnitExplanation is what one unit says of an input, and how it came to it.
type UnitExplanation struct {
	Unit        string
	Denied      bool
	Reasons     []call.Reason
	Obligations string // as OPA prints them, "" without any
	Answered    bool
	Error       string   // why it decided nothing
	Trace       []string // lines
}

// What bounds the explanation of one unit.
const (
	maxTrace   = 20_000 // events
	traceLimit = 2 * time.Second
)

// Explain evaluates every unit on an input that was written down.
func (t *Trial) Explain(input []byte, detail Detail) ([]UnitExplanation, error) {
	doc, err := t.read(input)
	if err != nil {
		return nil, err
	}
	var out []UnitExplanation
	for _, u := range t.snap.units {
		out = append(out, u.explain(doc, detail))
	}
	return out, nil
}

func (u *unit) explain(input *ast.Term, detail Detail) (x UnitExplanation) {
	x.Unit = u.name
	tracer := &boundedTracer{}
	q := u.queryOn(u.bundle, input, newDeadline(traceLimit))
	if detail == DetailFails || detail == DetailFull {
		q = q.WithQueryTracer(tracer)
	}
	defer func() {
		if p := recover(); p != nil {
			x.Error = fmt.Sprintf("panic: %v", p)
		}
		x.Trace = tracer.lines(detail)
	}()
	err := q.Iter(context.Background(), func(qr topdown.QueryResult) error {
		if err := fits(qr); err != nil {
			return err
		}
		v, err := u.decode.verdict(qr["deny"], qr["permit"], qr["obligations"])
		if err != nil {
			return err
		}
		x.Denied, x.Reasons, x.Answered = v.denied, v.reasons, true
		if t := qr["obligations"]; t != nil {
			x.Obligations = t.String()
		}
		return nil
	})
	switch {
	case err != nil:
		x.Answered, x.Error = false, err.Error()
	case !x.Answered:
		x.Error = errUndefined.Error()
	}
	return x
}

// boundedTracer keeps the first events of an evaluation.
type boundedTracer struct {
	events []*topdown.Event
	more   int
}

// Enabled implements topdown.QueryTracer.
func (t *boundedTracer) Enabled() bool { return true }

// TraceEvent implements topdown.QueryTracer.
func (t *boundedTracer) TraceEvent(e topdown.Event) {
	if len(t.events) == maxTrace {
		t.more++
		return
	}
	t.events = append(t.events, &e)
}

// Config implements topdown.QueryTracer.
func (t *boundedTracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

func (t *boundedTracer) lines(detail Detail) []string {
	events := t.events
	if detail == DetailFails {
		events = lineage.Fails(events)
	}
	if len(events) == 0 {
		return nil
	}
	var text bytes.Buffer
	topdown.PrettyTraceWithLocation(&text, events)
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	if t.more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d events more", t.more))
	}
	return lines
}
