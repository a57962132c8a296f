package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestModules calls all that there is to do with versions.
func TestModules(t *testing.T) {
	var said []string
	note := func(format string, args ...any) (any, error) {
		said = append(said, fmt.Sprintf(format, args...))
		return map[string]bool{"ok": true}, nil
	}
	s, err := New(Options{Token: token, Routes: &Modules{
		List:    func(name string) (any, error) { return note("list %q", name) },
		History: func(name string) (any, error) { return note("history %q", name) },
		Push: func(_ context.Context, name string, up ModuleUpload) (any, error) {
			return note("push %q %d %s %s", name, len(up.Code), up.Config, up.Why)
		},
		Step: func(_ context.Context, name, step string, in ModuleStep) (any, error) {
			return note("%s %q %+v %v", step, name, in.Version, in.Guard)
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		said = nil
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if got := strings.Join(said, "; "); w.Code != status || status == http.StatusOK && got != want || !strings.Contains(w.Body.String()+got, want) {
			t.Errorf("%s %s: %d %s, %q; want %d %q", method, path, w.Code, w.Body, got, status, want)
		}
	}
	f("GET", "/admin/routes", "", 200, `list ""`)
	f("GET", "/admin/routes/order", "", 200, `list "order"`)
	f("GET", "/admin/routes/order/history", "", 200, `history "order"`)
	f("POST", "/admin/routes/order/versions", `{"code":"AAEC","config":{"a":1},"why":"so"}`, 200, `push "order" 3 {"a":1} so`)
	f("POST", "/admin/routes/order/versions", `{"cod":"AAEC"}`, 400, "unknown field")
	f("POST", "/admin/routes/order/versions", `{"code":"`+strings.Repeat("A", 11<<20)+`"}`, 200, fmt.Sprintf(`push "order" %d  `, 11<<20*3/4))
	f("POST", "/admin/routes/order/versions", `{"code":"`+strings.Repeat("A", maxModule)+`"}`, 400, "too large")
	f("POST", "/admin/routes/order/promote", ``, 200, `promote "order"  <nil>`)
	f("POST", "/admin/routes/order/canary", `{"version":"1.2.0","share":0.1,"guard":{"min_requests":5}}`, 200, `canary "order" 1.2.0 &{5 0 0 0 0}`)
	for _, step := range []string{"replay", "shadow", "rollback"} {
		f("POST", "/admin/routes/order/"+step, `{}`, 200, step+` "order"  <nil>`)
	}
	f("POST", "/admin/routes/order/promote", `{"versions":1}`, 400, "unknown field")
	f("POST", "/admin/routes/order/other", `{}`, 404, "not_found")
	f("GET", "/admin/filters", "", 404, "not_found")
}
