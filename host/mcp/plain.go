package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// plainCall is a call of a tool that asks for nothing else, by a version of the
// protocol that says all in the body. It is answered without the SDK's server,
// which reads a message eight times, each time into 32 KB of its own, and makes a
// session for it. All that is unusual goes there.
type plainCall struct {
	door      *Door
	id        jsonrpc.ID
	name      string
	arguments json.RawMessage
}

// maxNested is how many lists and objects a plain call has at most: the SDK
// bounds how deep they lie.
const maxNested = 500

// plain reads body as a plain call, nil: it is none.
func (d *Door) plain(h http.Header, body []byte) *plainCall {
	switch h.Get("Mcp-Protocol-Version") {
	case "2025-03-26", "2025-06-18", "2025-11-25":
	default:
		return nil
	}
	for name, v := range h {
		if len(v) > 1 || strings.HasPrefix(name, headerPrefix) && name != "Mcp-Protocol-Version" {
			return nil
		}
	}
	accept := h.Get("Accept")
	if h.Get("Content-Type") != "application/json" || !strings.Contains(accept, "application/json") || !strings.Contains(accept, "text/event-stream") ||
		bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) > maxNested {
		return nil
	}
	var all, params map[string]json.RawMessage
	p := &plainCall{door: d}
	if json.Unmarshal(body, &all) != nil || len(all) != 4 || string(all["jsonrpc"]) != `"2.0"` || string(all["method"]) != `"tools/call"` || !p.named(all["id"]) ||
		json.Unmarshal(all["params"], &params) != nil || json.Unmarshal(params["name"], &p.name) != nil {
		return nil
	}
	p.arguments = params["arguments"]
	if len(params) > 2 || len(params) == 2 && p.arguments == nil {
		return nil
	}
	return p
}

// named reads the request's id, which is a text or a whole number.
func (p *plainCall) named(raw json.RawMessage) bool {
	var v any
	if _, err := strconv.ParseInt(string(raw), 10, 53); err != nil && !bytes.HasPrefix(raw, []byte(`"`)) || json.Unmarshal(raw, &v) != nil {
		return false
	}
	var err error
	p.id, err = jsonrpc.MakeID(v)
	return err == nil
}

// ServeHTTP implements http.Handler.
func (p *plainCall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	answer := &jsonrpc.Response{ID: p.id}
	res, err := p.door.middleware(p.call)(r.Context(), "tools/call", &sdk.CallToolRequest{Params: &sdk.CallToolParamsRaw{Name: p.name, Arguments: p.arguments}})
	if answer.Error = err; err == nil {
		answer.Result, answer.Error = json.Marshal(res)
	}
	b, err := jsonrpc.EncodeMessage(answer)
	if err != nil {
		panic("BUG: cannot write an answer; got " + err.Error())
	}
	_, _ = w.Write(append(append([]byte("event: message\ndata: "), b...), "\n\n"...)) // a caller who has left reads nothing
}

// call is the end of the middleware.
func (p *plainCall) call(ctx context.Context, _ string, r sdk.Request) (sdk.Result, error) {
	it := p.door.shelf.item(kindTool, p.name)
	if it == nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("unknown tool %q", p.name)}
	}
	got, err := p.door.toolHandler(it)(ctx, r.(*sdk.CallToolRequest))
	if err != nil {
		return nil, err
	}
	if got.NeedsInput() || got.InputRequests != nil {
		return nil, fmt.Errorf("tool server %q asks for input, which the caller does not support", it.Server)
	}
	if got.Content == nil {
		got.Content = []sdk.Content{} // null is no list
	}
	return got, nil
}
