package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestRevokedSessionEnds: a session that runs, and in which nobody says
// anything, ends soon after its key.
func TestRevokedSessionEnds(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			defer c.CloseNow()
			_, _, _ = c.Read(r.Context())
		}
	}))
	defer up.Close()
	g := newGateway(t, mediaConfig(up.URL, "[]", ""))
	var made struct{ Token string }
	g.admins("/admin/keys", map[string]any{"name": "talker"}, &made)
	c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(g.data, "http")+"/v1/realtime?model=up/gpt-x",
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + made.Token}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if status, body := g.adminDo("DELETE", "/admin/keys/talker", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	_, said, err := c.Read(t.Context())
	if err != nil || !strings.Contains(string(said), `"code":"key_revoked"`) {
		t.Errorf("the session hears %s, %v; want why it ends", said, err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the session ends with %v; want a close frame", err)
	}
}
