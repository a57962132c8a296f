package e2e_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// issuer is an OpenID Connect issuer that others wrote: oidc-provider, on Node.
type issuer struct {
	t   *testing.T
	url string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	cmd := exec.Command("node", "issuer.mjs")
	cmd.Dir = "testdata/issuer"
	in, err := cmd.StdinPipe() // it ends when this does
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start the issuer: %v; run .ci/needs first", err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	at, ok := strings.CutPrefix(strings.TrimSpace(line), "issuer ")
	if !ok {
		t.Fatalf("the issuer says %q, %v: %s; run .ci/needs first", line, err, said.String())
	}
	return &issuer{t: t, url: at}
}

// token is one of who, for an audience, signed with alg, for so many seconds.
func (i *issuer) token(who, audience, alg string, seconds int) string {
	i.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {fmt.Sprintf("urn:%s:%s:%d", audience, alg, seconds)}}
	req, err := http.NewRequest("POST", i.url+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		i.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(who, "secret")
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(i.do(req)), &answer); err != nil || answer.Token == "" {
		i.t.Fatalf("the issuer gives no token: %v", err)
	}
	return answer.Token
}

func (i *issuer) do(req *http.Request) string {
	i.t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		i.t.Fatalf("%s: %d %s, %v", req.URL, resp.StatusCode, b, err)
	}
	return string(b)
}

func (i *issuer) rotate() {
	i.t.Helper()
	req, err := http.NewRequest("POST", i.url+"/rotate", nil)
	if err != nil {
		i.t.Fatal(err)
	}
	i.do(req)
}

func (i *issuer) config() string {
	return fmt.Sprintf(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin:
  token: "${env:SIGNALBOX_ADMIN_TOKEN}"
  oidc: {issuer: corp, audience: admin, roles: {platform: operator}}
store: {url: "sqlite:state/signalbox.db"}
providers: {demo: {adapter: demo}}
models: {own: {targets: [{model: demo/echo}]}}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}"}]
oidc:
  corp:
    issuer: %q
    audience: gateway
    claims: {user: sub, team: department, roles: groups}
    require: {mfa: "true"}
    leeway: 1ms
`, i.url)
}

// TestTokensOfARealIssuer: callers and an administrator come with tokens that
// oidc-provider has signed, and with such that it has not.
func TestTokensOfARealIssuer(t *testing.T) {
	i := newIssuer(t)
	g := newGateway(t, i.config())
	ask := func(token string) (status int, body string) {
		t.Helper()
		status, body, _ = g.send("POST", "/v1/chat/completions", "application/json", strings.NewReader(request("own", "hello", false)), "Authorization", "Bearer "+token)
		return status, body
	}
	f := func(token string, want int, code string) {
		t.Helper()
		if status, body := ask(token); status != want || !strings.Contains(body, code) {
			t.Errorf("status %d %s; want %d %s", status, body, want, code)
		}
	}
	good := i.token("ann", "gateway", "RS256", 600)
	f(good, 200, "hello")
	f(good, 200, "hello")
	f(i.token("ann", "gateway", "ES256", 600), 200, "hello")
	f(i.token("ann", "gateway", "PS256", 600), 200, "hello")
	f(callerKey, 200, "hello") // keys count beside them
	f(i.token("ann", "elsewhere", "RS256", 600), 401, "token_audience")
	f(i.token("eve", "gateway", "RS256", 600), 403, "token_claim_required")
	short := i.token("ann", "gateway", "ES256", 1)
	eventually(t, "a token expires", func() bool {
		status, body := ask(short)
		return status == 401 && strings.Contains(body, "token_expired")
	})

	// What the issuer never signed.
	enc := base64.RawURLEncoding.EncodeToString
	payload := strings.Split(good, ".")[1]
	f(enc([]byte(`{"alg":"none"}`))+"."+payload+".", 401, "token_invalid")
	req, err := http.NewRequest("GET", i.url+"/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	var jwks struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(i.do(req)), &jwks); err != nil {
		t.Fatal(err)
	}
	for _, public := range jwks.Keys {
		head := enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + payload
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(head))
		f(head+"."+enc(mac.Sum(nil)), 401, "token_invalid")
	}
	other := strings.ReplaceAll(must(base64.RawURLEncoding.DecodeString(payload)), `"ann"`, `"root"`)
	f(strings.Split(good, ".")[0]+"."+enc([]byte(other))+"."+strings.Split(good, ".")[2], 401, "token_invalid")
	f("ey"+strings.Repeat("A", 7<<10)+".A.A", 401, "token_invalid")

	// The directory has a say, at once.
	g.admins("/admin/teams", map[string]any{"name": "core"}, &struct{}{})
	f(good, 200, "hello")
	f(i.token("bob", "gateway", "RS256", 600), 403, "token_disabled")
	if status, body := g.adminDo("PATCH", "/admin/teams/core", `{"disabled":true}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	f(good, 403, "token_disabled")
	if status, body := g.adminDo("PATCH", "/admin/teams/core", `{"disabled":false}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	f(good, 200, "hello")

	// An administrator's group has a role, and the audience is another.
	admin := func(token, path string, want int) {
		t.Helper()
		if status, body := g.admire("POST", path, token, "{}"); status != want {
			t.Errorf("%s: %d %s; want %d", path, status, body, want)
		}
	}
	admin(i.token("ann", "admin", "RS256", 600), "/admin/reload", 200)
	admin(i.token("ann", "admin", "RS256", 600), "/admin/keys", 403)
	admin(i.token("bob", "admin", "RS256", 600), "/admin/reload", 403)
	admin(good, "/admin/reload", 401)

	// New keys are found, and what old ones signed counts no more.
	i.rotate()
	fresh := i.token("ann", "gateway", "ES256", 600)
	eventually(t, "a token signed with a new key counts", func() bool { status, _ := ask(fresh); return status == 200 })
	f(good, 401, "token_invalid")
	if out := g.output(); strings.Contains(out, good) || strings.Contains(out, fresh) {
		t.Error("a token is in the log")
	}
}

func must(b []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(b)
}
