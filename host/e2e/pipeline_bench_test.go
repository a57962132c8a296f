package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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

// BenchmarkPipelinesHeld tells what memory a gateway takes that 1,000 runs at once
// are in, each with an input of 1 MB: before them, while all wait for the step that
// is given it and for the one after, and at the most.
//
//	go test ./host/e2e -run '^$' -bench PipelinesHeld -benchtime 1x
func BenchmarkPipelinesHeld(b *testing.B) {
	const runs, size = 1000, 1 << 20
	asked, free := make(chan struct{}), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for _, c := range []chan struct{}{asked, free} {
			select {
			case c <- struct{}{}:
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.WriteString(w, `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	}))
	defer up.Close()
	g := &gateway{t: b, dir: b.TempDir()}
	g.config = filepath.Join(g.dir, "signalbox.yaml")
	g.write(strings.Replace(config(up.URL, "1000"), ", budgets: [{usd: 1000, window: day}]", "", 1) + `
timeouts: {first_byte: 10m} # the first waits for the last
pipelines:
  held:
    input: {text: {type: string, required: true}}
    steps:
      - {name: a, model: fast, max_tokens: 100, with: {system: be brief, prompt: "of: {{ input.text }}"}}
      - {name: b, model: fast, max_tokens: 100, with: {prompt: "{{ a.text }}"}}
`)
	g.start()
	defer g.stop()
	body := `{"input": {"text": "` + strings.Repeat(`some text\n`, size/10) + `"}}`
	plain := &http.Client{Transport: &http.Transport{}} // nothing looks at what it sends
	defer plain.CloseIdleConnections()
	run := func() error {
		r, err := http.NewRequest("POST", g.data+"/v1/pipelines/held", strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+callerKey)
		r.Header.Set("Content-Type", "application/json")
		resp, err := plain.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%d %s, %w", resp.StatusCode, answer, err)
		}
		return nil
	}
	at := func(what string) { b.ReportMetric(float64(g.resident())/1e6, "MB-"+what) }
	at("before")
	for b.Loop() {
		before := cpuOf(b, g.cmd.Process.Pid)
		over := make(chan error, runs)
		for range runs {
			go func() { over <- run() }()
		}
		for _, what := range []string{"given", "after"} {
			for range runs {
				select {
				case <-asked:
				case err := <-over:
					b.Fatalf("a run has ended before its steps: %v", err)
				}
			}
			at(what)
			for range runs {
				<-free
			}
		}
		for range runs {
			if err := <-over; err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(cpuOf(b, g.cmd.Process.Pid)-before)/runs/2/1000, "cpu-µs/step")
	}
	b.ReportMetric(float64(g.most())/1e6, "MB-most")
}

// most is the most resident memory that the gateway has had, in bytes.
func (g *gateway) most() int {
	g.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kb, err := strconv.Atoi(strings.Fields(rest + " ?")[0])
	if err != nil {
		g.t.Fatal(err)
	}
	return kb << 10
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
