package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Gate says what a caller may see and use, and counts what it uses.
type Gate interface {
	// Permits tells for each of items whether the caller may see and use it. What
	// about(i) returns of item i it may replace.
	Permits(c *Caller, items []*Item, about func(i int) []Text) []bool
	// Use makes t as a call of it by the caller, and may replace what is said.
	// What it refuses is a *wire.Error; any other error is the talk's own.
	Use(ctx context.Context, c *Caller, it *Item, t *Talk) error
}

// Options of a Door.
type Options struct {
	Version string
	Log     *slog.Logger
	Secret  []byte // that names of sessions are signed with
	// Hosts are names that callers reach the gateway by, nil: any. Origins are
	// those of pages in browsers that may call it.
	Hosts, Origins []string
	// Cancel has the other gateways told that the call of a name was given up,
	// which does not run here; nil: there are none. It does not wait.
	Cancel func(name string)
}

// Door serves the catalogue of Servers to callers.
type Door struct {
	opt      Options
	gate     Gate
	servers  *Servers
	sdk      *sdk.Server
	http     *sdk.StreamableHTTPHandler
	shelf    *shelf
	rules    rules
	sessions sessions
	standing standing
	cancels  cancels
	stop     func()
	done     sync.WaitGroup
}

// NewDoor returns a door to servers that gate keeps.
func NewDoor(opt Options, servers *Servers, gate Gate) *Door {
	d := &Door{opt: opt, gate: gate, servers: servers, sessions: sessions{secret: opt.Secret}}
	d.rules.set(opt.Hosts, opt.Origins)
	d.standing.init()
	quiet := slog.New(slog.DiscardHandler) // what callers do wrong is told to them
	listed := &sdk.ToolCapabilities{ListChanged: true}
	d.sdk = sdk.NewServer(implementation(opt.Version), &sdk.ServerOptions{Logger: quiet,
		SetCacheable: func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { c.CacheScope = "private" }, // each sees its own
		Capabilities: &sdk.ServerCapabilities{
			Tools: listed, Prompts: &sdk.PromptCapabilities{ListChanged: true}, Resources: &sdk.ResourceCapabilities{ListChanged: true}}})
	d.sdk.AddReceivingMiddleware(d.middleware)
	d.http = sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return d.sdk },
		&sdk.StreamableHTTPOptions{Stateless: true, Logger: quiet, PropagateRequestCancellation: true, MaxRequestBodyBytes: -1})
	d.shelf = newShelf(d)
	changes, stop := servers.Watch()
	ctx, cancel := context.WithCancel(context.Background())
	d.stop = func() { stop(); cancel() }
	d.done.Go(func() {
		for {
			d.shelf.stock()
			d.standing.tell()
			select {
			case <-ctx.Done():
				return
			case <-changes:
			}
		}
	})
	return d
}

// Configure changes whom the door lets in from browsers.
func (d *Door) Configure(hosts, origins []string) { d.rules.set(hosts, origins) }

// Cancelled ends the call of a name that another gateway was told was given up.
func (d *Door) Cancelled(name string) { d.cancels.cancel(name) }

// Draining ends what would stand for as long as callers like.
func (d *Door) Draining() { d.standing.close() }

// Stop ends the door; Servers are stopped apart. It may be called twice.
func (d *Door) Stop() {
	d.standing.close()
	d.stop()
	d.done.Wait()
}

type callerKey struct{}

// callerOf is who makes the request that ctx is of: all come through serve.
func callerOf(ctx context.Context) *Caller { return ctx.Value(callerKey{}).(*Caller) }

// middleware shows each caller what it may use alone, and bounds what it may
// hold open.
func (d *Door) middleware(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, r sdk.Request) (res sdk.Result, err error) {
		c := callerOf(ctx)
		defer func() { // it runs in a goroutine of the SDK's, where a panic would end the process
			if p := recover(); p != nil {
				d.opt.Log.Error("BUG: a request for tools panicked", "method", method, "panic", p, "stack", string(debug.Stack()))
				res, err = nil, rpcError(jsonrpc.CodeInternalError, failedHere, map[string]any{"code": "internal_error", "status": 500})
			}
		}()
		if method == "subscriptions/listen" {
			leave, ok := d.standing.enter(c.who())
			if !ok {
				return nil, tooMany()
			}
			defer leave()
			var cancel context.CancelFunc
			ctx, cancel = d.standing.within(ctx)
			defer cancel()
			defer context.AfterFunc(c.ctx, cancel)()
		}
		if res, err = next(ctx, method, r); err == nil {
			d.filter(c, res)
		}
		if why := c.Why(); why != nil {
			return nil, told(why)
		}
		return res, err
	}
}

// filter leaves in a list what c may use.
func (d *Door) filter(c *Caller, res sdk.Result) {
	switch r := res.(type) {
	case *sdk.ListToolsResult:
		r.Tools = permitted(d, c, kindTool, r.Tools, func(t *sdk.Tool) string { return t.Name }, aboutTool)
	case *sdk.ListPromptsResult:
		r.Prompts = permitted(d, c, kindPrompt, r.Prompts, func(p *sdk.Prompt) string { return p.Name }, aboutPrompt)
	case *sdk.ListResourcesResult:
		r.Resources = permitted(d, c, kindResource, r.Resources, func(r *sdk.Resource) string { return r.URI }, aboutResource)
	case *sdk.ListResourceTemplatesResult:
		r.ResourceTemplates = permitted(d, c, kindTemplate, r.ResourceTemplates, func(r *sdk.ResourceTemplate) string { return r.URITemplate }, aboutTemplate)
	}
}

func permitted[T any](d *Door, c *Caller, kind string, list []*T, name func(*T) string, about func(*T) []Text) []*T {
	items := make([]*Item, 0, len(list))
	list = slices.DeleteFunc(slices.Clone(list), func(one *T) bool {
		it := d.shelf.item(kind, name(one))
		if it != nil {
			items = append(items, it)
		}
		return it == nil // it has just gone
	})
	may := d.gate.Permits(c, items, func(i int) []Text {
		own := *list[i]
		list[i] = &own
		return about(&own)
	})
	i := -1
	return slices.DeleteFunc(list, func(*T) bool { i++; return !may[i] })
}

// toolHandler calls the tool of its server. Of what the caller sent, name and
// arguments go there and nothing else.
func (d *Door) toolHandler(it *Item) sdk.ToolHandler {
	return func(ctx context.Context, r *sdk.CallToolRequest) (res *sdk.CallToolResult, err error) {
		args := r.Params.Arguments
		if len(args) == 0 {
			args = json.RawMessage("{}")
		}
		err = d.use(ctx, it, &talk{said: []Text{{JSON: &args}}, do: func(ctx context.Context, s *sdk.ClientSession, quiet bool) (err error) {
			p := &sdk.CallToolParams{Name: it.own, Arguments: args}
			defer d.relay(ctx, it.server, r, p, quiet)()
			res, err = s.CallTool(ctx, p)
			return err
		}, heard: func() []Text { return resultTexts(res) }})
		if err != nil {
			return nil, err
		}
		delete(res.Meta, sdk.MetaKeyServerInfo) // it is the gateway that answers
		return res, nil
	}
}

func (d *Door) promptHandler(it *Item) sdk.PromptHandler {
	return func(ctx context.Context, r *sdk.GetPromptRequest) (res *sdk.GetPromptResult, err error) {
		names, values := make([]string, 0, len(r.Params.Arguments)), make([]string, len(r.Params.Arguments))
		t := &talk{heard: func() []Text { return promptTexts(res) }}
		for name, v := range r.Params.Arguments {
			i := len(names)
			names, values[i] = append(names, name), v
			t.said = append(t.said, words(&values[i])...)
		}
		t.do = func(ctx context.Context, s *sdk.ClientSession, _ bool) (err error) {
			args := map[string]string{}
			for i, name := range names {
				args[name] = values[i]
			}
			res, err = s.GetPrompt(ctx, &sdk.GetPromptParams{Name: it.own, Arguments: args})
			return err
		}
		if err = d.use(ctx, it, t); err != nil {
			return nil, err
		}
		delete(res.Meta, sdk.MetaKeyServerInfo)
		return res, nil
	}
}

func (d *Door) resourceHandler(it *Item) sdk.ResourceHandler {
	return func(ctx context.Context, r *sdk.ReadResourceRequest) (res *sdk.ReadResourceResult, err error) {
		uri := r.Params.URI
		err = d.use(ctx, it, &talk{said: words(&uri), do: func(ctx context.Context, s *sdk.ClientSession, _ bool) (err error) {
			res, err = s.ReadResource(ctx, &sdk.ReadResourceParams{URI: uri})
			return err
		}, heard: func() []Text { return resourceTexts(res.Contents...) }})
		if err != nil {
			return nil, err
		}
		delete(res.Meta, sdk.MetaKeyServerInfo)
		return res, nil
	}
}

// talk is a Talk with the line to the server to be given.
type talk struct {
	said  []Text
	do    func(ctx context.Context, s *sdk.ClientSession, quiet bool) error
	heard func() []Text
}

// use makes t with the item's server on behalf of the caller.
func (d *Door) use(ctx context.Context, it *Item, t *talk) error {
	c := callerOf(ctx)
	c.running.Add(1)
	defer c.running.Done()
	ctx, leave := d.cancels.enter(ctx, c)
	defer leave()
	return told(d.gate.Use(ctx, c, it, &Talk{Said: t.said, Heard: t.heard, Do: func(ctx context.Context, quiet bool) error {
		return it.server.use(ctx, func(ctx context.Context, s *sdk.ClientSession) error { return t.do(ctx, s, quiet) })
	}}))
}

// Codes of JSON-RPC that callers get where the gateway refuses or fails.
const (
	codeRefused = -32010
	codeFailed  = -32011
)

// told is err as the protocol carries it.
func told(err error) error {
	var refused *wire.Error
	var failed *Failure
	switch {
	case errors.As(err, &refused):
		return rpcError(codeRefused, refused.Message, map[string]any{"code": refused.Code, "status": refused.Status, "retry_after_ms": refused.RetryAfter.Milliseconds()})
	case errors.As(err, &failed):
		return rpcError(codeFailed, failed.Message, map[string]any{"code": failed.Code})
	}
	return err
}

func rpcError(code int64, message string, data map[string]any) error {
	b, err := json.Marshal(data)
	if err != nil {
		panic("BUG: cannot marshal an error's data; got " + err.Error())
	}
	return &jsonrpc.Error{Code: code, Message: message, Data: b}
}

func tooMany() error {
	return rpcError(codeRefused, "this caller listens for changes as often as it may: end another one first", map[string]any{"code": "too_many_listeners", "status": 429})
}
