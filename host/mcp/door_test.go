//lint:file-ignore SA1019 servers of the versions that have it ask for samples still

package mcp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/signalbox-ai/signalbox/host/mcp"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// versions of the protocol that callers speak: the newest, and the ones before.
var versions = []string{"", "2025-11-25", "2025-06-18", "2025-03-26"}

func TestCallersOfEveryVersion(t *testing.T) {
	p := open(t, command(t, "one", "plain"), command(t, "two", "old"))
	p.ready("one", "two")
	for _, v := range versions {
		s := p.as("ann", v, nil)
		f := func(tool, in, want string) {
			t.Helper()
			if got, err := invoke(s, tool, in); err != nil || got != want {
				t.Errorf("%s of %s: %q, %v; want %q", tool, v, got, err, want)
			}
		}
		f("one__echo", "hello", "hello")
		f("two__echo", "<&>\u2028", "<&>\u2028")
		f("two__fail", "", "error: out of paper")
		ctx := t.Context()
		if r, err := s.GetPrompt(ctx, &sdk.GetPromptParams{Name: "one__greet"}); err != nil || len(r.Messages) != 1 {
			t.Errorf("prompt: %+v, %v", r, err)
		}
		if r, err := s.ReadResource(ctx, &sdk.ReadResourceParams{URI: "memo://one"}); err != nil || r.Contents[0].Text != "first" {
			t.Errorf("resource: %+v, %v", r, err)
		}
		if _, err := invoke(s, "one__nothing", ""); err == nil {
			t.Error("a tool that is not there was called")
		}
	}
}

// TestServersAskForNothing: what a server asks of a model or a person it does
// not get, whichever way it asks.
func TestServersAskForNothing(t *testing.T) {
	p := open(t, command(t, "one", "plain"), command(t, "old", "old"))
	p.ready("one", "old")
	opt := &sdk.ClientOptions{
		CreateMessageHandler: func(context.Context, *sdk.CreateMessageRequest) (*sdk.CreateMessageResult, error) {
			t.Error("a server has reached a caller's model")
			return nil, nil
		},
		ElicitationHandler: func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			t.Error("a server has reached a caller's person")
			return nil, nil
		},
	}
	for _, v := range versions {
		s := p.as("ann", v, opt)
		if got, err := invoke(s, "one__ask", ""); err == nil || !strings.Contains(err.Error(), "does not support") {
			t.Errorf("of %q: %q, %v", v, got, err)
		}
		if got, err := invoke(s, "old__ask", ""); err != nil || strings.Count(got, "does not support") != 2 {
			t.Errorf("of %q, by an old server: %q, %v", v, got, err)
		}
	}
}

func TestEachSeesWhatItMayUse(t *testing.T) {
	p := open(t, command(t, "one", "plain"))
	p.ready("one")
	p.gate.refuse["bob one__env"], p.gate.refuse["bob one__greet"], p.gate.refuse["bob memo://one"] = true, true, true
	ann, bob := p.as("ann", "", nil), p.as("bob", "2025-06-18", nil)
	if names := p.tools(ann); !slices.Contains(names, "one__env") || !slices.Contains(names, "one__echo") {
		t.Errorf("one who may use all sees %q", names)
	}
	if r, err := ann.ListTools(t.Context(), nil); err != nil || r.CacheScope != "private" {
		t.Errorf("a list of one caller's may be kept for all: %+v, %v", r, err)
	}
	if names := p.tools(bob); slices.Contains(names, "one__env") || !slices.Contains(names, "one__echo") {
		t.Errorf("one who may not use one__env sees %q", names)
	}
	if r, err := bob.ListPrompts(t.Context(), nil); err != nil || len(r.Prompts) != 0 {
		t.Errorf("prompts: %+v, %v", r, err)
	}
	if r, err := bob.ListResources(t.Context(), nil); err != nil || len(r.Resources) != 0 {
		t.Errorf("resources: %+v, %v", r, err)
	}
	if names := p.tools(ann); slices.Contains(names, "one__prompts") { // who lists mcp/one/prompts means its prompts
		t.Errorf("a tool that goes by the name of all prompts is offered: %q", names)
	}
	_, err := invoke(bob, "one__env", "")
	if err == nil || !strings.Contains(err.Error(), "not for bob") {
		t.Errorf("a tool that is not listed was called: %v", err)
	}
	if _, err := invoke(ann, "one__echo", "x"); err != nil || p.gate.uses() != "ann mcp/one/echo" {
		t.Errorf("%v, used: %s", err, p.gate.uses())
	}
}

func TestEnvironmentIsWhatIsListed(t *testing.T) {
	t.Setenv("SECRET_OF_THE_GATEWAY", "hush")
	p := open(t, command(t, "one", "plain", "GREETING=hello"))
	p.ready("one")
	got, err := invoke(p.as("ann", "", nil), "one__env", "")
	lines := strings.Split(got, "\n")
	slices.Sort(lines)
	if want := []string{"GREETING=hello", role + "=plain"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("the environment is %q, %v", lines, err)
	}
}

func TestChangesArePassedOn(t *testing.T) {
	p := open(t, command(t, "one", "plain"))
	p.ready("one")
	for _, v := range []string{"", "2025-06-18"} {
		heard := make(chan struct{}, 64)
		s := p.as("ann", v, &sdk.ClientOptions{ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { heard <- struct{}{} }})
		name := "fresh" + strings.ReplaceAll(v, "-", "")
		if _, err := invoke(s, "one__more", name); err != nil {
			t.Fatal(err)
		}
		for !slices.Contains(p.tools(s), "one__"+name) {
			<-heard
		}
		if got, err := invoke(s, "one__"+name, ""); got != "new" {
			t.Errorf("the new tool: %q, %v", got, err)
		}
	}
}

func TestProgressIsPassedOnAndLeavingCancels(t *testing.T) {
	for _, v := range []string{"", "2025-11-25", "2025-06-18"} {
		mark := filepath.Join(t.TempDir(), "cancelled")
		p := open(t, command(t, "one", "plain", "CANCELLED="+mark))
		p.ready("one")
		ctx, cancel := context.WithCancel(t.Context())
		var once sync.Once
		s := p.as("ann", v, &sdk.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
			if r.Params.Message == "waiting" {
				once.Do(cancel)
			}
		}})
		params := &sdk.CallToolParams{Name: "one__wait", Arguments: text{}}
		params.SetProgressToken("mine")
		if _, err := s.CallTool(ctx, params); err == nil || ctx.Err() == nil {
			t.Errorf("of %q: %v before it was cancelled", v, err)
		}
		p.until("the server hears that the call is over", func() bool { _, err := os.Stat(mark); return err == nil })
		p.until("nothing runs", func() bool { return p.status("one").Running == 0 })
	}
}

func TestServerThatDiesIsBack(t *testing.T) {
	p := open(t, command(t, "one", "plain"), command(t, "two", "plain"), command(t, "bad", "broken"))
	p.ready("one", "two")
	s := p.as("ann", "", nil)
	before := p.status("one").PID
	if _, err := invoke(s, "one__crash", ""); err == nil || !strings.Contains(err.Error(), `"one" failed at this call`) {
		t.Errorf("the call that killed it: %v", err)
	}
	if got, err := invoke(s, "two__echo", "on"); got != "on" {
		t.Errorf("the other one: %q, %v", got, err)
	}
	p.until("it is back", func() bool { st := p.status("one"); return st.State == "up" && st.PID != before && st.Restarts == 1 })
	p.until("its tools are back", func() bool { return slices.Contains(p.tools(s), "one__echo") })
	if got, err := invoke(s, "one__echo", "back"); got != "back" {
		t.Errorf("after it: %q, %v", got, err)
	}
	st := p.status("bad")
	p.until("what ends at once is down", func() bool { st = p.status("bad"); return st.State == "down" && st.NextTry != nil })
	if st.Failure == "" {
		t.Errorf("%+v", st)
	}
	if !p.servers.Restart("two") || p.servers.Restart("three") {
		t.Error("restart knows servers that are not there, or does not know one that is")
	}
	p.until("it was restarted", func() bool { st := p.status("two"); return st.State == "up" && st.Restarts == 1 })
}

func TestServersComeAndGo(t *testing.T) {
	one, two := command(t, "one", "plain"), command(t, "two", "plain")
	p := open(t, one)
	p.ready("one")
	s, pid := p.as("ann", "", nil), p.status("one").PID
	p.servers.Apply([]mcp.Spec{one, two})
	p.until("both", func() bool { return slices.Contains(p.tools(s), "two__echo") })
	if got := p.status("one").PID; got != pid {
		t.Errorf("what has not changed has another process: %d, then %d", pid, got)
	}
	one.Tools = []string{"ec*", "env"}
	p.servers.Apply([]mcp.Spec{one})
	p.until("one of them, with two tools", func() bool { return slices.Equal(p.tools(s), []string{"one__echo", "one__env"}) })
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
		t.Error("the process of the old configuration is still there")
	}
}

// TestAPanicIsOfItsCallAlone: calls run in goroutines of the SDK's, where one
// would end the process.
func TestAPanicIsOfItsCallAlone(t *testing.T) {
	p := open(t, command(t, "one", "plain"))
	p.ready("one")
	if got, err := invoke(p.as("doomed", "", nil), "one__echo", "x"); err == nil || !strings.Contains(err.Error(), "the gateway failed") {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := invoke(p.as("ann", "", nil), "one__echo", "x"); got != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestAStrayHoldsNothingUp: what a server has started and cannot be found again
// is not waited for.
func TestAStrayHoldsNothingUp(t *testing.T) {
	at := filepath.Join(t.TempDir(), "stray")
	p := open(t, command(t, "stray", "stray", "STRAY="+at, "PATH="+os.Getenv("PATH")))
	p.ready("stray")
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { p.servers.Apply(nil); p.servers.Stop(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Error("the servers do not end")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the stray has ended by itself: %v", err)
	}
	<-gone
}

// TestRestlessServersAreAskedInPeace: one that always says that it has changed
// does not keep the gateway busy.
func TestRestlessServersAreAskedInPeace(t *testing.T) {
	p := open(t, command(t, "restless", "restless"))
	p.ready("restless")
	asked := func() (n int) {
		for _, tool := range p.status("restless").Tools {
			if tool.Name == "restless__asked" {
				n, _ = strconv.Atoi(tool.Description)
			}
		}
		return n
	}
	p.until("it was asked", func() bool { return asked() > 0 })
	first, began := asked(), time.Now()
	p.until("it was asked again", func() bool { return asked() >= first+6 })
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("it was asked six times within %s", took)
	}
}

func TestHostileServers(t *testing.T) {
	stuck := command(t, "deaf", "deaf")
	stuck.Timeout = 100e6
	p := open(t, command(t, "one", "plain"), command(t, "flood", "flood"), stuck)
	p.ready("one", "deaf")
	s := p.as("ann", "", nil)
	if got, err := invoke(s, "one__big", ""); err == nil {
		t.Errorf("an answer beyond the bound has %d bytes", len(got))
	}
	p.until("what floods is down", func() bool { return p.status("flood").State == "down" && p.status("flood").Failure != "" })
	if _, err := invoke(s, "deaf__echo", strings.Repeat("x", 500<<10)); err == nil || !strings.Contains(err.Error(), "did not answer within 100ms") {
		t.Errorf("a call that is not answered: %v", err)
	}
}

func TestRawRequests(t *testing.T) {
	p := open(t, command(t, "one", "plain"))
	p.ready("one")
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	f := func(method, body string, headers []string, wantStatus int, wantIn string) http.Header {
		t.Helper()
		r, err := http.NewRequest(method, p.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]string{"Authorization": "Bearer ann", "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-06-18"} {
			r.Header.Set(name, v)
		}
		for i := 0; i < len(headers); i += 2 {
			switch name, v := headers[i], headers[i+1]; {
			case name == "Host":
				r.Host = v
			case strings.HasPrefix(name, "+"):
				r.Header.Add(name[1:], v)
			default:
				r.Header.Set(name, v)
			}
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != wantStatus || !strings.Contains(string(b), wantIn) {
			t.Errorf("%s %.80s with %q: %d %s; want %d with %s", method, body, headers, resp.StatusCode, b, wantStatus, wantIn)
		}
		return resp.Header
	}
	f("POST", list, nil, 200, "one__echo")
	f("POST", list, []string{"Authorization", ""}, 401, "missing_api_key")
	begin := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	session := f("POST", begin, nil, 200, "signalbox").Get("Mcp-Session-Id")
	if session == "" {
		t.Fatal("there is no name of the session")
	}
	f("POST", list, []string{"Mcp-Session-Id", session}, 200, "one__echo")
	f("POST", list, []string{"Mcp-Session-Id", session, "Authorization", "Bearer bob"}, 404, "session_not_found")
	f("POST", list, []string{"Mcp-Session-Id", session[:len(session)-2] + "AA"}, 404, "session_not_found")
	f("POST", list, []string{"Mcp-Session-Id", "made-up"}, 404, "session_not_found")
	f("DELETE", "", []string{"Mcp-Session-Id", session, "Authorization", "Bearer bob"}, 404, "session_not_found")
	f("DELETE", "", []string{"Mcp-Session-Id", session}, 204, "")
	f("GET", "", []string{"Mcp-Session-Id", session, "Authorization", "Bearer bob"}, 404, "session_not_found")
	f("GET", "", []string{"Accept", "application/json"}, 406, "not_acceptable")
	f("PUT", list, nil, 405, "method_not_allowed")

	f("POST", list, []string{"+Mcp-Session-Id", session, "+Mcp-Session-Id", session}, 400, "duplicate_header")
	f("POST", list, []string{"Origin", "https://evil.example"}, 403, "origin_not_allowed")
	f("POST", list, []string{"Host", "evil.example"}, 403, "host_not_allowed")
	f("POST", list, []string{"Host", "localhost"}, 200, "one__echo")
	p.door.Configure([]string{"tools.example"}, []string{"https://chat.example"})
	f("POST", list, []string{"Host", "tools.example:8080", "Origin", "https://chat.example"}, 200, "one__echo")
	f("POST", list, []string{"Host", "localhost"}, 403, "host_not_allowed")
	p.door.Configure(nil, nil)

	// The new protocol says in headers what the body says: both must be one.
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__env","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	f("POST", call, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "one__echo"}, 400, "")
	f("POST", call, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list", "Mcp-Name", "one__env"}, 400, "")
	if got := p.gate.uses(); got != "" {
		t.Errorf("used: %s", got)
	}
	f("POST", `{"jsonrpc":"2.0","id":1,"method":"tools/list"`, nil, 400, "")
	f("POST", strings.Repeat(" ", 2<<20)+list, nil, 413, "body_too_large")
}
