package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// clockServer builds the tool server of examples/mcp.
func clockServer(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "clock")
	if b, err := exec.Command("go", "build", "-o", out, "../../examples/mcp/clock").CombinedOutput(); err != nil {
		t.Fatalf("cannot build: %v\n%s", err, b)
	}
	return out
}

const toolsConfig = `
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
policy: {bundle: %q, tests: warn}
providers: {demo: {adapter: demo}}
mcp: {servers: {clock: {command: [%q], price_usd: 0.01, prices_usd: {now: 0}}}}
keys:
  - {name: dev, value: "${env:SIGNALBOX_DEV_KEY}", team: core, budgets: [{usd: 0.1, window: day}]}
  - {name: models, value: sb-key-for-models-alone-0000001, scope: {models: ["demo/*"]}}
  - {name: clocks, value: sb-key-for-clocks-alone-0000002, scope: {models: ["mcp/clock/*"], operations: [tool]}}
  - {name: chats, value: sb-key-for-chats-alone-00000003, scope: {operations: [chat]}}
  - {name: few, value: sb-key-with-few-calls-000000004, rates: [{requests: 2, per: hour}]}
`

type withKey string

func (k withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return client.Transport.RoundTrip(r)
}

func (g *gateway) tools(key string) (*sdk.ClientSession, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := sdk.NewClient(&sdk.Implementation{Name: "e2e", Version: "1"}, nil).Connect(ctx, &sdk.StreamableClientTransport{
		Endpoint: g.data + "/mcp", HTTPClient: &http.Client{Transport: withKey(key)}, MaxRetries: -1}, nil)
	if err == nil {
		g.t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// add calls the tool that adds.
func add(s *sdk.ClientSession) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := s.CallTool(ctx, &sdk.CallToolParams{Name: "clock__add", Arguments: map[string]any{"numbers": []int{1, 2}}})
	if err == nil && (r.IsError || fmt.Sprint(r.StructuredContent) != "map[sum:3]") {
		err = fmt.Errorf("the sum is %v", r.StructuredContent)
	}
	return err
}

func (g *gateway) ledger(query string) (rows []map[string]any) {
	g.t.Helper()
	r, _ := http.NewRequest("GET", g.admin+"/admin/ledger"+query, nil)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		row := map[string]any{}
		if err := dec.Decode(&row); err == io.EOF {
			return rows
		} else if err != nil {
			g.t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

// toolPolicy is the default bundle that says more of some keys.
func toolPolicy(t *testing.T, keys string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../policies")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "data.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "data.json"), []byte(strings.Replace(string(data), `"keys": {}`, `"keys": {`+keys+`}`, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestToolsAreGoverned: of a hundred calls at once on a budget for ten exactly
// ten pass, each has a row, and scopes, rates and policy hold for tools as for
// models.
func TestToolsAreGoverned(t *testing.T) {
	t.Parallel()
	bundle := toolPolicy(t, `"clocks": {"blocked_tools": {"clock__now": true}}`)
	g := newGateway(t, fmt.Sprintf(toolsConfig, bundle, clockServer(t)))
	dev, err := g.tools(callerKey)
	if err != nil {
		t.Fatal(err)
	}
	g.awaitTools(dev, "clock__add", "clock__now")

	var passed, refused atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			switch err := add(dev); {
			case err == nil:
				passed.Add(1)
			case strings.Contains(err.Error(), "the budget of"):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 10 || refused.Load() != 90 {
		t.Errorf("%d passed, %d were refused; want 10 and 90", passed.Load(), refused.Load())
	}
	if u := g.usage(); u.Requests != 100 || u.Nano != 100_000_000 {
		t.Errorf("the ledger has %d calls for %d nano-dollars", u.Requests, u.Nano)
	}
	rows := g.ledger("?limit=200")
	for _, row := range rows {
		if row["op"] != "tool" || row["asked"] != "mcp/clock/add" || row["origin"] != nil {
			t.Errorf("row %v", row)
		}
	}
	if len(rows) != 100 {
		t.Errorf("%d rows", len(rows))
	}

	f := func(key, wantTools, wantError string) {
		t.Helper()
		s, err := g.tools(key)
		if err == nil {
			g.awaitTools(s, strings.Fields(wantTools)...)
			err = add(s)
		}
		if wantError == "" && err != nil || wantError != "" && (err == nil || !strings.Contains(err.Error(), wantError)) {
			t.Errorf("key %s: %v, want %q", key, err, wantError)
		}
	}
	f("sb-key-for-models-alone-0000001", "", `may not be used for model "mcp/clock/add"`)
	f("sb-key-for-clocks-alone-0000002", "clock__add", "")
	f("sb-key-for-chats-alone-00000003", "", "Forbidden")
	f("sb-key-with-few-calls-000000004", "clock__add clock__now", "")
	f("sb-key-with-few-calls-000000004", "clock__add clock__now", "")
	f("sb-key-with-few-calls-000000004", "clock__add clock__now", "the rate of")
	f("sb-key-of-nobody-00000000000005", "", "Unauthorized")
}

// awaitTools waits until s sees just these tools.
func (g *gateway) awaitTools(s *sdk.ClientSession, names ...string) {
	g.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		r, err := s.ListTools(context.Background(), nil)
		var got []string
		if err == nil {
			for _, t := range r.Tools {
				got = append(got, t.Name)
			}
		}
		if strings.Join(got, " ") == strings.Join(names, " ") {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the tools are %q, %v; want %q", got, err, names)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestToolServersEndWithTheGateway: neither a stop nor a crash leaves one.
func TestToolServersEndWithTheGateway(t *testing.T) {
	clock := clockServer(t)
	g := newGateway(t, fmt.Sprintf(toolsConfig, "builtin:default", clock))
	s, err := g.tools(callerKey)
	if err != nil {
		t.Fatal(err)
	}
	g.awaitTools(s, "clock__add", "clock__now")
	if n := running(t, clock); n != 1 {
		t.Fatalf("%d processes run", n)
	}
	g.kill()
	deadline := time.Now().Add(time.Minute)
	for running(t, clock) > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if n := running(t, clock); n != 0 {
		t.Errorf("%d processes have outlived the gateway", n)
	}
	g.start()
}

// running counts the processes of a program.
func running(t *testing.T, program string) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, exe := range all {
		if at, err := os.Readlink(exe); err == nil && at == program {
			n++
		}
	}
	return n
}

// TestToolsExample runs examples/mcp as its page says.
func TestToolsExample(t *testing.T) {
	cmd := exec.Command("../../examples/mcp/run.sh")
	cmd.Env = append(os.Environ(), "BIN="+bin, "DATA="+unused(t), "ADMIN="+unused(t))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "clock__add") || !strings.Contains(string(out), `{"time":"20`) {
		t.Errorf("%v\n%s", err, out)
	}
}

// unused is an address that nothing listens on.
func unused(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
