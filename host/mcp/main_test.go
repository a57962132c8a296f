//lint:file-ignore SA1019 servers of the versions that have it ask for samples still

package mcp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/mcp"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// role is the variable that makes the test's program a tool server, of the kind
// that it names.
const role = "TOOL_SERVER_ROLE"

func TestMain(m *testing.M) {
	if kind := os.Getenv(role); kind != "" {
		serveAs(kind)
		return
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// serveAs is a tool server over the standard input and output.
func serveAs(kind string) {
	switch kind {
	case "old":
		_ = toolServerOf(&sdk.ServerOptions{SupportedProtocolVersions: []string{"2025-06-18"}}).Run(context.Background(), &sdk.StdioTransport{})
	case "plain":
		_ = toolServer().Run(context.Background(), &sdk.StdioTransport{})
	case "broken":
		fmt.Fprintln(os.Stderr, "no such thing as a configuration")
		os.Exit(3)
	case "flood":
		for range 1 << 16 {
			fmt.Print(strings.Repeat("x", 1<<10))
		}
	case "stray": // what it starts leaves its group, and keeps its log open
		stray := exec.Command("sleep", "300")
		stray.Stderr, stray.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Setsid: true}
		err := stray.Start()
		if err == nil {
			err = os.WriteFile(os.Getenv("STRAY"), []byte(strconv.Itoa(stray.Process.Pid)), 0o600)
		}
		if err != nil {
			os.Exit(5)
		}
		_ = toolServer().Run(context.Background(), &sdk.StdioTransport{})
	case "restless": // whenever it was asked what it offers, that has changed
		s, asked := toolServer(), 0
		s.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
			return func(ctx context.Context, method string, r sdk.Request) (sdk.Result, error) {
				if method == "tools/list" {
					asked++
					sdk.AddTool(s, &sdk.Tool{Name: "asked", Description: strconv.Itoa(asked)}, func(context.Context, *sdk.CallToolRequest, text) (*sdk.CallToolResult, any, error) {
						return nil, nil, nil
					})
				}
				return next(ctx, method, r)
			}
		})
		_ = s.Run(context.Background(), &sdk.StdioTransport{})
	case "deaf": // it says what it offers and reads no more
		s := toolServer()
		s.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
			return func(ctx context.Context, method string, r sdk.Request) (sdk.Result, error) {
				if method == "tools/call" {
					select {}
				}
				return next(ctx, method, r)
			}
		})
		_ = s.Run(context.Background(), &sdk.StdioTransport{})
	}
}

type text struct {
	Text string `json:"text"`
}

func say(format string, args ...any) *sdk.CallToolResult {
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

// toolServer has a tool for everything that a server may do.
func toolServer() *sdk.Server { return toolServerOf(nil) }

func toolServerOf(opt *sdk.ServerOptions) *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "tools", Version: "7"}, opt)
	add := func(name string, f func(ctx context.Context, r *sdk.CallToolRequest, in text) (*sdk.CallToolResult, error)) {
		sdk.AddTool(s, &sdk.Tool{Name: name, Description: "does " + name}, func(ctx context.Context, r *sdk.CallToolRequest, in text) (*sdk.CallToolResult, any, error) {
			res, err := f(ctx, r, in)
			return res, nil, err
		})
	}
	add("echo", func(_ context.Context, _ *sdk.CallToolRequest, in text) (*sdk.CallToolResult, error) {
		return say("%s", in.Text), nil
	})
	add("fail", func(context.Context, *sdk.CallToolRequest, text) (*sdk.CallToolResult, error) {
		return nil, errors.New("out of paper")
	})
	add("env", func(context.Context, *sdk.CallToolRequest, text) (*sdk.CallToolResult, error) {
		return say("%s", strings.Join(os.Environ(), "\n")), nil
	})
	add("big", func(context.Context, *sdk.CallToolRequest, text) (*sdk.CallToolResult, error) {
		return say("%s", strings.Repeat("x", 2<<20)), nil
	})
	add("crash", func(context.Context, *sdk.CallToolRequest, text) (*sdk.CallToolResult, error) {
		os.Exit(4)
		return nil, nil
	})
	add("wait", func(ctx context.Context, r *sdk.CallToolRequest, _ text) (*sdk.CallToolResult, error) {
		_ = r.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Message: "waiting", Progress: 1})
		<-ctx.Done()
		_ = os.WriteFile(os.Getenv("CANCELLED"), []byte("yes"), 0o600)
		return nil, ctx.Err()
	})
	add("prompts", func(context.Context, *sdk.CallToolRequest, text) (*sdk.CallToolResult, error) {
		return say("hello"), nil
	})
	add("more", func(_ context.Context, _ *sdk.CallToolRequest, in text) (*sdk.CallToolResult, error) {
		add(in.Text, func(context.Context, *sdk.CallToolRequest, text) (*sdk.CallToolResult, error) { return say("new"), nil })
		return say("added"), nil
	})
	add("ask", func(ctx context.Context, r *sdk.CallToolRequest, _ text) (*sdk.CallToolResult, error) {
		sample := &sdk.CreateMessageParams{MaxTokens: 1, Messages: []*sdk.SamplingMessage{{Role: "user", Content: &sdk.TextContent{Text: "who am I?"}}}}
		elicit := &sdk.ElicitParams{Message: "password?", RequestedSchema: map[string]any{"type": "object"}}
		if r.ProtocolVersion() >= "2026" {
			return &sdk.CallToolResult{InputRequests: sdk.InputRequestMap{"a": sample, "b": elicit}}, nil
		}
		_, err := r.Session.CreateMessage(ctx, sample)
		_, err2 := r.Session.Elicit(ctx, elicit)
		return say("%v; %v", err, err2), nil
	})
	s.AddPrompt(&sdk.Prompt{Name: "greet"}, func(context.Context, *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
		return &sdk.GetPromptResult{Messages: []*sdk.PromptMessage{{Role: "user", Content: &sdk.TextContent{Text: "hello"}}}}, nil
	})
	s.AddResource(&sdk.Resource{URI: "memo://one", Name: "one"}, func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
		return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{{URI: "memo://one", Text: "first"}}}, nil
	})
	return s
}

// command is a spec of this program in a role.
func command(t testing.TB, name, kind string, env ...string) mcp.Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return mcp.Spec{Name: name, Command: []string{exe}, Env: append([]string{role + "=" + kind}, env...), Timeout: time.Minute, MaxMessage: 1 << 20, Parallel: 8}
}

// gate lets callers use what refuse does not name.
type gate struct {
	mu     sync.Mutex
	refuse map[string]bool // "principal item"
	used   []string
}

func (g *gate) refuses(c *mcp.Caller, it *mcp.Item) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refuse[c.Principal.KeyID+" "+it.Name]
}

func (g *gate) Permits(c *mcp.Caller, items []*mcp.Item, _ func(int) []mcp.Text) []bool {
	may := make([]bool, len(items))
	for i, it := range items {
		may[i] = !g.refuses(c, it)
	}
	return may
}

func (g *gate) Use(ctx context.Context, c *mcp.Caller, it *mcp.Item, t *mcp.Talk) error {
	if c.Principal.KeyID == "doomed" {
		panic("policy is broken")
	}
	if g.refuses(c, it) {
		return wire.Errorf(403, "tool_blocked", "not for %s", c.Principal.KeyID)
	}
	g.mu.Lock()
	g.used = append(g.used, c.Principal.KeyID+" "+it.Model.Name)
	g.mu.Unlock()
	c.Spent(it.Price)
	return t.Do(ctx, false)
}

func (g *gate) uses() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.used, ", ")
}

// front is what lies before a door: each key is somebody.
type front struct{ door *mcp.Door }

func (f *front) New() *call.Call { return &call.Call{} }

func (f *front) Handle(c *call.Call, key []byte) (call.Answer, *wire.Error) {
	if len(key) == 0 {
		return call.Answer{}, wire.Errorf(401, "missing_api_key", "no key")
	}
	if c.Receive != nil {
		receive := c.Receive
		c.Receive = nil
		if err := receive(); err != nil {
			return call.Answer{}, err
		}
	}
	c.Principal = &call.Principal{Auth: "key", KeyID: string(key)}
	ans, err := f.door.Serve(c)
	if ans.Stream != nil {
		c.Gone.Streams(c.Principal)
	}
	return ans, err
}

func (f *front) Done(c *call.Call) { c.Reset() }

func (f *front) Models(*call.Call, []byte) ([]server.Model, *wire.Error) { return nil, nil }

// place is a door with its servers, on an address.
type place struct {
	t       testing.TB
	gate    *gate
	servers *mcp.Servers
	door    *mcp.Door
	server  *server.Server
	url     string
	others  []*place // gateways of the same store
}

func open(t testing.TB, specs ...mcp.Spec) *place {
	t.Helper()
	p := &place{t: t, gate: &gate{refuse: map[string]bool{}}, servers: mcp.NewServers("test", quiet())}
	p.door = mcp.NewDoor(mcp.Options{Version: "test", Log: quiet(), Secret: []byte("0123456789abcdef0123456789abcdef"),
		Cancel: func(name string) {
			for _, o := range p.others {
				o.door.Cancelled(name)
			}
		}}, p.servers, p.gate)
	f := &front{p.door}
	s := server.New(server.Options{MaxBody: 1 << 20, Log: quiet()}, f, f)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	p.server, p.url = s, "http://"+ln.Addr().String()+"/mcp"
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		p.door.Draining()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(s.Stop(ctx), <-done); err != nil {
			t.Error(err)
		}
		p.door.Stop()
		p.servers.Stop()
	})
	p.servers.Apply(specs)
	return p
}

// as connects as who, by a version of the protocol, "": the newest.
func (p *place) as(who, version string, opt *sdk.ClientOptions) *sdk.ClientSession {
	p.t.Helper()
	return p.with(who, version, opt, &sdk.StreamableClientTransport{})
}

// with connects by a line of its own.
func (p *place) with(who, version string, opt *sdk.ClientOptions, line *sdk.StreamableClientTransport) *sdk.ClientSession {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	line.Endpoint, line.HTTPClient, line.MaxRetries = p.url, &http.Client{Transport: keyed(who)}, -1
	s, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, opt).Connect(ctx, line, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { s.Close() })
	return s
}

type keyed string

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

// until waits for ok, which changes of what servers offer may bring about.
func (p *place) until(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: it has not come about; servers: %+v", what, p.servers.List())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (p *place) status(name string) mcp.Status {
	for _, s := range p.servers.List() {
		if s.Name == name {
			return s
		}
	}
	return mcp.Status{}
}

// tools are the names that s sees.
func (p *place) tools(s *sdk.ClientSession) (names []string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := s.ListTools(ctx, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, t := range r.Tools {
		names = append(names, t.Name)
	}
	return names
}

// ready waits until callers see the tools of servers.
func (p *place) ready(names ...string) {
	p.t.Helper()
	s := p.as("ready", "", nil)
	defer s.Close()
	for _, name := range names {
		p.until(name+" is offered", func() bool {
			return strings.Contains(strings.Join(p.tools(s), " "), name+"__")
		})
	}
}

func invoke(s *sdk.ClientSession, tool, in string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := s.CallTool(ctx, &sdk.CallToolParams{Name: tool, Arguments: text{in}})
	if err != nil {
		return "", err
	}
	out := ""
	for _, c := range r.Content {
		if t, ok := c.(*sdk.TextContent); ok {
			out += t.Text
		}
	}
	if r.IsError {
		out = "error: " + out
	}
	return out, nil
}
