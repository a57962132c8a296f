package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestIndentedEvents: an upstream whose JSON has line breaks, which other
// framings than server-sent events carry, cannot break the caller's events.
func TestIndentedEvents(t *testing.T) {
	for _, g := range goldens(t) {
		if g.what != "stream" {
			continue
		}
		for _, indent := range []string{"\n ", "\r"} {
			indented(t, &g, indent)
		}
	}
}

func indented(t *testing.T, g *golden, indent string) {
	t.Helper()
	st := fixed(t, g.from, g.to).Stream("alias", true)
	var out []byte
	for _, e := range events(g.section("in.sse")) {
		var b bytes.Buffer
		if json.Indent(&b, []byte(e.data), "", " ") != nil {
			b.Reset()
			b.WriteString(e.data)
		}
		var err error
		data := bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte(indent))
		if out, err = st.Event(out, e.name, data); err != nil {
			break
		}
	}
	out, _ = st.Finish(out)
	if bytes.ContainsRune(out, '\r') {
		t.Errorf("%s: a carriage return ends a line too", g.file)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		if line != "" && !strings.HasPrefix(line, "data: ") && !strings.HasPrefix(line, "event: ") {
			t.Errorf("%s: the line %q is neither name nor data", g.file, line)
			break
		}
	}
}
