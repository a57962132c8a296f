package dashboard_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/bench/proc"
	"github.com/signalbox-ai/signalbox/host/dashboard"
)

// Tokens and keys that the gateway of tests is started with.
const (
	ownerToken  = "owner-token-of-the-dashboard-tests"
	viewerToken = "viewer-token-of-the-dashboard-tests"
	callerKey   = "sb-dashboard-dev-key-31b7"
)

// evil is a name that would do harm where it were taken for markup.
const evil = `<img/src=x/onerror=document.title='harmed'>`

// bin is where make build has put the gateway and the demo provider.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	// Tabs wait for most of their time: more of them than there are cores.
	err := flag.Set("test.parallel", "4")
	if err == nil {
		bin, err = filepath.Abs(filepath.Join("..", "..", "bin"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer closeBrowser()
	defer stopShared()
	return inspected(m.Run())
}

// usualConfig has something for every page to show. What it needs of files is
// relative to the gateway's own folder.
const usualConfig = `
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin:
  token: "` + ownerToken + `"
  tokens: [{name: vera, role: viewer, value: "` + viewerToken + `"}]
store: {url: "sqlite:state/signalbox.db"}
providers:
  demo: {adapter: demo}
models:
  smart: {targets: [{model: demo/echo}], route: priority}
  steady: {targets: [{model: "demo/echo?fault=status_503"}, {model: demo/fixed}], route: priority}
prices:
  demo/echo: {input_per_mtok: 2.5, output_per_mtok: 10, max_output: 4096}
  demo/fixed: {input_per_mtok: 0.5, output_per_mtok: 2, max_output: 4096}
  "demo/echo?fault=status_503": {input_per_mtok: 2.5, output_per_mtok: 10, max_output: 4096}
budgets:
  - {scope: team/core, usd: 5, window: day}
  - {scope: team/core, usd: 0.001, window: day, on_exceed: warn}
keys: [{name: dev, value: "` + callerKey + `", team: core, project: shop, budgets: [{usd: 2, window: day}]}]
`

var (
	sharedOnce    sync.Once
	sharedGateway *gateway
)

// theGateway is one gateway with some traffic, for all tests that can do with it.
func theGateway(t testing.TB) *gateway {
	t.Helper()
	sharedOnce.Do(func() {
		dir, err := os.MkdirTemp("", "signalbox-dashboard")
		if err != nil {
			t.Fatal(err)
		}
		g := &gateway{t: t, dir: dir, exited: make(chan struct{})}
		g.start(workConfig(t))
		g.traffic()
		sharedGateway = g
	})
	if sharedGateway == nil {
		t.Fatal("the gateway of all tests could not be started")
	}
	g := *sharedGateway // whose failures are this test's
	g.t = t
	return &g
}

func stopShared() {
	if sharedGateway != nil {
		sharedGateway.front.close()
		sharedGateway.end()
		_ = os.RemoveAll(sharedGateway.dir)
	}
}

// gateway is a running gateway.
type gateway struct {
	t           testing.TB
	dir         string
	cmd         *exec.Cmd
	data, admin string // base URLs
	log         *record
	exited      chan struct{}
	front       front
}

// record is what the gateway has written so far.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// startGateway starts one with config on free ports; it ends with the test.
func startGateway(t testing.TB, config string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), exited: make(chan struct{})}
	g.start(config)
	t.Cleanup(g.stop)
	return g
}

func (g *gateway) start(config string) {
	g.t.Helper()
	g.log = &record{}
	file := filepath.Join(g.dir, "signalbox.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.cmd = exec.Command(filepath.Join(bin, "signalbox"), "serve", "--config", file)
	g.cmd.Dir = g.dir
	g.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "OPENAI_API_KEY="}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	g.cmd.Stderr = g.cmd.Stdout
	if err := g.cmd.Start(); err != nil {
		g.t.Fatalf("%v: run make build first", err)
	}
	ready := make(chan []string, 1)
	go g.follow(out, ready)
	select {
	case m := <-ready:
		g.data, g.admin = "http://"+m[1], "http://"+m[2]
		g.isCurrent()
		g.admin = g.front.before(g.t, g.admin)
	case <-g.exited:
		g.t.Fatalf("the gateway ended before it listened:\n%s", g.output())
	}
}

// isCurrent fails the test where the gateway that was built has other pages than
// those that are tested.
func (g *gateway) isCurrent() {
	g.t.Helper()
	want := httptest.NewRecorder()
	dashboard.Handler().ServeHTTP(want, httptest.NewRequest("GET", "/", nil))
	if status, got := send(g.t, "GET", g.admin+"/", ownerToken, ""); status == http.StatusOK && got != want.Body.String() {
		g.t.Fatal("bin/signalbox has other pages than this package: run make build")
	}
}

// again starts it anew in its folder, once it has ended.
func (g *gateway) again(config string) {
	g.t.Helper()
	g.exited = make(chan struct{})
	g.start(config)
}

// freePort is an address that nobody listens at now.
func freePort(t testing.TB) string {
	t.Helper()
	addr, err := proc.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

var listening = regexp.MustCompile(`listening data=(\S+) admin=(\S+)`)

func (g *gateway) follow(out io.Reader, ready chan<- []string) {
	defer close(g.exited)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		g.log.mu.Lock()
		g.log.text.WriteString(lines.Text() + "\n")
		g.log.mu.Unlock()
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			ready <- m
		}
	}
	_ = g.cmd.Wait() // its outcome is in the log
}

func (g *gateway) output() string {
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	return g.log.text.String()
}

func (g *gateway) stop() {
	g.front.close()
	if !g.end() {
		g.t.Errorf("the gateway did not stop:\n%s", g.output())
	}
	if g.t.Failed() {
		g.t.Logf("log of the gateway:\n%s", g.output())
	}
}

// end ends it, by force where it does not by itself.
func (g *gateway) end() bool {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
		return true
	case <-time.After(time.Minute):
		_ = g.cmd.Process.Kill()
		<-g.exited
		return false
	}
}

// send sends body to url with a token and returns the status and the answer.
func send(t testing.TB, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// ask asks the admin API as an owner and decodes what it answers.
func (g *gateway) ask(method, path, body string, into any) {
	g.t.Helper()
	status, text := send(g.t, method, g.admin+path, ownerToken, body)
	if status != http.StatusOK {
		g.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		g.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// chat asks a model as the holder of key and returns the status.
func (g *gateway) chat(key, model, text string) int {
	g.t.Helper()
	body, err := json.Marshal(map[string]any{"model": model, "max_tokens": 64, "messages": []any{map[string]string{"role": "user", "content": text}}})
	if err != nil {
		g.t.Fatal(err)
	}
	status, _ := send(g.t, "POST", g.data+"/v1/chat/completions", key, string(body))
	return status
}

// traffic makes requests of all kinds, so that pages have something to show, and
// waits until the ledger has them.
func (g *gateway) traffic() {
	g.t.Helper()
	send(g.t, "POST", g.admin+"/admin/teams", ownerToken, `{"name":"core","title":"Core"}`)
	g.ask("POST", "/admin/keys", `{"name":"batch-jobs","team":"core","budgets":[{"usd":1,"window":"month"}],"expires":"2030-01-01T00:00:00Z"}`, nil)
	for i := range 12 {
		if status := g.chat(callerKey, "smart", strings.Repeat("How are you? ", 1+i)); status != 200 {
			g.t.Fatalf("smart: status %d", status)
		}
	}
	g.chat(callerKey, "steady", "fall back")
	g.chat(callerKey, "demo/echo?fault=status_500", "fail")
	g.chat(callerKey, "demo/"+evil, "no such model")
	g.chat("sb-wrong-key", "smart", "no such key")
	for {
		var usage struct{ Total struct{ Requests int } }
		if g.ask("GET", "/admin/usage?by=total", "", &usage); usage.Total.Requests >= 15 {
			return
		}
		time.Sleep(5 * time.Millisecond) // the ledger is written a moment later
	}
}
