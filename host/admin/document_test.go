package admin

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signalbox-ai/signalbox/host/openapi"
)

// withoutToken are the paths that are served before anybody is asked for a token.
var withoutToken = []string{"/healthz", "/readyz", "/metrics", "/openapi.json", "/admin/session", "/", "/assets/{path}"}

// documented is a server of which the document has every path.
func documented(t *testing.T) *Server {
	opt := all()
	opt.Budgets, opt.Nodes, opt.Batches, opt.Cache = struct{ budgets }{}, struct{ nodes }{}, struct{ Batches }{}, struct{ Cache }{}
	opt.Pipelines, opt.Sessions, opt.Document = &Pipelines{}, &shelf{}, openapi.Admin()
	opt.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	opt.Dashboard = opt.Metrics
	return everything(t, opt)
}

type ( // whose methods have the names of the interfaces
	budgets = Budgets
	nodes   = Nodes
)

// TestDocumentHasWhatIsServed compares methods, paths and roles of the document
// with the table of routes, both ways.
func TestDocumentHasWhatIsServed(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Admin())
	if err != nil {
		t.Fatal(err)
	}
	s := documented(t)
	mux, found := http.NewServeMux(), map[string]bool{}
	for pattern := range s.needs {
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			role, _ := op.Extensions["x-signalbox-role"].(string)
			r := httptest.NewRequest(method, regexp.MustCompile(`[{}]`).ReplaceAllString(path, ""), nil)
			_, pattern := mux.Handler(r)
			found[pattern] = true
			switch {
			case slices.Contains(withoutToken, path):
				free(t, s, r)
				if role != "" || op.Security == nil {
					t.Errorf("the document asks for a role or a token for %s %s, which take none", method, path)
				}
			case pattern == "":
				t.Errorf("the document has %s %s, which is not served", method, path)
			case role != s.needs[pattern].String() || op.Security != nil:
				t.Errorf("the document has the role %q for %s %s, and security %v of its own; want %s, and none", role, method, path, op.Security, s.needs[pattern])
			}
		}
	}
	for pattern := range s.needs {
		if !found[pattern] {
			t.Errorf("the document lacks %s", pattern)
		}
	}
}

// free checks that r is served to whoever asks.
func free(t *testing.T, s *Server, r *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
		t.Errorf("%s %s without a token: status %d %s", r.Method, r.URL, w.Code, w.Body)
	}
}

func TestDocumentIsServed(t *testing.T) {
	w := httptest.NewRecorder()
	documented(t).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	if doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes()); err != nil || doc.Paths.Len() == 0 {
		t.Errorf("%v of %d %s", err, w.Code, w.Body)
	}
}
