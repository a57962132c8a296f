package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/signalbox-ai/signalbox/host/trace/otlptest"
)

// within is who stands above s in its trace, the outermost first: "chat fast>chat echo".
func within(spans []otlptest.Span, s otlptest.Span) string {
	name := s.Name
	for _, p := range spans {
		if string(p.SpanId) == string(s.ParentSpanId) && string(p.TraceId) == string(s.TraceId) {
			return within(spans, p) + ">" + name
		}
	}
	return name
}

// paths are the spans of one trace by their places, those of stages aside.
func paths(spans []otlptest.Span, trace string) (list []string) {
	for _, s := range spans {
		if fmt.Sprintf("%x", s.TraceId) == trace && !slices.Contains([]string{"policy", "filters", "queue", "route"}, s.Name) {
			list = append(list, within(spans, s))
		}
	}
	slices.Sort(list)
	return list
}

// TestOneTrace: what a request makes of itself is within its trace: steps of
// pipelines, embeddings of the cache; tools and lines of batches are traced as
// requests are.
func TestOneTrace(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	g := newGateway(t, strings.Replace(pipelineConfig, "pipelines:\n", fmt.Sprintf(`
telemetry: {traces: {endpoint: %q, every: 20ms}}
mcp: {servers: {clock: {command: [%q]}}}
pipelines:
`, c.HTTP+"/v1/traces", clockServer(t)), 1))
	want := func(what, trace string, want ...string) {
		t.Helper()
		slices.Sort(want)
		c.Until(t, what, func() bool { return len(paths(c.Spans(), trace)) >= len(want) })
		if got := paths(c.Spans(), trace); !slices.Equal(got, want) {
			t.Errorf("%s: the spans are\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}

	for _, stream := range []bool{false, true} {
		_, h := g.told(nil, request("pipeline/two", "x", stream))
		root := "invoke_workflow pipeline/two"
		want("a pipeline", h.Get("X-Signalbox-Trace-Id"), root, root+">chat fast", root+">chat fast>chat echo",
			root+">chat demo/echo", root+">chat demo/echo>chat echo", root+">chat demo/echo", root+">chat demo/echo>chat echo")
	}
	for _, s := range c.Spans() {
		if kind := s.Kind; s.Name == "chat fast" && kind != tracepb.Span_SPAN_KIND_INTERNAL || strings.HasPrefix(s.Name, "invoke_workflow") && kind != tracepb.Span_SPAN_KIND_SERVER {
			t.Errorf("%s is of kind %s", s.Name, kind)
		}
	}

	g.tracedTool(t, c)
	g.tracedBatch(t, c)
}

// tracedTool: the trace of who calls a tool goes on.
func (g *gateway) tracedTool(t *testing.T, c *otlptest.Collector) {
	s, err := g.tools(callerKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := add(s); err != nil {
		t.Fatal(err)
	}
	c.Until(t, "the span of a tool", func() bool {
		return slices.ContainsFunc(c.Spans(), func(s otlptest.Span) bool { return s.Name == "execute_tool clock/add" })
	})
}

// tracedBatch: each line is a trace of its own, with its attempts.
func (g *gateway) tracedBatch(t *testing.T, c *otlptest.Collector) {
	made := g.batch(g.upload(batchFor("demo/echo", 2)))
	g.over(made.ID)
	lines := func() (traces []string) {
		for _, s := range c.Spans() {
			if s.Attrs["signalbox.origin"] == "batch/"+made.ID {
				traces = append(traces, fmt.Sprintf("%x", s.TraceId))
			}
		}
		return traces
	}
	c.Until(t, "the lines of a batch", func() bool { return len(lines()) == 2 })
	traces := lines()
	if traces[0] == traces[1] {
		t.Error("both lines are in one trace")
	}
	for _, trace := range traces {
		if got := paths(c.Spans(), trace); !slices.Equal(got, []string{"chat demo/echo", "chat demo/echo>chat echo"}) {
			t.Errorf("the spans of a line are %q", got)
		}
	}
}

// TestTraceOfTheCache: the embedding that looks for an answer is within the
// request's trace, and bodies tell their parameters.
func TestTraceOfTheCache(t *testing.T) {
	up, c := newUpstream(t), otlptest.New(t)
	g := newGateway(t, caching(up, "{exact: {models: listed, disk: 64MiB}, semantic: {model: demo/embed, threshold: 0.8, deadline: 10s}}",
		fmt.Sprintf("telemetry: {traces: {endpoint: %q, every: 20ms}}", c.HTTP+"/v1/traces"))+"\n")
	body := `{"model":"own","temperature":0.5,"seed":9007199254740993,"messages":[{"role":"user","content":"How can I reset my password?"}]}`
	answer, h := g.told(http.Header{}, body)
	trace := h.Get("X-Signalbox-Trace-Id")
	embedding := "chat own>embeddings demo/embed"
	c.Until(t, "the spans of a request that looks for others", func() bool {
		got := paths(c.Spans(), trace)
		return slices.Contains(got, "chat own") && slices.Contains(got, embedding) && slices.Contains(got, embedding+">embeddings embed")
	})
	var said struct{ ID, Model string }
	if err := json.Unmarshal([]byte(answer), &said); err != nil {
		t.Fatal(err)
	}
	root := named(c.Spans(), trace)["chat own"]
	want := map[string]any{"gen_ai.request.temperature": .5, "gen_ai.request.seed": int64(9007199254740993), "gen_ai.response.id": said.ID, "gen_ai.response.model": said.Model}
	for key, v := range want {
		if root.Attrs[key] != v {
			t.Errorf("%s is %v; want %v", key, root.Attrs[key], v)
		}
	}
	if root.Attrs["gen_ai.response.finish_reasons"] == nil {
		t.Errorf("it is not told why the answer ended: %v", root.Attrs)
	}
}
