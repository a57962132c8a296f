package host

import (
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/signalbox-ai/signalbox/host/mcp"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// screen readies the filters of a call of it: those that policy requires, then
// the server's own.
func (t *toolbox) screen(f *flight, it *mcp.Item) *wire.Error {
	server, ok := f.gen.cfg.MCP.Servers[it.Server]
	if !ok { // what filters it is to have is not known any more
		return wire.Errorf(503, mcp.CodeDown, "tool server %q is no longer there", it.Server)
	}
	chain, err := f.linked(server.Filters)
	if err == nil {
		f.screen = t.h.filters.Begin(&f.Call, chain, t.h)
	}
	return err
}

// looksAt reports whether a filter looks at what is said to a server, or by it.
func (f *flight) looksAt(answer bool) bool { return f.screen != nil && f.screen.Side(answer) }

// look has the filters look at texts, which they may replace. What goes to a
// server are a tool's arguments, all that comes from it is a tool's result.
func (f *flight) look(answer bool, it *mcp.Item, texts []mcp.Text) *wire.Error {
	if !f.looksAt(answer) {
		return nil
	}
	channel := text.ChannelToolArguments
	if answer {
		channel = text.ChannelToolResult
	}
	for _, x := range texts {
		said := x.Said()
		if len(said) == 0 {
			continue
		}
		out, err := f.screen.Text(channel, it.Name, said, x.JSON != nil)
		if err != nil {
			return err
		}
		x.Put(out)
	}
	return nil
}

// hear has the filters look at what the server has answered, and be it that it
// does not do what it was asked for.
func (f *flight) hear(it *mcp.Item, talk *mcp.Talk, err error) *wire.Error {
	var own *jsonrpc.Error
	switch {
	case !f.looksAt(true):
		return nil
	case err == nil:
		return f.look(true, it, talk.Heard())
	case errors.As(err, &own):
		return f.look(true, it, []mcp.Text{{Words: &own.Message}})
	}
	return nil
}

// presentable reports whether filters let a caller see what a server says of it.
func (t *toolbox) presentable(f *flight, it *mcp.Item, about func() []mcp.Text) bool {
	err := t.screen(f, it)
	if f.screen != nil {
		defer func() { f.screen.Release(); f.screen = nil }()
	}
	if err == nil && f.looksAt(true) {
		err = f.look(true, it, about())
	}
	if err != nil && it.Told(err.Message) {
		t.h.log.Warn("what a tool server says of what it offers is not shown", "tool_server", it.Server, "item", it.Name, "why", err.Message)
	}
	return err == nil
}
