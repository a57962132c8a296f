package dispatch

import (
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// pathTemplate is a path of a lease: literal text with places for the model
// and for what the caller's path has beyond the operation's own.
type pathTemplate struct {
	pieces []string // literal text; between two of them stands a place
	places []place
	query  bool // the text has a query
}

type place bool

const (
	placeModel place = false
	placePath  place = true
)

// parsePath reads a path of a lease. Without a place for the caller's path it
// goes behind the path, before the query.
func parsePath(path string) pathTemplate {
	t := pathTemplate{query: strings.Contains(path, "?")}
	if !strings.Contains(path, "{path}") {
		if at := strings.IndexByte(path, '?'); at >= 0 {
			path = path[:at] + "{path}" + path[at:]
		} else {
			path += "{path}"
		}
	}
	for {
		at := strings.IndexByte(path, '{')
		switch {
		case at >= 0 && strings.HasPrefix(path[at:], "{model}"):
			t.pieces, t.places = append(t.pieces, path[:at]), append(t.places, placeModel)
			path = path[at+len("{model}"):]
		case at >= 0 && strings.HasPrefix(path[at:], "{path}"):
			t.pieces, t.places = append(t.pieces, path[:at]), append(t.places, placePath)
			path = path[at+len("{path}"):]
		default: // another brace is text
			t.pieces = append(t.pieces, path)
			return t
		}
	}
}

// fixed reports whether the path depends on nothing but what the caller's path
// has beyond the operation's own.
func (t *pathTemplate) fixed() bool {
	for _, p := range t.places {
		if p == placeModel {
			return false
		}
	}
	return true
}

// append appends the path for a model and what the caller's path has beyond
// the operation's own, whose query goes last.
func (t *pathTemplate) append(b []byte, model, path string) []byte {
	path, query, _ := strings.Cut(path, "?")
	if t.pieces[0] == "" && !strings.HasPrefix(path, "/") { // the place is all there is
		b = append(b, '/')
	}
	for i, text := range t.pieces {
		b = append(b, text...)
		if i == len(t.places) {
			break
		}
		if t.places[i] == placeModel {
			b = appendSegment(b, model)
		} else {
			b = append(b, path...)
		}
	}
	if query == "" {
		return b
	}
	if t.query {
		b = append(b, '&')
	} else {
		b = append(b, '?')
	}
	return append(b, query...)
}

// segmentSafe reports whether a model's name can stand as a segment of a path.
func segmentSafe(model string) bool { return model != "" && model != "." && model != ".." }

// appendSegment appends text as one segment of a path, whatever it holds.
func appendSegment(b []byte, text string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '@':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// head is what the heads of requests to one endpoint begin with.
type head struct {
	plain        []byte // whole, of a POST of JSON whose path is fixed; nil: no such
	path, stream pathTemplate
	host         string // what follows the request line
}

func newHead(ep *call.Endpoint) head {
	h := head{path: parsePath(ep.Path), host: " HTTP/1.1\r\nHost: " + ep.Host + "\r\nUser-Agent: signalbox\r\n"}
	h.stream = h.path
	if ep.StreamPath != "" {
		h.stream = parsePath(ep.StreamPath)
	} else if h.path.fixed() {
		h.plain = h.append(nil, &call.Call{}, "")
	}
	return h
}

// appendTo appends the request line and the headers that only depend on the
// endpoint and the kind of body.
func (h *head) appendTo(b []byte, c *call.Call, model string) []byte {
	if h.plain != nil && c.Method == "" && c.Path == "" && c.ContentType == "" {
		return append(b, h.plain...)
	}
	return h.append(b, c, model)
}

func (h *head) append(b []byte, c *call.Call, model string) []byte {
	method, path := "POST", &h.path
	if c.Method != "" {
		method = c.Method
	}
	if c.Facts.Stream {
		path = &h.stream
	}
	b = append(append(b, method...), ' ')
	b = path.append(b, model, c.Path)
	b = append(b, h.host...)
	switch {
	case c.ContentType != "":
		b = append(append(append(b, "Content-Type: "...), c.ContentType...), "\r\n"...)
	case hasBody(c):
		b = append(b, "Content-Type: application/json\r\n"...)
	}
	return b
}

// hasBody reports whether the request is one that has a body, if an empty one.
func hasBody(c *call.Call) bool {
	return c.Method == "" || c.Method == "POST" || len(c.Body) > 0 || c.Upload != nil
}

// repeatable reports whether sending the request again does no harm beyond its
// price: what creates something at the provider is sent once.
func repeatable(c *call.Call) bool {
	switch c.Op {
	case wire.OpBatches, wire.OpPass:
		return c.Method == "GET" || c.Method == "HEAD"
	}
	return true
}
