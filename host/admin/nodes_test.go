package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/store"
)

type fixedNodes struct{ err error }

func (f fixedNodes) Nodes(context.Context) ([]store.Node, error) {
	at := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	return []store.Node{{ID: "a", Number: 0, Name: "one", Version: "1.2", Started: at, Seen: at}, {ID: "b", Number: 1, Name: "two", Started: at, Seen: at, Fenced: at}}, f.err
}

func (fixedNodes) Node() store.Node { return store.Node{ID: "b"} }

func TestNodesAreListed(t *testing.T) {
	f := func(nodes Nodes, status int, want string) {
		t.Helper()
		s, err := New(Options{Token: token, Nodes: nodes, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/admin/nodes", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if got := strings.TrimSpace(w.Body.String()); w.Code != status || !strings.Contains(got, want) {
			t.Errorf("got %d %s; want %d %s", w.Code, got, status, want)
		}
	}
	const at = `"2026-05-20T12:00:00Z"`
	f(fixedNodes{}, 200, `{"nodes":[{"id":"a","number":0,"name":"one","version":"1.2","started":`+at+`,"seen":`+at+`},`+
		`{"id":"b","number":1,"name":"two","version":"","started":`+at+`,"seen":`+at+`,"fenced":`+at+`,"self":true}]}`)
	f(fixedNodes{errors.New("secret detail of the store")}, http.StatusInternalServerError, "internal")
	f(nil, http.StatusNotFound, "not_found")
}
