package host

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestDenialsInTheCallersDialect: code, text and remedy of a denial stand where
// the vendor's own clients look for them.
func TestDenialsInTheCallersDialect(t *testing.T) {
	e, err := policy.Open(context.Background(), policy.Options{Deadline: time.Minute, Path: bundle(t, t.TempDir(), `deny contains {"code": "model_blocked", "v": input.request.model} if input.request.model == "a/b"`)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	own, err := policy.Open(context.Background(), policy.Options{Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	f := testFlight(e)
	d := e.Decide(&f.Call)
	g := &generation{policy: own} // whose bundle has the text
	refused := g.refusal(d)
	const text = "Model a/b is blocked for this key. GET /v1/models lists what there is: ask for another one."
	if refused.Status != 403 || refused.Class != wire.ClassPolicy {
		t.Fatalf("got %+v", refused)
	}
	shape := func(dialect wire.Dialect, want string) {
		t.Helper()
		var got, expected any
		if err := json.Unmarshal(wire.AppendError(nil, dialect, refused, "req_1"), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &expected); err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(expected)
		if string(a) != string(b) {
			t.Errorf("%v: got %s, want %s", dialect, a, b)
		}
	}
	shape(wire.OpenAIChat, `{"error": {"message": "`+text+`", "type": "permission_error", "param": null, "code": "model_blocked"}}`)
	shape(wire.AnthropicMessages, `{"type": "error", "error": {"type": "permission_error", "message": "`+text+`", "code": "model_blocked"}, "request_id": "req_1"}`)
	shape(wire.GeminiGenerate, `{"error": {"code": 403, "message": "`+text+`", "status": "PERMISSION_DENIED", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "model_blocked", "domain": "signalbox", "metadata": {"requestId": "req_1"}}]}}`)
}
