package dispatch_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// TestForeignReasoningStaysHere: what a translation has sealed for another
// maker does not go to an upstream that would refuse it, the caller is told,
// and the next attempt has the request as it came.
func TestForeignReasoningStaysHere(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 2})
	var bodies []string
	keep := func(status int, answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			b, _ := io.ReadAll(q.Body)
			bodies = append(bodies, string(b))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, answer)
		}
	}
	messages := func(e *call.Endpoint, _ *call.Provider) { e.Dialect, e.Path = wire.AnthropicMessages, "/v1/messages" }
	r.target("one", keep(500, `{"type":"error","error":{"type":"api_error","message":"no"}}`), messages)
	r.target("two", keep(200, `{"id":"m","type":"message","role":"assistant","content":[],"usage":{"input_tokens":1,"output_tokens":1}}`), messages)
	const body = `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[` +
		`{"type":"thinking","thinking":"hm","signature":"sb1:x"},{"type":"text","text":"hello"}]},{"role":"user","content":"and?"}]}`
	c := r.call(`{"model":"fast"}`)
	c.Dialect, c.Body = wire.AnthropicMessages, []byte(body)
	c.Facts.Reset()
	if err := scan.Operation(&c.Facts, c.Op, c.Dialect, c.Body); err != nil {
		t.Fatal(err)
	}
	if _, err, _ := r.do(c); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 2 {
		t.Fatalf("%d requests were sent", len(bodies))
	}
	for i, b := range bodies {
		if want := `"model":"m-` + []string{"one", "two"}[i]; !strings.Contains(b, want) || strings.Contains(b, "sb1:") || !strings.Contains(b, "hello") {
			t.Errorf("sent %s", b)
		}
	}
	if string(c.Body) != body || string(c.Facts.Model) != "fast" || len(c.Dropped) == 0 {
		t.Errorf("left %s, model %s, dropped %q", c.Body, c.Facts.Model, c.Dropped)
	}
}
