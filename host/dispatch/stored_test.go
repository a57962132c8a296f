package dispatch_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func (l *ledger) Stored(_ *call.Call, response []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished > 0 {
		l.stored = append(l.stored, "late")
	}
	l.stored = append(l.stored, string(response))
}

func TestStoredResponsesAreTold(t *testing.T) {
	const created = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n"
	const completed = `{"type":"response.completed","response":{"id":"r","output":[]}}`
	f := func(d wire.Dialect, body string, h http.HandlerFunc, want string, shapes ...shape) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		r.target("up", h, append(shapes, kind(wire.OpChat, d, "/v1/x"))...)
		_, _, _ = r.do(r.ask(wire.OpChat, d, body)) // some are cut
		if got := strings.Join(r.account.stored, "; "); got != want {
			t.Errorf("%s: told of %s, want %s", body, got, want)
		}
	}
	const ask, stream = `{"model":"m","input":"hi"}`, `{"model":"m","input":"hi","stream":true}`
	whole := status(200, `{"id":"r"}`)
	f(wire.OpenAIResponses, ask, whole, `{"id":"r"}`)
	f(wire.OpenAIResponses, `{"model":"m","input":"hi","store":false}`, whole, "")
	f(wire.OpenAIResponses, ask, whole, "", adapter)
	f(wire.OpenAIResponses, ask, status(400, `{"error":{"message":"no"}}`), "")
	f(wire.OpenAIChat, `{"model":"m","messages":[]}`, whole, "")
	f(wire.OpenAIResponses, stream, events(created, "event: response.completed\ndata: "+completed+"\n\n"), completed)
	f(wire.OpenAIResponses, stream, events(created, "CUT"), `{"id":"r"}`)
	f(wire.OpenAIResponses, `{"model":"m","input":"hi","stream":true,"store":false}`, events(created, "CUT"), "")
}

// TestWholeAnswersAreHeld: what the host looks into is never passed on as it comes.
func TestWholeAnswersAreHeld(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.target("up", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 40 {
			_, _ = w.Write(make([]byte, 64<<10))
			w.(http.Flusher).Flush()
		}
	}, kind(wire.OpFiles, wire.OpenAIFiles, "/v1/files"))
	c := r.ask(wire.OpFiles, wire.OpenAIFiles, "")
	c.Method, c.Whole = "GET", true
	ans, err := r.d.Do(c)
	if err != nil || ans.Stream != nil || len(ans.Body) != 40*64<<10 {
		t.Errorf("%v, streamed %t, %d bytes", err, ans.Stream != nil, len(ans.Body))
	}
}
