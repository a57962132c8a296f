package policy

import (
	"net/netip"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// Event is what of a call and the decision on it outlives the call. It is
// filled without allocating once its space has grown.
type Event struct {
	ID       call.ID
	Received time.Time
	Decision *call.Decision
	Active   *Active
	Remote   netip.Addr

	env       *environment
	principal *call.Principal
	model     *call.Model
	op        wire.Op
	tls       bool
	stream    bool
	in        scan.Modality
	maxTokens int64
	size      int
	priority  string
	ends      []int  // of the texts in text: class, method, path, headers, tools
	text      []byte // copies of the caller's bytes
}

// The texts of an event that are always there; the headers follow.
const (
	textClass = iota
	textMethod
	textPath
	textHeaders
)

// maxEventText bounds the caller's bytes that an event holds; what is longer is
// cut, and so is the list of tools, which comes last.
const maxEventText = 16 << 10

// Capture fills ev with the decision on c.
func (e *Engine) Capture(ev *Event, c *call.Call, d *call.Decision) {
	s := e.snap.Load()
	ev.ID, ev.Received, ev.Decision, ev.Remote = c.ID, c.Received, d, c.Remote
	ev.principal, ev.model, ev.op, ev.tls = c.Principal, c.Model, c.Op, c.TLS
	ev.in, ev.stream, ev.maxTokens, ev.size = c.Facts.In, c.Facts.Stream, c.Facts.MaxTokens, c.Facts.Size
	ev.priority, ev.text, ev.ends = c.Priority, ev.text[:0], ev.ends[:0]
	if s == nil {
		ev.Active, ev.env = nil, nil
		return
	}
	ev.Active, ev.env = s.active, &s.env
	ev.addHeader(c, classHeader)
	ev.add(c.Method)
	ev.add(c.Path)
	for _, name := range s.env.headers {
		ev.addHeader(c, name)
	}
	for _, t := range c.Facts.Tools {
		if len(ev.text)+len(t) > maxEventText {
			break
		}
		ev.add(alias(t))
	}
}

func (ev *Event) addHeader(c *call.Call, name string) {
	if c.Header == nil {
		ev.add("")
		return
	}
	ev.add(alias(c.Header.Peek(name)))
}

func (ev *Event) add(s string) {
	s = s[:min(len(s), max(0, maxEventText-len(ev.text)))]
	ev.text = append(ev.text, s...)
	ev.ends = append(ev.ends, len(ev.text))
}

func (ev *Event) at(i int) []byte {
	from := 0
	if i > 0 {
		from = ev.ends[i-1]
	}
	return ev.text[from:ev.ends[i]]
}

// Peek implements call.Header for the headers that were captured.
func (ev *Event) Peek(name string) []byte {
	if name == classHeader {
		return ev.at(textClass)
	}
	if i := slices.Index(ev.env.headers, name); i >= 0 {
		return ev.at(textHeaders + i)
	}
	return nil
}

// Clear lets go of what ev refers to.
func (ev *Event) Clear() {
	ev.Decision, ev.Active, ev.env, ev.principal, ev.model = nil, nil, nil, nil, nil
	if cap(ev.text) > maxEventText/4 {
		ev.text = nil
	}
}

// AppendInput appends the input that was decided on, as JSON, by means of c,
// which it overwrites; nothing if nothing was decided on.
func (ev *Event) AppendInput(dst []byte, c *call.Call) []byte {
	if ev.env == nil || ev.principal == nil {
		return dst
	}
	c.ID, c.Received, c.Remote, c.Principal, c.Model = ev.ID, ev.Received, ev.Remote, ev.principal, ev.model
	c.Op, c.TLS, c.Header = ev.op, ev.tls, ev
	c.Facts.In, c.Facts.Stream, c.Facts.MaxTokens, c.Facts.Size = ev.in, ev.stream, ev.maxTokens, ev.size
	c.Facts.Tools = c.Facts.Tools[:0]
	for i := textHeaders + len(ev.env.headers); i < len(ev.ends); i++ {
		c.Facts.Tools = append(c.Facts.Tools, ev.at(i))
	}
	c.Priority, c.Method, c.Path = ev.priority, alias(ev.at(textMethod)), alias(ev.at(textPath))
	r := getReader(c, ev.env)
	defer putReader(r)
	return r.appendJSON(dst, document)
}
