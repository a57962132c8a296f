package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/bench/load"
)

// benchKey is that of the gateway that bench starts for itself.
const benchKey = "a-key-of-the-bench-0123456789abcdef"

// benching is what bench is asked for.
type benching struct {
	requests, conns int
	asJSON          bool
}

func benchCommand(src *sources) *cobra.Command {
	var q benching
	var model string
	a := &caller{src: src}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what the gateway adds to a request on this machine",
		Long: "Measure what the gateway adds to a request on this machine: a gateway and an upstream that answers at once are started\n" +
			"on the loopback, asked directly and through the gateway, and ended again. Nothing else should run meanwhile.\n" +
			"With --model a gateway that runs is asked for streams of that model instead, which costs what they cost.",
		Example: "  signalbox bench\n  signalbox bench --conns 64 --json\n  signalbox bench --url http://127.0.0.1:8080 --model demo/echo",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if model != "" {
				return q.running(c, a, model)
			}
			if a.url != "" || a.key != "" || a.profile != "" {
				return hint(errors.New("there is no model to ask the gateway for"), "give --model, such as demo/echo; without --url, --key and --profile a gateway of the bench's own is measured")
			}
			return q.own(c)
		},
	}
	a.flags(c)
	c.Flags().StringVar(&model, "model", "", "measure a gateway that runs, by this model")
	c.Flags().IntVar(&q.requests, "requests", 2000, "how many of each kind")
	c.Flags().IntVar(&q.conns, "conns", 16, "connections of the second part")
	c.Flags().BoolVar(&q.asJSON, "json", false, "print the figures as JSON")
	return c
}

// own measures a gateway that is started for it.
func (q *benching) own(c *cobra.Command) error {
	ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
	defer cancel()
	b, err := startBench(ctx)
	if err != nil {
		return err
	}
	defer b.stop()
	work := progressOf(c.ErrOrStderr(), "bench: measuring", 0, plainly)
	r, err := b.measure(q.requests, q.conns)
	work.end()
	if err != nil {
		return err
	}
	if q.asJSON {
		return printLine(c.OutOrStdout(), r)
	}
	return r.print(c.OutOrStdout(), q.conns)
}

// benchResult is what was measured; times are in microseconds.
type benchResult struct {
	DirectP50 float64 `json:"direct_p50_us"`
	DirectP99 float64 `json:"direct_p99_us"`
	P50       float64 `json:"gateway_p50_us"`
	P99       float64 `json:"gateway_p99_us"`
	CPU       float64 `json:"cpu_us_per_request"`
	Rate      float64 `json:"requests_per_second"`
	Direct    float64 `json:"direct_requests_per_second"`

	DirectFirst  float64 `json:"direct_first_event_p50_us"`
	First        float64 `json:"first_event_p50_us"`
	DirectStream float64 `json:"direct_stream_p50_us"`
	Stream       float64 `json:"stream_p50_us"`
	EventCPU     float64 `json:"cpu_us_per_event"`
}

// bencher is the gateway that is measured, and what it asks.
type bencher struct {
	dir      string
	cmd      *exec.Cmd
	upstream *http.Server
	up, data string
}

const benchAnswer = `{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}`

// benchEvents are those of a stream, the last one included.
const benchEvents = 50

const benchEvent = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,"model":"m","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n"

// answer is the upstream: it answers at once, and streams in one burst.
func answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // who asked has left, or it is whole
	if !bytes.Contains(body, []byte(`"stream":true`)) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, benchAnswer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, strings.Repeat(benchEvent, benchEvents-1)+"data: [DONE]\n\n")
}

func startBench(ctx context.Context) (b *bencher, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot start the upstream: %w", err)
	}
	b = &bencher{up: ln.Addr().String(), upstream: &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(answer)}}
	go func() { _ = b.upstream.Serve(ln) }()
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "signalbox-bench-"); err != nil {
		return b, fmt.Errorf("cannot start the gateway: %w", err)
	}
	file := filepath.Join(b.dir, "signalbox.yaml")
	text := fmt.Sprintf("listen: {data: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\nstore: {url: \"sqlite:%s/s.db\"}\nlog: {level: error, format: text}\n"+
		"providers: {up: {adapter: openai, config: {base_url: \"http://%s/v1\"}, hosts: [%q], credentials: [{name: main, value: none}]}}\n"+
		"keys: [{name: bench, value: %s}]\n", b.dir, b.up, b.up, benchKey)
	if err = os.WriteFile(file, []byte(text), 0o600); err != nil {
		return b, fmt.Errorf("cannot start the gateway: %w", err)
	}
	return b, b.serve(ctx, file)
}

// serve starts the gateway and waits until it listens.
func (b *bencher) serve(ctx context.Context, file string) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot start the gateway: %w", err)
	}
	b.cmd = exec.CommandContext(ctx, exe, "serve", "-c", file)
	b.cmd.Args[0] = "signalbox"
	b.cmd.Stderr = os.Stderr // its errors
	out, err := b.cmd.StdoutPipe()
	if err == nil {
		err = b.cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("cannot start the gateway: %w", err)
	}
	var admin string
	if _, err := fmt.Fscanf(out, "listening data=%s admin=%s\n", &b.data, &admin); err != nil {
		return hint(fmt.Errorf("the gateway did not start: %w", err), "signalbox doctor tells more")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return nil
}

func (b *bencher) stop() {
	if b.cmd != nil && b.cmd.Process != nil {
		_ = b.cmd.Process.Signal(syscall.SIGTERM)
		_ = b.cmd.Wait()
	}
	_ = b.upstream.Close()
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

// job is what is asked of addr.
func job(addr, model string, requests, conns int, stream bool) load.Job {
	check := load.Check{Marker: []byte("chatcmpl")}
	if stream {
		check.Events = benchEvents
	}
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":100,"messages":[{"role":"user","content":"%s"}]}`, model, stream, strings.Repeat("word ", 150))
	head := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", addr, benchKey, len(body))
	return load.Job{Addr: addr, Requests: []load.Request{{Bytes: []byte(head + body), Path: "/v1/chat/completions"}}, Conns: conns, Total: requests, Check: check}
}

func (b *bencher) measure(requests, conns int) (r benchResult, err error) {
	var cpu time.Duration
	run := func(addr, model string, conns int, stream bool) (got load.Result) {
		if err != nil {
			return got
		}
		before := cpuOf(b.cmd.Process.Pid)
		if got, err = load.Run(job(addr, model, requests, conns, stream)); err != nil {
			err = fmt.Errorf("cannot measure: %w", err)
		}
		cpu = cpuOf(b.cmd.Process.Pid) - before
		return got
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	run(b.data, "up/m", 1, false) // warms up
	direct := run(b.up, "m", 1, false)
	through := run(b.data, "up/m", 1, false)
	spent := cpu
	many := run(b.data, "up/m", conns, false)
	bare := run(b.up, "m", conns, false)
	bareStream := run(b.up, "m", 1, true)
	stream := run(b.data, "up/m", 1, true)
	if err != nil {
		return r, err
	}
	return benchResult{DirectP50: us(direct.Latency(.5)), DirectP99: us(direct.Latency(.99)), P50: us(through.Latency(.5)), P99: us(through.Latency(.99)),
		CPU: us(spent) / float64(through.Requests), Rate: float64(many.Requests) / many.Elapsed.Seconds(), Direct: float64(bare.Requests) / bare.Elapsed.Seconds(),
		DirectFirst: us(bareStream.FirstEvent(.5)), First: us(stream.FirstEvent(.5)), DirectStream: us(bareStream.Latency(.5)), Stream: us(stream.Latency(.5)),
		EventCPU: us(cpu) / float64(stream.Requests*benchEvents)}, nil
}

// cpuOf is the processor time of a process, 0 where this system does not tell.
func cpuOf(pid int) time.Duration {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // ticks of a hundredth of a second
}

func (r *benchResult) print(w io.Writer, conns int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tDIRECT\tTHROUGH THE GATEWAY\tADDED\t")
	fmt.Fprintf(t, "p50, one connection\t%.0f µs\t%.0f µs\t%.0f µs\t\n", r.DirectP50, r.P50, r.P50-r.DirectP50)
	fmt.Fprintf(t, "p99, one connection\t%.0f µs\t%.0f µs\t%.0f µs\t\n", r.DirectP99, r.P99, r.P99-r.DirectP99)
	fmt.Fprintf(t, "p50, first event of a stream\t%.0f µs\t%.0f µs\t%.0f µs\t\n", r.DirectFirst, r.First, r.First-r.DirectFirst)
	fmt.Fprintf(t, "p50, stream of %d events at once\t%.0f µs\t%.0f µs\t%.0f µs\t\n", benchEvents, r.DirectStream, r.Stream, r.Stream-r.DirectStream)
	fmt.Fprintf(t, "requests/s, %d connections\t%.0f\t%.0f\t\t\n", conns, r.Direct, r.Rate)
	fmt.Fprintf(t, "CPU of the gateway a request\t\t%.0f µs\t\t\n", r.CPU)
	fmt.Fprintf(t, "CPU of the gateway an event\t\t%.1f µs\t\t\n", r.EventCPU)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "Load, upstream and gateway share this machine's processors: bench/README.md has what to compare it with.")
	return err
}
