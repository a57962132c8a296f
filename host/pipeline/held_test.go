package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// waiting answers once it is let go, and tells of each that waits.
type waiting struct {
	asked chan struct{}
	free  chan struct{}
}

// Call implements pipeline.Caller.
func (w *waiting) Call(_ context.Context, r *pipeline.Request) (pipeline.Reply, *wire.Error) {
	w.asked <- struct{}{}
	<-w.free
	n := len(r.Body) // it is there until the answer is
	return pipeline.Reply{Body: chatBody(strings.Repeat("y", n/10))}, nil
}

// long asks twice for what its input says, and then for something else.
const long = `
input: {text: {type: string, required: true, max: 4000000}}
output: "{{ c.text }}"
steps:
  - {name: a, model: m, with: {system: "be brief", prompt: "of: {{ input.text }}"}}
  - {name: b, model: m, with: {prompt: "{{ input.text }}"}}
  - {name: c, model: m, with: {prompt: "{{ b.text }}"}}`

// held is how many bytes each of n runs holds while its steps wait for their
// answers: of each step, over those of its input.
func held(t testing.TB, n, size int) (steps [3]float64) {
	p, c := mustCompile(t, long), &waiting{asked: make(chan struct{}), free: make(chan struct{})}
	given, err := json.Marshal(map[string]any{"input": map[string]any{"text": strings.Repeat("some text\n", size/10)}})
	if err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			inputs, _, err := p.Body("application/json", bytes.Clone(given)) // each has come with a body of its own
			if err == nil {
				_, err = p.Run(context.Background(), "r", inputs, c, pipeline.Watch{})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for i := range steps {
		for range n {
			<-c.asked
		}
		steps[i] = float64(heap()-before) / float64(n) / float64(size)
		for range n {
			c.free <- struct{}{}
		}
	}
	wg.Wait()
	return steps
}

// TestRunsHoldLittle: while a step waits there are its input and its request,
// once each; what no later step reads is gone.
func TestRunsHoldLittle(t *testing.T) {
	got := held(t, 8, 256<<10)
	t.Logf("of what their inputs take, runs hold %.2f", got)
	for i, most := range [...]float64{3, 3, 1} { // a line break takes two bytes in JSON
		if got[i] > most {
			t.Errorf("step %d holds %.2f times its input, more than %.2f: all are %.2f", i+1, got[i], most, got)
		}
	}
}

// BenchmarkThousandRuns tells what 1,000 runs at once hold while each of their
// steps waits, in times of their inputs of 256 KB, and what processor time a step
// takes.
//
//	go test ./host/pipeline -run '^$' -bench ThousandRuns -benchtime 1x
func BenchmarkThousandRuns(b *testing.B) {
	const runs = 1000
	before := spent(b)
	for b.Loop() {
		for i, got := range held(b, runs, 256<<10) {
			b.ReportMetric(got, "inputs/run-"+[...]string{"joined", "asked", "later"}[i])
		}
	}
	b.ReportMetric(float64((spent(b)-before).Microseconds())/float64(b.N*runs*3), "cpu-µs/step")
}

// spent is the processor time of this process.
func spent(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
