package dispatch_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestTry asks whether a credential is good: by GET, with no other credential,
// and what is said against it comes back.
func TestTry(t *testing.T) {
	var h atomic.Pointer[http.HandlerFunc]
	set := func(f http.HandlerFunc) { h.Store(&f) }
	r := newRig(t, dispatch.Options{})
	tgt := r.target("up", func(w http.ResponseWriter, req *http.Request) { (*h.Load())(w, req) }, func(ep *call.Endpoint, p *call.Provider) {
		ep.Op, ep.Dialect, ep.Path = wire.OpCredential, wire.Raw, "/v1/models?limit=1"
		ep.Errors = []call.ErrorRule{{Status: 403, Code: "Missing scopes", Class: wire.ClassInvalid}}
		p.Credentials = append(p.Credentials, &call.Credential{Name: "second", Value: "sk-second"})
	})
	second := tgt.Provider.Credentials[1]
	f := func(answer http.HandlerFunc, status int, class wire.Class, says string) {
		t.Helper()
		set(answer)
		got, ok := dispatch.Try(t.Context(), tgt.Provider, second)
		if !ok || got.Status != status || got.Class != class || !strings.Contains(got.Says, says) || says == "" && got.Says != "" {
			t.Errorf("got %+v, %v; want %d, %v, %q", got, ok, status, class, says)
		}
	}
	f(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet || req.RequestURI != "/v1/models?limit=1" || req.Header.Get("Authorization") != "Bearer sk-second" || req.ContentLength > 0 {
			t.Errorf("got %s %s %v", req.Method, req.RequestURI, req.Header)
		}
		answer(w, req)
	}, 200, wire.ClassNone, "")
	f(status(204, ""), 204, wire.ClassNone, "")
	f(status(401, `{"error":{"message":"no such key","code":"invalid_api_key"}}`), 401, wire.ClassAuth, "no such key")
	f(status(403, `{"error":{"message":"Missing scopes: api.model.read"}}`), 403, wire.ClassInvalid, "Missing scopes")
	f(status(403, `<html>go away</html>`), 403, wire.ClassAuth, "go away")
	f(status(429, `{"error":{"message":"slowly"}}`), 429, wire.ClassRateLimit, "slowly")
	f(status(500, `{}`), 500, wire.ClassServer, "{}")
	f(status(302, "", "Location", "http://elsewhere.example"), 302, wire.ClassInvalid, "leads elsewhere")
	f(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, wire.ClassNetwork, "closed before an answer")
	gone, leave := context.WithCancel(t.Context())
	set(func(w http.ResponseWriter, req *http.Request) { leave(); <-req.Context().Done() })
	if got, ok := dispatch.Try(gone, tgt.Provider, second); !ok || got.Status != 0 || got.Class == wire.ClassNone {
		t.Errorf("after its asker has left: %+v, %v", got, ok)
	}
	tgt.Provider.Publish(call.NewEndpoints(nil))
	if _, ok := dispatch.Try(t.Context(), tgt.Provider, second); ok {
		t.Error("what is not served is tried")
	}
}
