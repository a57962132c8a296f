package trace

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/signalbox-ai/signalbox/host/call"
)

// span is one that has ended, as exporters read it. The embedded interface is
// there for its private method alone; all others are overridden.
type span struct {
	sdktrace.ReadOnlySpan
	res      *resource.Resource
	name     string
	kind     trace.SpanKind
	context  trace.SpanContext
	parent   trace.SpanContext
	from, to time.Time
	attrs    []attribute.KeyValue
	events   []sdktrace.Event
	status   sdktrace.Status
	children int
}

// scope names what makes the spans.
var scope = instrumentation.Scope{Name: "github.com/signalbox-ai/signalbox/host/trace"}

// Name and the others implement sdktrace.ReadOnlySpan.
func (s *span) Name() string                                { return s.name }
func (s *span) SpanContext() trace.SpanContext              { return s.context }
func (s *span) Parent() trace.SpanContext                   { return s.parent }
func (s *span) SpanKind() trace.SpanKind                    { return s.kind }
func (s *span) StartTime() time.Time                        { return s.from }
func (s *span) EndTime() time.Time                          { return s.to }
func (s *span) Attributes() []attribute.KeyValue            { return s.attrs }
func (s *span) Links() []sdktrace.Link                      { return nil }
func (s *span) Events() []sdktrace.Event                    { return s.events }
func (s *span) Status() sdktrace.Status                     { return s.status }
func (s *span) InstrumentationScope() instrumentation.Scope { return scope }
func (s *span) Resource() *resource.Resource                { return s.res }
func (s *span) DroppedAttributes() int                      { return 0 }
func (s *span) DroppedLinks() int                           { return 0 }
func (s *span) DroppedEvents() int                          { return 0 }
func (s *span) ChildSpanCount() int                         { return s.children }

// InstrumentationLibrary is asked for by old exporters alone.
func (s *span) InstrumentationLibrary() instrumentation.Scope { return scope }

// contextOf is a span of t's trace, as OpenTelemetry has it.
func contextOf(t *call.Trace, id call.SpanID, remote bool) trace.SpanContext {
	var flags trace.TraceFlags // also those that were kept once they had failed are told of as sampled
	state, err := trace.ParseTraceState(t.State)
	if err != nil { // what is not by the rules goes no further
		state = trace.TraceState{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(t.ID), SpanID: trace.SpanID(id),
		TraceFlags: flags.WithSampled(true), TraceState: state, Remote: remote})
}

// failedWith is the status of a span that has failed.
func failedWith(text string) sdktrace.Status {
	return sdktrace.Status{Code: codes.Error, Description: text}
}
