package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBundlesAreTriedByAuthors: whoever may look may ask what decides, and may
// not have the gateway run what is brought along.
func TestBundlesAreTriedByAuthors(t *testing.T) {
	answer := map[string]string{"ok": "yes"}
	s := everything(t, Options{Trials: &Trials{
		Impact:  func(context.Context, ImpactQuery) (any, error) { return answer, nil },
		Explain: func(context.Context, ExplainQuery) (any, error) { return answer, nil },
	}})
	f := func(role Role, body string, want string) {
		t.Helper()
		for _, serve := range []handler{s.policyImpact, s.policyExplain} {
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r = r.WithContext(context.WithValue(r.Context(), identityKey{}, Identity{Name: "ann", Role: role}))
			_, err := serve(http.ResponseWriter(httptest.NewRecorder()), r)
			if got := errText(err); !strings.Contains(got, want) || want == "" && got != "" {
				t.Errorf("%s, %s: got %q, want %q", role, body, got, want)
			}
		}
	}
	f(Viewer, `{}`, "")
	f(Operator, `{}`, "")
	f(PolicyAuthor, `{"bundle": "AAAA"}`, "")
	f(Owner, `{"bundle": "AAAA"}`, "")
	f(Viewer, `{"bundle": "AAAA"}`, "ann is viewer: to try a bundle takes the role policy_author")
	f(Operator, `{"bundle": "AAAA"}`, "takes the role policy_author")
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
