package provider

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"
	"sync"

	"github.com/signalbox-ai/signalbox/sdk/provider/internal/eventstream"
	"github.com/signalbox-ai/signalbox/sdk/provider/internal/jsonl"
	"github.com/signalbox-ai/signalbox/sdk/provider/internal/sse"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Framing is how an upstream's stream is cut into events.
type Framing uint8

// The framings.
const (
	SSE         Framing = iota // server-sent events
	EventStream                // application/vnd.amazon.eventstream; an exception is an event of that name
	JSONLines                  // a JSON text a line
)

// contentTypes announce a framing, the usual one first.
var contentTypes = [...][]string{
	SSE:         {"text/event-stream"},
	EventStream: {"application/vnd.amazon.eventstream"},
	JSONLines: {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json", "application/jsonlines",
		"application/x-jsonlines", "application/stream+json"},
}

// String is the content type by which the framing is announced.
func (f Framing) String() string { return contentTypes[f][0] }

func (f Framing) announced(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, _, _ = strings.Cut(contentType, ";")
	}
	return slices.Contains(contentTypes[f], kind)
}

// events are those of one stream. data is valid until the following call.
type events interface {
	Next() (name string, data []byte, err error)
	Waiting() bool // a whole event has been received already
}

func (f Framing) reader(in *bufio.Reader) events {
	switch f {
	case EventStream:
		return eventstream.NewReader(in, maxEvent)
	case JSONLines:
		return jsonl.NewReader(in, maxEvent)
	}
	return sse.NewReader(in, maxEvent)
}

// readers are buffers of streams that have ended.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 8<<10) }}

// relay translates an upstream's stream event by event. It flushes when no
// further event is at hand.
func (b *bridge) relay(in io.Reader, st wire.StreamTranslation, out *Stream, r *Request) error {
	buf := readers.Get().(*bufio.Reader)
	buf.Reset(in)
	defer func() {
		buf.Reset(nil)
		readers.Put(buf)
	}()
	events := b.lease.Framing.reader(buf)
	for {
		name, data, err := events.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot read the upstream's stream: %w", err)
		}
		if out.buf, err = st.Event(out.buf, name, data); err != nil {
			return told(out, st, err, r)
		}
		if err := out.gathered(); err != nil {
			return err
		}
		if events.Waiting() {
			continue
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	if err := out.Append(st.Finish); err != nil {
		return told(out, st, err, r)
	}
	if u, ok := st.Usage(); ok {
		out.Usage(u)
	}
	return nil
}

// told has a stream that is cut say why: the gateway can classify only what it
// is told before the cut.
func told(out *Stream, st wire.StreamTranslation, err error, r *Request) error {
	var e *wire.Error
	if errors.As(err, &e) && out.sent {
		out.buf = wire.AppendStreamError(out.buf, st, r.Dialect, e, r.ID())
	}
	return err
}
