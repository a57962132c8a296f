package mcp_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCancelArrivesAnywhere: of several gateways one works on a call, and
// another hears that it was given up; nobody else can give it up.
func TestCancelArrivesAnywhere(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "cancelled")
	one, two := open(t, command(t, "one", "plain", "CANCELLED="+mark)), open(t)
	two.others = []*place{one}
	one.ready("one")
	post := func(p *place, who, session, body string) (*http.Response, error) {
		r, err := http.NewRequest("POST", p.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]string{"Authorization": "Bearer " + who, "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-06-18", "Mcp-Session-Id": session} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		return http.DefaultTransport.RoundTrip(r)
	}
	resp, err := post(two, "ann", "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	session := resp.Header.Get("Mcp-Session-Id")
	over := make(chan string, 1)
	go func() {
		resp, err := post(one, "ann", session, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"one__wait","arguments":{"text":""}}}`)
		if err != nil {
			over <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		over <- fmt.Sprint(string(b), err)
	}()
	one.until("the call runs", func() bool { return one.status("one").Running == 1 })
	cancel := func(p *place, who, session, id string, want int) {
		t.Helper()
		resp, err := post(p, who, session, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+id+`}}`)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s cancels %s: %d; want %d", who, id, resp.StatusCode, want)
		}
	}
	cancel(two, "bob", session, "7", 404)
	cancel(two, "ann", session, "8", 202)
	cancel(two, "ann", session, `"7"`, 202)
	if n := one.status("one").Running; n != 1 {
		t.Fatalf("%d calls run after others were cancelled", n)
	}
	cancel(two, "ann", session, "7", 202)
	if got := <-over; !strings.Contains(got, "client_closed_request") {
		t.Errorf("the call that was given up ends with %s", got)
	}
	one.until("the server hears of it", func() bool { _, err := os.Stat(mark); return err == nil })
}
