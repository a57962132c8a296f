package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is an exporter that keeps what it is given, once it is let.
type memory struct {
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
	gate  chan struct{} // nil: it takes at once
	err   error
	ended int
}

func (m *memory) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if m.gate != nil {
		select {
		case <-m.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.spans = append(m.spans, spans...)
	}
	return m.err
}

func (m *memory) Shutdown(context.Context) error { m.ended++; return nil }

// headers are those of a request.
type headers map[string]string

func (h headers) Peek(name string) []byte { return []byte(h[name]) }

const (
	aTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	aSpan   = "00f067aa0ba902b7"
	sampled = "00-" + aTrace + "-" + aSpan + "-01"
	not     = "00-" + aTrace + "-" + aSpan + "-00"
)

var noon = time.Date(2026, 3, 13, 12, 0, 0, 0, time.UTC)

func asked(parent string) *call.Call {
	h := headers{}
	if parent != "" {
		h["traceparent"] = parent
	}
	return &call.Call{Received: noon, Header: h, Principal: &call.Principal{}}
}

func TestWhoDecides(t *testing.T) {
	f := func(opt Options, parent string, goesOn, isSampled bool) {
		t.Helper()
		opt.Export = &memory{}
		tr := New(opt)
		defer tr.Close()
		c := asked(parent)
		tr.Begin(c)
		if (c.Trace.ID.String() == aTrace) != goesOn || c.Trace.Sampled != isSampled || c.Trace.Span == (call.SpanID{}) || c.Trace.Remote != goesOn {
			t.Errorf("%+v, %q: got %+v", opt, parent, c.Trace)
		}
	}
	all, none := Options{Sample: 1, Trust: true, CallerRate: 10}, Options{Trust: true, CallerRate: 10}
	f(all, "", false, true)
	f(none, "", false, false)
	f(all, sampled, true, true)
	f(none, sampled, true, true)
	f(all, not, true, false)
	f(all, "00-broken", false, true)
	f(Options{Sample: 1, CallerRate: 10}, sampled, false, true) // nobody is trusted
	f(Options{Trust: true}, sampled, true, false)               // none a second
}

func TestCallersDecideForSoMany(t *testing.T) {
	tr := New(Options{Export: &memory{}, Trust: true, CallerRate: 3})
	defer tr.Close()
	count := func(at time.Time) (n int) {
		for range 10 {
			c := asked(sampled)
			c.Received = at
			if tr.Begin(c); c.Trace.Sampled {
				n++
			}
		}
		return n
	}
	for range 10 { // who has no key uses up nothing
		c := asked(sampled)
		c.Principal = nil
		if tr.Begin(c); c.Trace.Sampled || c.Trace.ID.String() != aTrace {
			t.Errorf("of somebody unknown: %+v", c.Trace)
		}
	}
	if a, b := count(noon), count(noon.Add(time.Second)); a != 3 || b != 3 {
		t.Errorf("%d and %d of ten were sampled in two seconds; want 3 each", a, b)
	}
}

func TestShareOfTraces(t *testing.T) {
	tr := New(Options{Export: &memory{}, Sample: .25})
	defer tr.Close()
	n := 0
	for range 4000 {
		c := asked("")
		if tr.Begin(c); c.Trace.Sampled {
			n++
		}
	}
	if n < 800 || n > 1200 { // seven standard deviations
		t.Errorf("%d of 4000 were sampled; want about 1000", n)
	}
}

func TestTail(t *testing.T) {
	tr := New(Options{Export: &memory{}, Errors: true, Slow: time.Second, TailRate: 2})
	defer tr.Close()
	place := call.Trace{ID: call.NewTraceID(), Span: call.NewSpanID()}
	f := func(want bool, o Outcome) {
		t.Helper()
		if tr.Wants(&place, o) != want {
			t.Errorf("%+v: want %t", o, want)
		}
	}
	f(false, Outcome{Took: time.Millisecond, At: noon})
	f(true, Outcome{Failed: true, At: noon})
	f(true, Outcome{Took: time.Second, At: noon})
	f(false, Outcome{Failed: true, At: noon}) // the third of the second
	f(true, Outcome{Failed: true, At: noon.Add(time.Second)})
	if tr.Wants(&call.Trace{}, Outcome{Failed: true, At: noon.Add(5 * time.Second)}) {
		t.Error("a request without a trace is exported")
	}
}

func TestContextsGoOnAlone(t *testing.T) {
	tr := New(Options{Trust: true})
	defer tr.Close()
	c := asked(sampled)
	if tr.Begin(c); c.Trace.ID.String() != aTrace || !c.Trace.Sampled {
		t.Errorf("got %+v", c.Trace)
	}
	fresh := asked("")
	if tr.Begin(fresh); fresh.Trace.On() {
		t.Errorf("a trace that nobody sees was begun: %+v", fresh.Trace)
	}
	if tr.Wants(&c.Trace, Outcome{Failed: true}) {
		t.Error("it would be exported to nobody")
	}
}

// sent hands n requests over.
func send(tr *Tracer, n int) {
	for range n {
		it := tr.Item()
		c, r := sample()
		it.Fill(c, r)
		tr.Send(it)
	}
}

func sample() (*call.Call, *call.Record) {
	p := &call.Provider{Name: "openai"}
	to := &call.Target{Name: "openai/gpt-4o", Model: "gpt-4o", Provider: p}
	c := &call.Call{ID: 1 << 30, Received: noon, Op: wire.OpChat, Dialect: wire.OpenAIChat, Target: to,
		Trace: call.Trace{ID: call.NewTraceID(), Span: call.NewSpanID(), Sampled: true}}
	c.Facts.MaxTokens, c.Facts.N = 100, 1
	c.Attempts = []call.Attempt{
		{Target: to, Status: 503, Class: wire.ClassOverloaded, Duration: 3 * time.Millisecond, Credential: "a"},
		{Target: to, Status: 200, Start: 4 * time.Millisecond, Duration: 6 * time.Millisecond, Credential: "b", Hedge: true},
	}
	r := &call.Record{ID: c.ID, DurationUS: 10_000, OverheadUS: 40, Op: c.Op, Dialect: c.Dialect, KeyID: "k-1", Team: "core", Asked: "fast", Target: to.Name,
		Status: 200, Usage: wire.Usage{Input: 10, Output: 7, CacheRead: 3}, Cost: 2_500_000, Provenance: call.CostComputed, Route: "priority@1", Policy: "r1"}
	return c, r
}

func TestNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{gate: make(chan struct{})}
		tr := New(Options{Export: m, Queue: 5, Batch: 1})
		send(tr, 1)
		synctest.Wait() // it is being exported
		send(tr, 8)
		if s := tr.Stats(); s.Dropped != 3 || s.Waiting != 5 {
			t.Errorf("%+v; want 3 dropped of 8", s)
		}
		close(m.gate)
		tr.Close()
		if s := tr.Stats(); s.Sent != 6 || s.Failed != 0 || m.ended != 1 || s.Spans != int64(len(m.spans)) {
			t.Errorf("at the end %+v", s)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := New(Options{Export: &memory{gate: make(chan struct{})}, Batch: 1, Stop: 2 * time.Second})
		send(tr, 3)
		synctest.Wait()
		began := time.Now()
		tr.Close()
		tr.Close()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("closing took %s; want 2s", took)
		}
		if s := tr.Stats(); s.Failed != 3 {
			t.Errorf("%+v; want 3 failed", s)
		}
		var none *Tracer
		none.Close()
	})
}

// TestOneLineAMinute: a collector that is away is told of once a minute.
func TestOneLineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tr := New(Options{Export: &memory{err: errors.New("connection refused")}, Batch: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for range 30 {
			send(tr, 1)
			time.Sleep(5 * time.Second)
		}
		tr.Close()
		if n := strings.Count(log.String(), "connection refused"); n != 3 || tr.Stats().Failed != 30 {
			t.Errorf("%d lines of %d failures in 150 s; want 3:\n%s", n, tr.Stats().Failed, &log)
		}
	})
}

// TestSpansOfARequest looks at what is not seen from outside: order, times,
// failed and hedged attempts.
func TestSpansOfARequest(t *testing.T) {
	tr := New(Options{Export: &memory{}})
	defer tr.Close()
	it := tr.Item()
	c, r := sample()
	it.Fill(c, r)
	it.Steps[Policy] = Step{time.Millisecond, 2 * time.Millisecond}
	it.Said.Finish = []string{"stop"}
	spans := tr.appendSpans(nil, it)
	var text []string
	for _, s := range spans {
		line := fmt.Sprintf("%s %s %s..%s %s", s.SpanKind(), s.Name(), s.StartTime().Sub(noon), s.EndTime().Sub(noon), s.Status().Code)
		for _, a := range s.Attributes() {
			switch a.Key {
			case "error.type", "gen_ai.provider.name", "gen_ai.usage.input_tokens", "signalbox.hedge", "signalbox.credential", "gen_ai.response.finish_reasons":
				line += fmt.Sprintf(" %s=%v", a.Key, a.Value.AsInterface())
			}
		}
		text = append(text, line)
	}
	want := `server chat fast 0s..10ms Unset gen_ai.provider.name=openai gen_ai.response.finish_reasons=[stop] gen_ai.usage.input_tokens=13
internal policy 1ms..2ms Unset
client chat gpt-4o 0s..3ms Error gen_ai.provider.name=openai signalbox.credential=a error.type=overloaded
client chat gpt-4o 4ms..10ms Unset gen_ai.provider.name=openai signalbox.credential=b signalbox.hedge=true gen_ai.response.finish_reasons=[stop] gen_ai.usage.input_tokens=13`
	if got := strings.Join(text, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestNoTextSpoilsABatch: what a caller or a provider names may be any bytes.
func TestNoTextSpoilsABatch(t *testing.T) {
	tr := New(Options{Export: &memory{}})
	defer tr.Close()
	it := tr.Item()
	c, r := sample()
	r.Asked, r.Team = "up/\xff", "\xfe"
	it.Fill(c, r)
	it.Said.Answer([]byte(`{"id":"a` + "\xff" + `","model":"m` + "\xff" + `","choices":[{"finish_reason":"s` + "\xff" + `"}]}`))
	for _, s := range tr.appendSpans(nil, it) {
		all := fmt.Sprint(s.Name(), s.Status())
		for _, a := range s.Attributes() {
			all += fmt.Sprint(a.Value.AsInterface())
		}
		if !utf8.ValidString(all) {
			t.Errorf("%s tells %q", s.Name(), all)
		}
	}
}

// TestToolsAndWorkflows have names of their own, and are no models.
func TestToolsAndWorkflows(t *testing.T) {
	tr := New(Options{Export: &memory{}})
	defer tr.Close()
	f := func(op wire.Op, asked, name, key, value string) {
		t.Helper()
		it := tr.Item()
		it.Fill(&call.Call{Op: op, Received: noon}, &call.Record{Op: op, Asked: asked})
		s := tr.appendSpans(nil, it)[0]
		got := map[string]any{}
		for _, a := range s.Attributes() {
			got[string(a.Key)] = a.Value.AsInterface()
		}
		if s.Name() != name || got[key] != value || got[genAIModel] != nil {
			t.Errorf("%s has %v", s.Name(), got)
		}
	}
	f(wire.OpTool, "mcp/files/read", "execute_tool files/read", "gen_ai.tool.name", "files/read")
	f(wire.OpPipeline, "pipeline/review", "invoke_workflow pipeline/review", "gen_ai.workflow.name", "pipeline/review")
}

func TestServicesAreKnown(t *testing.T) {
	f := func(name, host, want string) {
		t.Helper()
		if got := Provider(&call.Target{Provider: &call.Provider{Name: name}}, host); got != want {
			t.Errorf("%s at %q is %q; want %q", name, host, got, want)
		}
	}
	f("mine", "api.openai.com", "openai")
	f("mine", "eu.api.openai.com", "openai")
	f("mine", "notapi.openai.com", "mine")
	f("corp", "corp.openai.azure.com", "azure.ai.openai")
	f("v", "europe-west1-aiplatform.googleapis.com", "gcp.vertex_ai")
	f("b", "bedrock-runtime.eu-central-1.amazonaws.com", "aws.bedrock")
	f("bedrock", "", "aws.bedrock")
	f("groq", "127.0.0.1", "groq")
}

func BenchmarkUnsampled(b *testing.B) {
	tr := New(Options{Export: &memory{}, Trust: true, Errors: true, Slow: time.Minute, TailRate: 10})
	defer tr.Close()
	c, r := sample()
	c.Header = headers{}
	b.ReportAllocs()
	for b.Loop() {
		tr.Begin(c)
		if tr.Wants(&c.Trace, Outcome{Took: time.Duration(r.DurationUS) * time.Microsecond, At: c.Received}) {
			b.Fatal("it is sampled")
		}
	}
}
