package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestSignInWithATokenOfAnIssuer: whoever shows one of an administrator's group
// is signed in for as long as it counts.
func TestSignInWithATokenOfAnIssuer(t *testing.T) {
	i := newIssuer(t)
	g := newGateway(t, i.config())
	ask := func(method, path, cookie, body string) (int, string, []*http.Cookie) {
		t.Helper()
		req, err := http.NewRequest(method, g.admin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", cookie)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text), resp.Cookies()
	}
	signIn := func(token string, want int) (cookie string) {
		t.Helper()
		status, body, cookies := ask("POST", "/admin/session", "", `{"token":"`+token+`"}`)
		if status != want || (status == 200) != (len(cookies) == 1) {
			t.Fatalf("signing in: %d %s %v; want %d", status, body, cookies, want)
		}
		if want != 200 {
			return ""
		}
		if !strings.Contains(body, `"role":"operator"`) {
			t.Errorf("signed in as %s", body)
		}
		return cookies[0].Name + "=" + cookies[0].Value
	}
	signIn(i.token("bob", "admin", "RS256", 600), 403)
	signIn(i.token("ann", "gateway", "RS256", 600), 401)
	cookie := signIn(i.token("ann", "admin", "RS256", 600), 200)
	if status, body, _ := ask("GET", "/admin/whoami", cookie, ""); status != 200 || !strings.Contains(body, "operator") {
		t.Errorf("%d %s", status, body)
	}
	short := signIn(i.token("ann", "admin", "RS256", 2), 200)
	eventually(t, "the token of who is signed in expires", func() bool {
		status, body, _ := ask("GET", "/admin/whoami", short, "")
		return status == 401 && strings.Contains(body, "session_ended")
	})
	if status, body, _ := ask("GET", "/v1/models", cookie, ""); status == 200 {
		t.Errorf("the cookie of an administrator is taken elsewhere: %s", body)
	}
}
