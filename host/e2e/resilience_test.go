package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fickle is an upstream whose models answer as they are told to. It notes what
// it is asked.
type fickle struct {
	*httptest.Server
	mu    sync.Mutex
	say   map[string]int           // status by model, none: 200
	hold  map[string]chan struct{} // what requests of a model wait for
	asked []string                 // "model text", as they came; " stream" behind it
	there int
	most  int
	came  chan string // model of each request that has come
}

func newFickle(t *testing.T) *fickle {
	u := &fickle{say: map[string]int{}, hold: map[string]chan struct{}{}, came: make(chan string, 1000)}
	u.Server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(func() {
		u.CloseClientConnections()
		u.Close()
	})
	return u
}

func (u *fickle) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var req struct {
		Model    string
		Stream   bool
		Messages []struct{ Content string }
	}
	if json.Unmarshal(body, &req) != nil || len(req.Messages) == 0 {
		w.WriteHeader(400)
		return
	}
	note := req.Model + " " + req.Messages[0].Content
	if req.Stream {
		note += " stream"
	}
	u.mu.Lock()
	u.asked = append(u.asked, note)
	u.there++
	u.most = max(u.most, u.there)
	status, hold := u.say[req.Model], u.hold[req.Model]
	u.mu.Unlock()
	u.came <- req.Model
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}
	u.mu.Lock()
	u.there--
	u.mu.Unlock()
	switch {
	case status == 429:
		w.Header().Set("Retry-After", "120")
		fallthrough
	case status != 0:
		w.WriteHeader(status)
		fmt.Fprint(w, `{"error":{"message":"as told","type":"server_error","param":null,"code":null}}`)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":%d,"total_tokens":%d}}`,
			req.Model, answerTokens, answerTokens)
	}
}

func (u *fickle) set(model string, status int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.say[model] = status
}

// block makes requests of model wait until the function that it returns.
func (u *fickle) block(model string) (release func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	ch := make(chan struct{})
	u.hold[model] = ch
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.hold, model)
		close(ch)
	}
}

func (u *fickle) heard() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.asked...)
}

// resilient is a configuration with an upstream; rest follows it.
func resilient(url, rest string) string {
	return fmt.Sprintf(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
limits: {attempts: 1}
providers:
  up: {adapter: openai, config: {base_url: %q}, hosts: [%q], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}], PROBE}
prices:
  "up/a": {input_per_mtok: 0, output_per_mtok: %[3]d, max_output: 1000}
  "up/shadow": {input_per_mtok: 0, output_per_mtok: %[3]d, max_output: 1000}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}", team: core}]
`, url+"/v1", strings.TrimPrefix(url, "http://"), outputPrice) + rest
}

// send sends one request with more headers, name and value by turns.
func (g *gateway) chatWith(model, text string, headers ...string) (status int, body string, h http.Header) {
	g.t.Helper()
	req, _ := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(request(model, text, false)))
	req.Header.Set("Authorization", "Bearer "+callerKey)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		g.t.Error(err)
		return 0, "", http.Header{}
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Header
}

// metric is the value of one series.
func (g *gateway) metric(series string) string {
	g.t.Helper()
	resp, err := client.Get(g.admin + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "signalbox_"+series+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// until waits until series has value.
func (g *gateway) until(series, value string) {
	g.t.Helper()
	for end := time.Now().Add(time.Minute); g.metric(series) != value; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("%s is %q; want %q", series, g.metric(series), value)
		}
	}
}

// TestBreaker: a target that fails is left alone; requests that may wait for it
// are served once it is well, after one that has looked.
func TestBreaker(t *testing.T) {
	u := newFickle(t)
	g := newGateway(t, strings.Replace(resilient(u.URL, `
breaker: {errors: 0.5, attempts: 3, window: 30s, rest: 1s, max_rest: 2s}
queue: {size: 20, wait: 20s}
models: {own: {targets: [{model: up/a}]}}
`), ", PROBE", "", 1))
	u.set("a", 500)
	for range 3 {
		if status, body, _ := g.chatWith("own", "x"); status != 502 {
			t.Fatalf("status %d: %s", status, body)
		}
	}
	if got := g.metric(`breaker_state{target="up/a"}`); got == "0" || g.metric(`breaker_opened_total{target="up/a"}`) != "1" {
		t.Errorf("the breaker's state is %q", got)
	}
	u.set("a", 0)
	release := u.block("a")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if status, body, _ := g.chatWith("own", "x"); status != 200 {
				t.Errorf("status %d: %s", status, body)
			}
		})
	}
	for range 4 {
		<-u.came
	}
	g.until(`queue_depth{priority="normal"}`, "7")
	if n := len(u.heard()); n != 4 {
		t.Errorf("the upstream was asked %d times; want 3 and one to look", n)
	}
	release()
	wg.Wait()
	g.until(`breaker_state{target="up/a"}`, "0")
}

// TestOpenBreakerIsTold: who cannot wait for a target that is left alone is told
// when to come back, without its being asked.
func TestOpenBreakerIsTold(t *testing.T) {
	u := newFickle(t)
	g := newGateway(t, strings.Replace(resilient(u.URL, `
breaker: {errors: 0.5, attempts: 2, window: 30s, rest: 60s, max_rest: 60s}
models:
  own: {targets: [{model: up/a}]}
  both: {targets: [{model: up/a, priority: 0}, {model: up/b, priority: 1}]}
  limited: {targets: [{model: up/c}]}
`), ", PROBE", "", 1))
	u.set("a", 503)
	u.set("c", 429)
	for range 2 {
		g.chatWith("own", "x")
	}
	status, body, h := g.chatWith("own", "x")
	if after := h.Get("Retry-After"); status != 503 || !strings.Contains(body, `"provider_resting"`) || len(after) != 2 || after < "50" {
		t.Errorf("status %d, Retry-After %q: %s", status, after, body)
	}
	if status, _, h := g.chatWith("both", "x"); status != 200 || h.Get("X-Signalbox-Model") != "b" || h.Get("X-Signalbox-Attempts") != "1" {
		t.Errorf("status %d, answered by %q after %s attempts", status, h.Get("X-Signalbox-Model"), h.Get("X-Signalbox-Attempts"))
	}
	g.chatWith("limited", "x")
	status, body, h = g.chatWith("limited", "x")
	if after := h.Get("Retry-After"); status != 429 || !strings.Contains(body, `"provider_rate_limited"`) || after < "115" {
		t.Errorf("status %d, Retry-After %q: %s", status, after, body)
	}
	if got := strings.Join(u.heard(), ","); got != "a x,a x,b x,c x" {
		t.Errorf("the upstream was asked %s", got)
	}
}

// TestProbes: a target that nobody asks is asked by the gateway itself, which
// closes its breaker; the cost is shown as the gateway's own.
func TestProbes(t *testing.T) {
	u := newFickle(t)
	g := newGateway(t, strings.Replace(resilient(u.URL, `
breaker: {errors: 0.5, attempts: 2, window: 30s, rest: 1s, max_rest: 1s}
queue: {size: 0}
models: {own: {targets: [{model: up/a}]}}
`), "PROBE", "probe: {model: a, every: 1s}", 1))
	u.set("a", 500)
	g.chatWith("own", "x")
	g.chatWith("own", "x")
	g.until(`breaker_opened_total{target="up/a"}`, "1")
	u.set("a", 0)
	g.until(`breaker_state{target="up/a"}`, "0")
	if status, body, _ := g.chatWith("own", "x"); status != 200 {
		t.Errorf("status %d: %s", status, body)
	}
	if own, probes := g.usageOf("?key=dev"), g.usageOf("?key=signalbox/probe"); own.Requests != 3 || own.Nano != answerNano || probes.Requests == 0 || probes.Nano < answerNano {
		t.Errorf("the caller has %+v, the probes %+v", own, probes)
	}
}

// TestSaturation: as many as may are there, as many as may wait, urgent ones
// first; the others are told to come back.
func TestSaturation(t *testing.T) {
	u := newFickle(t)
	g := newGateway(t, strings.Replace(resilient(u.URL, `
queue: {size: 3, wait: 60s}
models: {own: {targets: [{model: up/a, max_in_flight: 1}]}}
`), ", PROBE", "", 1))
	release := u.block("a")
	var wg sync.WaitGroup
	start := func(text string, headers ...string) {
		wg.Go(func() {
			if status, body, _ := g.chatWith("own", text, headers...); status != 200 {
				t.Errorf("%s: status %d: %s", text, status, body)
			}
		})
	}
	start("first")
	<-u.came
	start("low", "X-Signalbox-Priority", "low")
	g.until(`queue_depth{priority="low"}`, "1")
	start("normal", "X-Signalbox-Priority", "high") // no more than its key may
	g.until(`queue_depth{priority="normal"}`, "1")
	start("normal")
	g.until(`queue_depth{priority="normal"}`, "2")
	status, body, h := g.chatWith("own", "refused", "X-Signalbox-Priority", "low")
	if status != 429 || !strings.Contains(body, `"saturated"`) || h.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q: %s", status, h.Get("Retry-After"), body)
	}
	release()
	wg.Wait()
	if got := strings.Join(u.heard(), ","); !strings.HasPrefix(got, "a first,a normal,a normal,a low") || u.most != 1 {
		t.Errorf("the upstream was asked %s, %d at once", got, u.most)
	}
	g.until(`queue_shed_total{reason="full"}`, "1")
}

// TestMirror: the copy of a request has no effect on its caller, not even where
// it is not answered, and its cost is the gateway's own.
func TestMirror(t *testing.T) {
	u := newFickle(t)
	g := newGateway(t, strings.Replace(resilient(u.URL, `
models:
  own: {targets: [{model: up/a}], mirror: {target: up/shadow, share: 1}}
  half: {targets: [{model: up/a}], mirror: {target: up/shadow, share: 0.5}}
`), ", PROBE", "", 1))
	release := u.block("shadow")
	status, body, h := g.chatWith("own", "x")
	if status != 200 || h.Get("X-Signalbox-Model") != "a" {
		t.Fatalf("status %d: %s", status, body)
	}
	if _, _, _, err := g.chat(request("own", "y", true)); err != nil {
		t.Error(err)
	}
	for range 4 { // both copies have come
		<-u.came
	}
	if own := g.usageOf("?key=dev"); own.Requests != 2 || own.Nano < answerNano {
		t.Errorf("the caller has %+v", own)
	}
	release()
	g.until(`mirror_requests_total{result="sent"}`, "2")
	if m := g.usageOf("?key=signalbox/mirror"); m.Requests != 2 || m.Nano != 2*answerNano {
		t.Errorf("the mirror has %+v", m)
	}
	all := strings.Join(u.heard(), ",")
	if !strings.Contains(all, "shadow x") || !strings.Contains(all, "shadow y") || strings.Contains(all, "shadow y stream") || !strings.Contains(all, "a y stream") {
		t.Errorf("the upstream was asked %s", all)
	}
	for range 100 {
		g.chatWith("half", "z")
	}
	g.stop()
	copies := strings.Count(strings.Join(u.heard(), ","), "shadow z")
	if copies < 25 || copies > 75 {
		t.Errorf("of 100 requests %d were mirrored; want about 50", copies)
	}
}

// TestRules: requests go where the first rule that holds says.
func TestRules(t *testing.T) {
	u := newFickle(t)
	g := newGateway(t, strings.Replace(resilient(u.URL, `
models:
  own:
    targets: [{model: up/a}, {model: up/b, priority: 5}, {model: up/c, priority: 5}]
    rules:
      - {when: {metadata: {tier: [gold]}}, targets: [up/c, up/b]}
      - {when: {teams: [sales]}, targets: [up/a]}
      - {when: {teams: [core], input_tokens: {over: 100}}, targets: [up/b], route: priority}
`), ", PROBE", "", 1))
	f := func(want, text string, headers ...string) {
		t.Helper()
		status, body, h := g.chatWith("own", text, headers...)
		if status != 200 || h.Get("X-Signalbox-Model") != want {
			t.Errorf("status %d by %q; want %q: %s", status, h.Get("X-Signalbox-Model"), want, body)
		}
	}
	f("a", "short")
	f("b", strings.Repeat("long ", 100))
	f("c", "short", "X-Signalbox-Metadata", "tier=gold")
	f("c", strings.Repeat("long ", 100), "X-Signalbox-Metadata", "x=y,tier=gold")
	f("a", "short", "X-Signalbox-Metadata", "tier=silver")
	if status, _, h := g.chatWith("own", strings.Repeat("long ", 100)); status != 200 || !strings.HasPrefix(h.Get("X-Signalbox-Route"), "priority@") {
		t.Errorf("the rule's route is %q", h.Get("X-Signalbox-Route"))
	}
}

// TestFlood: many more than may be there at a time all come through, a few at a
// time, whoever sees a free place first.
func TestFlood(t *testing.T) {
	u := newFickle(t)
	g := newGateway(t, strings.Replace(resilient(u.URL, `
queue: {size: 500, wait: 60s}
models: {own: {targets: [{model: up/a, max_in_flight: 3}, {model: up/b, max_in_flight: 2}]}}
`), ", PROBE", "", 1))
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			if status, body, _, err := g.chat(request("own", "x", false)); err != nil || status != 200 {
				t.Errorf("request %d: status %d, %v: %s", i, status, err, body)
			}
		})
	}
	wg.Wait()
	if u.most > 5 || len(u.heard()) != 400 {
		t.Errorf("%d were there at once, %d came; want 5 and 400", u.most, len(u.heard()))
	}
	g.until(`queue_depth{priority="normal"}`, "0")
}

// TestQueueOutlastsReloadsAndStops: who waits is served, though the provider is
// replaced meanwhile and though the gateway takes no new requests.
func TestQueueOutlastsReloadsAndStops(t *testing.T) {
	u := newFickle(t)
	config := strings.Replace(resilient(u.URL, `
queue: {size: 20, wait: 60s}
models: {own: {targets: [{model: up/a, max_in_flight: 1}]}}
`), ", PROBE", "", 1)
	g := newGateway(t, config)
	release := u.block("a")
	var wg sync.WaitGroup
	start := func(text string) {
		wg.Go(func() {
			if status, body, _ := g.chatWith("own", text); status != 200 {
				t.Errorf("%s: status %d: %s", text, status, body)
			}
		})
	}
	start("running")
	<-u.came
	start("waits since before the reload")
	g.until(`queue_depth{priority="normal"}`, "1")
	g.write(strings.Replace(config, "/v1", "/v1/", 1))
	if status := g.reload(); status != 200 {
		t.Fatalf("the reload answers %d", status)
	}
	start("waits since after it")
	g.until(`queue_depth{priority="normal"}`, "2")
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	release()
	wg.Wait()
	<-g.exited
	if got := strings.Join(u.heard(), ","); u.most != 1 || !strings.HasPrefix(got, "a running,a waits since before the reload,a waits") {
		t.Errorf("the upstream was asked %s, %d at once", got, u.most)
	}
}
