package inspect

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/getkin/kin-openapi/openapi3"
)

// lines compares the lines of an answer as they pass. The schema of such a media
// type is that of each of them: of a line of JSON, or of the data of an event.
type lines struct {
	io.ReadCloser
	*exchange
	schema *openapi3.Schema
	events bool
	part   []byte // of a line
	seen   int
}

// listen has the lines of the answer compared, where the document has a schema of them.
func (e *exchange) listen(kind string) {
	events := kind == "text/event-stream"
	if !events && kind != "application/x-ndjson" && kind != "application/jsonl" {
		return
	}
	media := e.said.Content.Get(kind)
	if media.Schema == nil || media.Schema.Value.Type.Is("string") { // nothing is said of lines
		return
	}
	e.resp.Body = &lines{ReadCloser: e.resp.Body, exchange: e, schema: media.Schema.Value, events: events}
}

// Read implements io.Reader.
func (l *lines) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.seen += n; l.seen > maxInspected {
		return n, err
	}
	l.part = append(l.part, p[:n]...)
	for {
		line, rest, ended := bytes.Cut(l.part, []byte("\n"))
		if !ended && err != io.EOF {
			return n, err
		}
		l.compare(bytes.TrimSpace(line))
		if l.part = rest; len(rest) == 0 {
			return n, err
		}
	}
}

func (l *lines) compare(line []byte) {
	if l.events {
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if line = bytes.TrimSpace(data); !ok || string(line) == "[DONE]" {
			return
		}
	}
	if len(line) == 0 {
		return
	}
	var v any
	err := json.Unmarshal(line, &v)
	if err == nil {
		err = l.schema.VisitJSON(v, openapi3.MultiErrors(), openapi3.SetSchemaErrorMessageCustomizer(why))
	}
	if err != nil {
		l.fault("%.300s is not as the document says: %v", line, err)
	}
}
