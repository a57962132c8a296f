package host

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/host/trace"
	"github.com/signalbox-ai/signalbox/host/trace/otlptest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// tellingHost is a gateway of which nothing but what it tells of requests works.
func tellingHost(t *testing.T) *Host {
	t.Helper()
	h, _ := testHost(t)
	h.metrics = telemetry.New()
	return h
}

// toldBy has requests told of by cfg from now on.
func toldBy(t *testing.T, h *Host, cfg config.Telemetry) {
	t.Helper()
	old := h.gen.Load()
	g := &generation{cfg: &config.Config{Telemetry: cfg}}
	var err error
	if g.telling, err = h.tell(t.Context(), g.cfg, old); err != nil {
		t.Fatal(err)
	}
	g.tracer = tracerOf(g.cfg, g.telling)
	h.gen.Store(g)
	h.use(g, old)
}

// to is a configuration that tells c, and a file of that path.
func to(c *otlptest.Collector, path string) config.Telemetry {
	return config.Telemetry{ServiceName: "signalbox", Traces: config.Traces{Endpoint: c.HTTP + "/v1/traces", Protocol: "http/protobuf", Timeout: time.Minute, Sample: 1, Every: 10 * time.Millisecond, Queue: 1 << 16},
		Metrics: config.OTLPMetrics{Endpoint: c.HTTP + "/v1/metrics", Protocol: "http/protobuf", Timeout: time.Minute, Every: time.Hour}, AccessLog: config.AccessLog{Path: path, Sample: 1, Buffer: 1 << 16}}
}

// begun is a request that has begun.
func begun(h *Host) *flight {
	f := &flight{}
	h.bind(f)
	f.Received, f.Op = time.Now(), wire.OpChat
	if f.gen.tracer != nil {
		f.gen.tracer.Begin(&f.Call)
	}
	return f
}

// ended ends it, and returns whether it was told of.
func ended(f *flight) bool {
	r := &call.Record{Status: 200}
	told := f.traced(r) != (call.TraceID{})
	f.logAccess(r)
	f.gen.telling.release()
	return told
}

// leftovers fails t where goroutines are left that were not there before.
func leftovers(t *testing.T, before goleak.Option) {
	t.Helper()
	var err error
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if err = goleak.Find(before); err == nil {
			return
		}
	}
	t.Error(err)
}

// TestWhatRunsIsToldToItsEnd: a request is told of by the configuration that it
// began with, which ends with its last request.
func TestWhatRunsIsToldToItsEnd(t *testing.T) {
	h, a, b := tellingHost(t), otlptest.New(t), otlptest.New(t)
	before := goleak.IgnoreCurrent()
	path := filepath.Join(t.TempDir(), "access.log")
	toldBy(t, h, to(a, path+".a"))
	first := h.telling()
	toldBy(t, h, to(a, path+".a"))
	if h.telling() != first {
		t.Error("what is the same does not go on")
	}
	long := begun(h)
	toldBy(t, h, to(b, path+".b"))
	if !ended(begun(h)) || !ended(long) {
		t.Error("a request was not told of")
	}
	toldBy(t, h, config.Telemetry{})
	if h.telling() != nil || ended(begun(h)) {
		t.Error("it was not turned off")
	}
	h.told.close()
	if len(a.Spans()) != 1 || len(b.Spans()) != 1 {
		t.Errorf("the collectors have %d and %d spans; want the one that began with each", len(a.Spans()), len(b.Spans()))
	}
	for _, p := range []string{path + ".a", path + ".b"} {
		if text, err := os.ReadFile(p); err != nil || strings.Count(string(text), "\n") != 1 {
			t.Errorf("%s holds %q, %v; want a line", p, text, err)
		}
	}
	if m, _ := a.Metric("signalbox_config_last_reload_ok"); m == nil {
		t.Error("metrics were not pushed once more before they went elsewhere")
	}
	leftovers(t, before)
}

// TestNothingIsLostAmongChanges: requests begin and end while what they are told
// to changes all the time.
func TestNothingIsLostAmongChanges(t *testing.T) {
	h, c := tellingHost(t), otlptest.New(t)
	before := goleak.IgnoreCurrent()
	path := filepath.Join(t.TempDir(), "access.log")
	kinds := []config.Telemetry{to(c, path), {}, to(c, path)}
	kinds[2].Traces.Batch = 100
	toldBy(t, h, kinds[0])
	stop := make(chan struct{})
	told := make([]int64, 4)
	var work sync.WaitGroup
	for i := range told {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if f := begun(h); ended(f) {
					told[i]++
				}
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	for i := range 60 {
		toldBy(t, h, kinds[i%len(kinds)])
		time.Sleep(time.Millisecond)
	}
	close(stop)
	work.Wait()
	toldBy(t, h, config.Telemetry{})
	h.told.close()
	var all int64
	for _, n := range told {
		all += n
	}
	s, out := h.told.access.Stats(), trace.New(trace.Options{Counts: &h.told.traces}).Stats()
	text, err := os.ReadFile(path)
	if got := int64(len(c.Spans())); out.Sent+out.Failed != all || got < out.Sent || all == 0 || err != nil || s.Written != all || int64(strings.Count(string(text), "\n")) != all {
		t.Errorf("%d requests were told of, %+v: the collector has %d, the log %d lines of %+v, %v", all, out, got, strings.Count(string(text), "\n"), s, err)
	}
	if len(h.told.open) != 0 {
		t.Errorf("%d are open", len(h.told.open))
	}
	leftovers(t, before)
}

// TestTellingThatCannotBegin leaves nothing behind.
func TestTellingThatCannotBegin(t *testing.T) {
	h, c := tellingHost(t), otlptest.New(t)
	before := goleak.IgnoreCurrent()
	cfg := to(c, "/dev/null/access.log")
	if _, err := h.tell(t.Context(), &config.Config{Telemetry: cfg}, nil); err == nil || !strings.Contains(err.Error(), "telemetry.access_log") {
		t.Errorf("got %v", err)
	}
	if len(h.told.open) != 0 {
		t.Error("it is still open")
	}
	leftovers(t, before)
}
