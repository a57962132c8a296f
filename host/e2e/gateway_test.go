package e2e_test

import (
	"bufio"
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	providerKey = "sk-provider-secret-7f3a"
	callerKey   = "sb-e2e-dev-key-91c2"
	adminToken  = "admin-token-55d0"
)

// bin is where TestMain has built the gateway and its plugins.
var bin string

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.NumCPU())) // those beside each other wait more than they work
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "signalbox-e2e")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	bin = dir
	cmd := exec.Command("make", "-s", "build", "BIN="+dir)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOFLAGS=-tags=poison")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("cannot build: %w\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(filepath.Join(dir, "signalbox"))
	if err != nil {
		return 1, err
	}
	if !slices.Contains(info.Settings, debug.BuildSetting{Key: "-tags", Value: "poison"}) {
		return 1, errors.New("the gateway is not built with the tag poison: buffers that are used after their time would look well")
	}
	return m.Run(), nil
}

// gateway is a running gateway.
type gateway struct {
	t           testing.TB
	dir         string
	config      string
	env         []string // beside the usual variables
	cmd         *exec.Cmd
	data, admin string // base URLs
	mu          sync.Mutex
	log         bytes.Buffer
	exited      chan struct{}
}

// newGateway writes the configuration and starts a gateway on free ports.
func newGateway(t *testing.T, config string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir()}
	g.config = filepath.Join(g.dir, "signalbox.yaml")
	g.write(config)
	g.start()
	t.Cleanup(g.stop)
	return g
}

func (g *gateway) write(config string) {
	g.t.Helper()
	tmp := g.config + ".new"
	if err := os.WriteFile(tmp, []byte(config), 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(tmp, g.config); err != nil {
		g.t.Fatal(err)
	}
}

var listening = regexp.MustCompile(`listening data=(\S+) admin=(\S+)`)

func (g *gateway) start() {
	g.t.Helper()
	g.cmd = exec.Command(filepath.Join(bin, "signalbox"), "serve", "--config", g.config)
	g.cmd.Dir = g.dir
	g.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "PROVIDER_KEY=" + providerKey,
		"SIGNALBOX_DEV_KEY=" + callerKey, "SIGNALBOX_ADMIN_TOKEN=" + adminToken, "OPENAI_API_KEY="}
	g.cmd.Env = append(g.cmd.Env, g.env...)
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	g.cmd.Stderr = g.cmd.Stdout
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	ready := make(chan []string, 1)
	g.exited = make(chan struct{})
	go g.follow(out, ready)
	select {
	case m := <-ready:
		g.data, g.admin = "http://"+m[1], "http://"+m[2]
		g.watch()
	case <-g.exited:
		g.t.Fatalf("the gateway ended before it listened:\n%s", g.output())
	}
}

func (g *gateway) follow(out io.Reader, ready chan<- []string) {
	defer close(g.exited)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		g.mu.Lock()
		g.log.WriteString(lines.Text() + "\n")
		g.mu.Unlock()
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			ready <- m
		}
	}
	_ = g.cmd.Wait() // its outcome is in the log
}

func (g *gateway) output() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

// kill ends the gateway at once, as a crash would.
func (g *gateway) kill() {
	_ = g.cmd.Process.Signal(syscall.SIGKILL)
	<-g.exited
}

func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(time.Minute):
		g.t.Errorf("the gateway did not stop:\n%s", g.output())
		g.kill()
	}
	if g.t.Failed() {
		g.t.Logf("log of the gateway:\n%s", g.output())
	}
}

// chat sends one request and returns its status, body and headers.
func (g *gateway) chat(body string) (int, string, http.Header, error) { return g.headed(nil, body) }

// told sends one request with more headers, which is to be answered.
func (g *gateway) told(header http.Header, body string) (string, http.Header) {
	g.t.Helper()
	status, answer, got, err := g.headed(header, body)
	if status != 200 || err != nil {
		g.t.Fatalf("status %d, %v: %s", status, err, answer)
	}
	return answer, got
}

func (g *gateway) headed(header http.Header, body string) (int, string, http.Header, error) {
	req, err := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("Authorization", "Bearer "+callerKey)
	req.Header.Set("Cookie", "session=caller")
	req.Header.Set("X-Goog-Api-Key", callerKey)
	maps.Copy(req.Header, header)
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Header, err
}

func request(model, text string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"max_tokens":%d,"stream":%t,"messages":[{"role":"user","content":%q}]}`, model, answerTokens, stream, text)
}

// usage is the sum of what the ledger holds.
type usage struct {
	Requests int64
	Nano     int64
}

func (g *gateway) usage() usage { return g.usageOf("") }

func (g *gateway) usageOf(query string) usage {
	g.t.Helper()
	req, _ := http.NewRequest("GET", g.admin+"/admin/usage"+query, nil)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	var page struct {
		Total struct {
			Requests int64       `json:"requests"`
			CostUSD  json.Number `json:"cost_usd"`
		} `json:"total"`
	}
	if err := json.Unmarshal(b, &page); err != nil || resp.StatusCode != 200 {
		g.t.Fatalf("GET /admin/usage: %d %s", resp.StatusCode, b)
	}
	nano, err := call.ParseUSD(page.Total.CostUSD.String())
	if err != nil {
		g.t.Fatal(err)
	}
	return usage{page.Total.Requests, nano}
}
