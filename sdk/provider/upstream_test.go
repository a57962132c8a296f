package provider

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/internal/h1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestBridgeTellsStreamErrors(t *testing.T) {
	f := func(first, want string) {
		t.Helper()
		do := bridged(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: %s\n\ndata: fail\n\n", first)
		})
		_, body, err := do(`{"model":"m","stream":true}`)
		if err == nil || body != want {
			t.Errorf("got %.100q, %v; want a cut behind %.100q", body, err, want)
		}
	}
	f("one", "") // nothing has left, so nothing is answered
	big := strings.Repeat("x", 2*flushAt)
	e := &wire.Error{Status: 529, Class: wire.ClassOverloaded, Message: "busy"}
	f(big, "data: [m  "+big+"]\n\n"+string(wire.AppendErrorEvent(nil, wire.AnthropicMessages, e, "")))
}

func TestBridgeHeaders(t *testing.T) {
	got := make(chan http.Header, 1)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "{}")
	}))
	defer up.Close()
	b := newBridge(&Lease{
		URL: up.URL, Headers: []Header{Bearer(), Static("X-Pass", "static"), Static("x-fixed", "f"), Static("content-length", "7")},
		PassHeaders: []string{"x-pass", "x-absent", "authorization"},
	}, shout{}, throughProxy(up.URL, nil))
	defer b.client.CloseIdleConnections()
	do := served(t, func(r *Request, w *Writer) error {
		r.http.Request.Header.Set("authorization", "Bearer of-the-caller")
		return b.serve(r, w)
	})
	if _, body, err := do(`{"model":"m"}`); err != nil || body != "[m {}]" {
		t.Errorf("got %q, %v", body, err)
	}
	h := <-got
	if h.Get("X-Pass") != "p" || len(h["X-Pass"]) != 1 || h.Get("X-Fixed") != "f" || h.Get("Authorization") != "Bearer sk-secret" ||
		h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "" {
		t.Errorf("got %v", h)
	}
}

// TestClientsAgree sends the same through both clients.
func TestClientsAgree(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch string(body) {
		case "moved":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "abort":
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(429)
			fmt.Fprintf(w, "%s %s %s %v %q", r.Method, r.URL, r.Host, r.Header, body)
		}
	}))
	defer up.Close()
	f := func(rawURL, body string) {
		t.Helper()
		said, to := map[string]bool{}, targetOf(rawURL)
		for _, c := range []client{upstream(rawURL, &egress.Hosts{}), throughProxy(rawURL, nil)} {
			resp, err := c.post(t.Context(), to.parts[0], []h1.Field{{Name: "x-a", Value: "b"}}, []byte(body))
			text := ""
			if err == nil {
				text = fmt.Sprint(resp.Status(), resp.Header("retry-after"), resp.Header("Location"), resp.Header("Content-Type"))
				raw, err := io.ReadAll(resp)
				text += fmt.Sprint(string(raw), err)
				resp.Close()
			} else {
				text = err.Error()
			}
			c.CloseIdleConnections()
			said[text] = true
		}
		if len(said) != 1 {
			t.Errorf("%s %s: got %v", rawURL, body, said)
		}
	}
	f(up.URL, "")
	f(up.URL+"/v1/a%20b?q=1#part", "x")
	f(up.URL, "moved")
	f(up.URL, "abort")
	f("http://127.0.0.1:1/", "x") // refuses connections
	f("ftp://127.0.0.1/", "x")
	f("http://user:pass@127.0.0.1:1/", "x")
}
