package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestHintsAbused sends headers of the gateway's own that nobody should: each
// request is answered, with an error where it has to be, and the next is served.
func TestHintsAbused(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "1000")+"routes: {priority: {module: builtin:priority}}\n")
	f := func(name, value string, want ...int) {
		t.Helper()
		req, err := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(request("fast", "hi", false)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+callerKey)
		req.Header[name] = []string{value}
		resp, err := client.Do(req)
		if err != nil {
			if len(value) > 64<<10 || strings.Contains(err.Error(), "invalid header") {
				return // the connection ended before all was read, or the client refuses it
			}
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		for _, status := range want {
			if resp.StatusCode == status {
				return
			}
		}
		t.Errorf("%s of %d bytes: %d %s; want %d", name, len(value), resp.StatusCode, body, want)
	}
	for _, name := range []string{"X-Signalbox-Session", "X-Signalbox-Metadata", "X-Signalbox-Tags"} {
		f(name, strings.Repeat("a=b,", 25<<10), 431, 400)
	}
	f("X-Signalbox-Session", strings.Repeat("s", 6<<10), 200)
	f("X-Signalbox-Metadata", strings.Repeat("a=b,", 1500), 200)
	f("X-Signalbox-Metadata", "a=\tb,=,\xff=\xfe", 200)
	f("X-Signalbox-Tags", strings.Repeat("!,", 3<<10), 400)
	f("X-Signalbox-Tags", "eu\xff", 400)
	f("X-Signalbox-Tags", "../../etc", 400)
	f("X-Signalbox-Session", "plain", 200)
	for _, path := range []string{"/admin/routes", "/admin/routes/priority/history", "/admin/decisions", "/admin/routes/..%2f..%2fetc"} {
		resp, err := client.Get(g.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Errorf("GET %s without the token: %d", path, resp.StatusCode)
		}
	}
	for _, name := range []string{"..%2f..%2fetc%2fpasswd", "priority%00", "%2e%2e", strings.Repeat("a", 4000)} {
		if status, body := g.asked("/admin/routes/"+name+"/promote", map[string]any{"force": true}); status != 404 {
			t.Errorf("promote of %q: %d %s", name, status, body)
		}
	}
}
