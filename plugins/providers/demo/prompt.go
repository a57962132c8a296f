package main

import (
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

// The models.
var chatModels = []string{"echo", "fixed", "slow", "flaky", "think"}

const embedModel = "embed"

// ask is a chat request, whatever its dialect.
type ask struct {
	controls
	name         string // of the model, as the answer gives it
	model        string // without controls
	text         string // of the last message
	promptBytes  int
	tools        []string
	forced       string // tool that must be called
	maxTokens    int    // 0: no limit
	n            int
	stream       bool
	includeUsage bool
}

var parsers fastjson.ParserPool

// readAsk reads the members that the dialects share; the dialect adds its own.
func (d *demo) readAsk(r *provider.Request, f format) (*ask, error) {
	return d.parse(r.Body(), r.Model(), f)
}

// parse reads a body for the model called name; "" leaves that to the body.
func (d *demo) parse(raw []byte, name string, f format) (*ask, error) {
	p := parsers.Get()
	defer parsers.Put(p)
	body, err := p.ParseBytes(raw)
	if err != nil || body.Type() != fastjson.TypeObject {
		return nil, wire.Errorf(400, "invalid_json", "the body is not a JSON object")
	}
	a := &ask{controls: *d.defaults.Load(), name: name, n: 1, stream: body.GetBool("stream")}
	if name == "" {
		a.name = string(body.GetStringBytes("model"))
	}
	if a.model, err = a.read(a.name, body); err != nil {
		return nil, err
	}
	if !slices.Contains(chatModels, a.model) {
		e := faults["model_not_found"]
		e.Message = "the demo provider has no chat model \"" + a.model + "\"; it has " + strings.Join(chatModels, ", ")
		return nil, &e
	}
	messages := body.GetArray("messages")
	if len(messages) == 0 {
		return nil, &wire.Error{Status: 400, Class: wire.ClassInvalid, Code: "missing_messages", Message: "messages: want at least one", Param: "messages"}
	}
	for _, m := range messages {
		a.promptBytes += visitText(m.Get("content"), nil)
	}
	a.promptBytes += visitText(body.Get("system"), nil)
	var text strings.Builder
	visitText(messages[len(messages)-1].Get("content"), &text)
	a.text = text.String()
	return a, f.read(a, body)
}

// visitText counts the bytes of a content's text, strings and parts alike, and
// writes them to out unless it is nil.
func visitText(v *fastjson.Value, out *strings.Builder) (n int) {
	if v == nil {
		return 0
	}
	switch v.Type() {
	case fastjson.TypeString:
		s := v.GetStringBytes()
		if out != nil {
			out.Write(s)
		}
		return len(s)
	case fastjson.TypeArray:
		for _, part := range v.GetArray() {
			n += visitText(part.Get("text"), out) + visitText(part.Get("content"), out)
		}
	}
	return n
}
