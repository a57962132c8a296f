package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/signalbox-ai/signalbox/bench/load"
	"github.com/signalbox-ai/signalbox/bench/proc"
	"github.com/signalbox-ai/signalbox/bench/upstream"
)

const (
	openAIPath    = "/v1/chat/completions"
	anthropicPath = "/v1/messages"
)

// target is one way from the load to an answer.
//
//	nginx   the reverse proxy
//	bare    the least proxy with the gateway's HTTP library
//	lease   the gateway, straight to the service
//	bridge  the gateway, through an adapter on its socket that translates
//	demo    the gateway, to an adapter that answers by itself on its socket
type target struct {
	name          string
	child         *proc.Child
	whole, stream string // addresses
	path          string
	alias         func(shape) string // the name that callers use; nil: the service's own
	demo          bool
	gateway       *gateway // nil: a baseline
}

// shape is a kind of request.
type shape struct {
	name   string
	model  string // of the service
	size   int    // of the request's body, bytes
	stream bool
	demo   string // model of the demo provider that answers alike, "" if none
}

var (
	shape1K    = shape{name: "1k", model: upstream.Model1K, size: 1 << 10, demo: "fixed?tokens=120"}
	shape16K   = shape{name: "16k", model: upstream.Model16K, size: 16 << 10, demo: "fixed?tokens=3120"}
	shapeBurst = shape{name: "burst", model: upstream.ModelBurst, size: 1 << 10, stream: true, demo: "fixed?tokens=48&chunks=48"}
	shapePaced = shape{name: "paced", model: upstream.ModelPaced, size: 1 << 10, stream: true, demo: "fixed?tokens=48&chunks=48&chunk_delay_ms=5"}
	shapeFirst = shape{name: "first", model: upstream.ModelFirst, size: 1 << 10, stream: true}
	shapeHeld  = shape{name: "held", model: upstream.ModelHeld, size: 1 << 10, stream: true}
)

var shapes = []shape{shape1K, shape16K, shapeBurst, shapePaced, shapeFirst, shapeHeld}

func benchAlias(s shape) string { return "bench-" + s.model }
func demoAlias(s shape) string  { return "demo-" + s.name }

func upstreamModels() (out []string) {
	for _, s := range shapes {
		out = append(out, s.model)
	}
	return out
}

func demoModels() map[string]string {
	out := map[string]string{}
	for _, s := range shapes {
		if s.demo != "" {
			out[demoAlias(s)] = s.demo
		}
	}
	return out
}

func (t *target) addr(s shape) string {
	if s.stream {
		return t.stream
	}
	return t.whole
}

// requests are those of all keys in turn.
func (t *target) requests(s shape) []load.Request {
	model := s.model
	if t.alias != nil {
		model = t.alias(s)
	}
	body := body(model, s)
	out := make([]load.Request, 0, keyCount)
	for _, k := range keys() {
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: signalbox-bench/1\r\nAccept: application/json\r\n"+
			"Content-Type: application/json\r\nAuthorization: Bearer %s\r\nCookie: session=the-callers-own\r\nContent-Length: %d\r\n\r\n",
			t.path, t.addr(s), k.Value, len(body))
		out = append(out, load.Request{Path: t.path, Bytes: append([]byte(head), body...)})
	}
	return out
}

// body is a chat request that both dialects read alike, s.size bytes long.
func body(model string, s shape) []byte {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	q := struct {
		Model       string    `json:"model"`
		Temperature float64   `json:"temperature"`
		MaxTokens   int       `json:"max_tokens"`
		Stream      bool      `json:"stream,omitempty"`
		Messages    []message `json:"messages"`
	}{Model: model, Temperature: 0.7, MaxTokens: 4096, Stream: s.stream, Messages: []message{{Role: "user"}}}
	const words = "Say in a few words why the night train waits outside of the station. "
	empty, err := json.Marshal(q)
	if err != nil {
		panic("BUG: cannot marshal a request; got " + err.Error())
	}
	q.Messages[0].Content = strings.Repeat(words, s.size/len(words)+1)[:s.size-len(empty)]
	b, err := json.Marshal(q)
	if err != nil {
		panic("BUG: cannot marshal a request; got " + err.Error())
	}
	return b
}

// check is what an answer to s must be. A stream has the events that carry the
// answer and the terminal one; those of Anthropic's dialect open and close the
// message and its one content block with events of their own.
func (t *target) check(s shape) load.Check {
	c := load.Check{Marker: []byte(upstream.Marker)}
	switch {
	case t.demo:
		c.Marker = []byte("demo")
	case t.path == openAIPath: // nobody on the way has a reason to change a byte
		c.Exact = upstream.Plain(t.path, s.model)
	}
	if s.stream {
		c.Events = upstream.Events + 1
		if t.path == anthropicPath {
			c.Events = upstream.Events + 3
		}
	}
	return c
}
