package host

import (
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/otlp"
	"github.com/signalbox-ai/signalbox/host/trace"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// BenchmarkSampled is all that a sampled request of 1 KB costs: its place in a
// trace, both bodies read, spans made of it, encoded, and sent to a collector
// in batches, the collector's side of the connection included.
func BenchmarkSampled(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer sink.Close()
	export, err := otlp.Traces(b.Context(), otlp.Collector{Endpoint: sink.URL + "/v1/traces", Protocol: otlp.HTTP, Headers: map[string]string{}, Timeout: 10 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	t := trace.New(trace.Options{Export: export, Sample: 1, Queue: 1024})
	to := &call.Target{Name: "openai/gpt-4o", Model: "gpt-4o", Provider: &call.Provider{Name: "openai"}}
	body := append(append([]byte(`{"model":"fast","temperature":0.2,"seed":7,"messages":[{"role":"user","content":"`), make([]byte, 900)...), `"}]}`...)
	answer := append(append([]byte(`{"id":"chatcmpl-1","model":"gpt-4o-2024","choices":[{"message":{"content":"`), make([]byte, 900)...), `"},"finish_reason":"stop"}]}`...)
	c := &call.Call{Op: wire.OpChat, Dialect: wire.OpenAIChat, Target: to, Principal: &call.Principal{}, Attempts: []call.Attempt{{Target: to, Status: 200, Duration: time.Millisecond}}}
	r := &call.Record{DurationUS: 1000, Op: c.Op, Dialect: c.Dialect, KeyID: "k-1", Team: "core", Asked: "fast", Target: to.Name, Status: 200, Usage: wire.Usage{Input: 10, Output: 7}}
	b.ReportAllocs()
	began := cpuOf(b)
	for b.Loop() {
		c.Received = time.Now()
		t.Begin(c)
		it := t.Item()
		it.Said.Request(body)
		it.Said.Answer(answer)
		it.Fill(c, r)
		for s := range it.Steps[:3] {
			it.Steps[s] = trace.Step{From: time.Microsecond, To: 2 * time.Microsecond}
		}
		for t.Stats().Waiting > 512 { // what is measured is the work, not what is dropped
			time.Sleep(100 * time.Microsecond)
		}
		t.Send(it)
	}
	t.Close()
	b.ReportMetric(float64((cpuOf(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
	if s := t.Stats(); s.Dropped+s.Failed > 0 {
		b.Fatalf("%+v", s)
	}
}

// cpuOf is what the process has used of processors so far.
func cpuOf(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
