package host

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/mcp"
	"github.com/signalbox-ai/signalbox/host/queue"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// toolbox are the tool servers and the door to them; it is the door's gate.
type toolbox struct {
	h       *Host
	servers *mcp.Servers
	door    *mcp.Door
	givenUp givenUp
}

func (h *Host) openTools(ctx context.Context, cfg *config.Config) error {
	secret, err := h.secret(ctx, "mcp-sessions", 32)
	if err != nil {
		return err
	}
	t := &toolbox{h: h, servers: mcp.NewServers(h.opt.Version, h.log)}
	t.door = mcp.NewDoor(mcp.Options{Version: h.opt.Version, Log: h.log, Secret: secret, Hosts: cfg.MCP.Hosts, Origins: cfg.MCP.Origins,
		Cancel: t.givenUp.tell(h.store, h.log)}, t.servers, t)
	h.tools = t
	return nil
}

// use takes the servers of cfg into use, which begin beside.
func (t *toolbox) use(cfg *config.Config) {
	specs := make([]mcp.Spec, 0, len(cfg.MCP.Servers))
	for _, name := range sortedNames(cfg.MCP.Servers) {
		spec, err := toolSpec(name, cfg)
		if err != nil {
			t.h.log.Error("cannot use tool server", "tool_server", name, "err", err)
			continue
		}
		specs = append(specs, spec)
	}
	t.servers.Apply(specs)
	t.door.Configure(cfg.MCP.Hosts, cfg.MCP.Origins)
}

func toolSpec(name string, cfg *config.Config) (mcp.Spec, error) {
	c := cfg.MCP.Servers[name]
	s := mcp.Spec{Name: name, Command: c.Command, Dir: c.Dir, URL: c.URL, Tools: c.Tools, Timeout: c.Timeout, MaxMessage: int(cfg.MCP.MaxResult),
		Parallel: c.Parallel, Price: int64(c.PriceUSD), Prices: map[string]int64{}}
	if s.Timeout == 0 {
		s.Timeout = cfg.MCP.Timeout
	}
	if s.Parallel == 0 {
		s.Parallel = cfg.MCP.Parallel
	}
	for tool, price := range c.Prices {
		s.Prices[tool] = int64(price)
	}
	for _, v := range sortedNames(c.Env) {
		s.Env = append(s.Env, v+"="+c.Env[v].Reveal())
	}
	if c.URL == "" {
		return s, nil
	}
	s.Headers = http.Header{}
	for k, v := range c.Headers {
		s.Headers.Set(k, v.Reveal())
	}
	own, err := egress.OfURL(c.URL)
	if err != nil {
		return s, err
	}
	s.Hosts, err = egress.Parse(append([]string{own}, c.Hosts...))
	return s, err
}

// stop ends the servers and the door.
func (t *toolbox) stop() {
	if t != nil {
		t.door.Stop()
		t.servers.Stop()
		t.givenUp.close()
	}
}

// serveTools answers at /mcp. What is asked for there has no record of its own:
// each call of a tool has one.
func (h *Host) serveTools(f *flight) (call.Answer, *wire.Error) {
	if len(f.gen.cfg.MCP.Servers) == 0 {
		return call.Answer{}, wire.Errorf(404, "mcp_off", "there are no tool servers here: the operator can list some under mcp.servers")
	}
	f.finished = true
	return h.tools.door.Serve(&f.Call)
}

// begin makes f a call by who.
func (t *toolbox) begin(f *flight, who *mcp.Caller) {
	c := &f.Call
	t.h.bind(f)
	c.Received = time.Now()
	c.Op, c.Dialect, c.Principal, c.Remote, c.TLS, c.Header = wire.OpTool, wire.Raw, who.Principal, who.Remote, who.TLS, who.Header
	c.Priority = queue.ClassNames[classOf(c)]
	c.Facts.N = 1
}

// about makes f about it.
func (f *flight) about(it *mcp.Item) {
	f.Model, f.Facts.Tools = it.Model, f.Facts.Tools[:0]
	if it.Tool != "" {
		f.Facts.Tools = append(f.Facts.Tools, []byte(it.Name))
	}
}

// Permits implements mcp.Gate: what a key does not list, what policy would
// refuse, and what filters do not let its server say of it, is not shown.
func (t *toolbox) Permits(who *mcp.Caller, items []*mcp.Item, about func(int) []mcp.Text) []bool {
	c := t.h.New()
	defer t.h.Done(c)
	f := c.Owner.(*flight)
	t.begin(f, who)
	f.finished = true // it is no request
	may := make([]bool, len(items))
	for i, it := range items {
		f.about(it)
		if auth.PermitModel(who.Principal, it.Model.Name) == nil {
			f.Decision = f.gen.policy.Decide(c)
			may[i] = f.Decision.Allow && t.presentable(f, it, func() []mcp.Text { return about(i) })
		}
	}
	return may
}

// Use implements mcp.Gate: the path of a call of a tool.
func (t *toolbox) Use(ctx context.Context, who *mcp.Caller, it *mcp.Item, talk *mcp.Talk) error {
	h, c := t.h, t.h.New()
	defer h.Done(c)
	f := c.Owner.(*flight)
	t.begin(f, who)
	if c.ID = who.ID(); c.ID == 0 {
		c.ID = h.ids.Next(c.Received)
	}
	f.about(it)
	if tr := f.gen.tracer; tr != nil {
		tr.Begin(c)
	}
	if c.Err = t.admit(f, it, talk.Said); c.Err != nil {
		h.Finish(c)
		return c.Err
	}
	c.SentUp = true
	f.ticket.Sent()
	began := time.Now()
	err := talk.Do(ctx, f.looksAt(true))
	c.Upstream = time.Since(began)
	var failed *mcp.Failure
	if errors.As(err, &failed) {
		c.SentUp = failed.Sent // what never reached its server is not counted
		if why := who.Why(); why != nil && failed.Code == mcp.CodeLeft {
			err = why // it was ended for the caller
		}
	}
	c.Err = toolError(err)
	if refused := f.hear(it, talk, err); refused != nil {
		err, c.Err = refused, refused
	}
	if c.SentUp && it.Price > 0 {
		c.Cost, c.Provenance = it.Price, call.CostComputed
	}
	h.Finish(c)
	who.Spent(c.Cost)
	if err == nil && c.Err != nil {
		return c.Err // it could not be recorded
	}
	return err
}

// admit asks all who have a say, and takes what the call may take.
func (t *toolbox) admit(f *flight, it *mcp.Item, said []mcp.Text) *wire.Error {
	h := t.h
	err := h.recordable()
	if err == nil {
		err = auth.PermitModel(f.Principal, it.Model.Name)
	}
	if err == nil {
		err = h.decide(f)
	}
	if err == nil {
		err = h.rate(f)
	}
	if err == nil {
		err = t.screen(f, it)
	}
	if err == nil {
		err = f.look(false, it, said)
	}
	if err != nil {
		return err
	}
	need := budget.Amounts{it.Price, 0, 1}
	if denied := h.reserve(f, need); denied != nil {
		return overBudget(denied, need, f.Received)
	}
	return nil
}

// toolError is what the record says of a call that failed.
func toolError(err error) *wire.Error {
	var failed *mcp.Failure
	var own *jsonrpc.Error
	var refused *wire.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &failed):
		e := wire.Errorf(502, failed.Code, "%s", failed.Message)
		e.Class = wire.ClassServer
		switch failed.Code {
		case mcp.CodeTimeout:
			e.Status, e.Class = 504, wire.ClassTimeout
		case mcp.CodeLeft:
			e.Status, e.Class = statusLeft, wire.ClassNetwork
		case mcp.CodeBusy, mcp.CodeDown:
			e.Status, e.Class = 503, wire.ClassOverloaded
		}
		return e
	case errors.As(err, &own):
		return wire.Errorf(422, "tool_refused", "the tool server refused the call")
	}
	return wire.Errorf(500, "internal_error", "the gateway failed at this call")
}
