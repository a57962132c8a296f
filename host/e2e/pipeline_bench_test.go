package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkPipelineStep tells what a step of a pipeline adds in processor time to
// the plain request that it is: that of runs of eight steps beside as many
// requests, of the gateway's process alone.
//
//	go test ./host/e2e -run '^$' -bench PipelineStep -benchtime 400x
func BenchmarkPipelineStep(b *testing.B) {
	const steps = 8
	config := strings.Replace(pipelineConfig, "pipelines:\n", "pipelines:\n  long:\n    input: {text: {type: string, from: chat.text}}\n    steps:\n", 1)
	var list strings.Builder
	for i := range steps {
		fmt.Fprintf(&list, "      - {name: s%d, model: demo/echo, max_tokens: 100, with: {prompt: \"step %d of {{ input.text }}\"}}\n", i, i)
	}
	config = strings.Replace(config, "    steps:\n", "    steps:\n"+list.String(), 1)
	g := &gateway{t: b, dir: b.TempDir()}
	g.config = filepath.Join(g.dir, "signalbox.yaml")
	g.write(config)
	g.start()
	defer g.stop()
	ask := func(path, body string) {
		if status, answer, _ := g.sent(callerKey, path, "application/json", body); status != http.StatusOK {
			b.Fatalf("%d %s", status, answer)
		}
	}
	plain := func() {
		for i := range steps {
			ask("/v1/chat/completions", fmt.Sprintf(`{"model": "demo/echo", "max_tokens": 100, "messages": [{"role": "user", "content": "step %d of it"}]}`, i))
		}
	}
	piped := func() { ask("/v1/pipelines/long", `{"input": {"text": "it"}}`) }
	for range 50 {
		plain()
		piped()
	}
	var spent [2]int64
	for b.Loop() { // by turns: the machine is shared
		for i, do := range []func(){plain, piped} {
			before := cpuOf(b, g.cmd.Process.Pid)
			do()
			spent[i] += cpuOf(b, g.cmd.Process.Pid) - before
		}
	}
	n := float64(b.N) * steps * 1000
	b.ReportMetric(float64(spent[0])/n, "plain-cpu-µs/request")
	b.ReportMetric(float64(spent[1])/n, "pipeline-cpu-µs/step")
	b.ReportMetric(float64(spent[1]-spent[0])/n, "added-cpu-µs/step")
}

// cpuOf is the processor time of a process, in nanoseconds.
func cpuOf(b *testing.B, pid int) (sum int64) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(raw), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += ns
	}
	return sum
}
