package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/trace/otlptest"
)

// The secrets that a gateway of this test is given, by what they are.
var secrets = map[string]string{
	"the caller's key":                callerKey,
	"the provider's credential":       providerKey,
	"the admin token":                 adminToken,
	"a viewer's admin token":          "viewer-token-of-many-characters-1f0a",
	"a stored credential":             "sk-stored-8d31a7c4e2",
	"its replacement":                 "sk-stored-again-42b7f1",
	"a value of the vault":            "sk-of-the-vault-77d1e3",
	"the vault's token":               "hvs.vault-token-3b9c",
	"the key-encryption key":          "key-encryption-key-5c0d9e7a1b",
	"the previous one":                "key-encryption-key-of-before-e81f",
	"a webhook's secret":              "webhook-signing-secret-9a2c",
	"a chat's address":                "services/T000/B000/chat-address-c41d",
	"the mail password":               "mail-password-a77e10",
	"a stored webhook's secret":       "stored-webhook-secret-bb20",
	"the anchor's address":            "anchor-address-token-0e5d",
	"a key that is none":              "sb-nosuchkeyx-neverissuedneverissued0",
	"an admin token that is none":     "not-an-admin-token-d1d1d1",
	"a query's key":                   "key-in-a-query-4b4b4b",
	"the store's password":            "store-password-6e6e6e",
	"what a caller puts in a cookie":  "cookie-of-a-caller-0c0c",
	"a vault's path that is not told": "sk-other-field-of-the-vault-12ab",
	"the collector's token":           "collector-token-6d2e19",
	"a tool server's token":           "tool-server-token-91c3",
}

// forms are the ways in which a secret may lie somewhere.
func forms(secret string) [][]byte {
	raw := []byte(secret)
	list := [][]byte{raw, []byte(hex.EncodeToString(raw)), []byte(url.QueryEscape(secret)), []byte(url.PathEscape(secret))}
	for shift := range 3 { // within a longer text, by where it begins
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), raw...))
		list = append(list, []byte(text[shift*4/3+1:len(text)-2]))
	}
	return list
}

// search looks for all secrets.
func search(t *testing.T, where string, text []byte, secrets map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		if at := found(text, secret); at >= 0 {
			t.Errorf("%s holds %s: …%q…", where, what, text[max(0, at-60):min(len(text), at+60)])
		}
	}
}

// found is where text has the secret in any form, -1 if it has not.
func found(text []byte, secret string) int {
	for _, form := range forms(secret) {
		if at := bytes.Index(text, form); at >= 0 {
			return at
		}
	}
	return -1
}

func TestSearchFinds(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if got := found([]byte(text), "sk-a/secret+of mine"); got >= 0 != want {
			t.Errorf("%q: found at %d", text, got)
		}
	}
	f("nothing", false)
	f("key=sk-a/secret+of mine.", true)
	f("key=sk-a%2Fsecret%2Bof+mine", true)
	f(hex.EncodeToString([]byte("sk-a/secret+of mine")), true)
	for shift := range 6 {
		f(base64.StdEncoding.EncodeToString([]byte("abcdef"[:shift]+"sk-a/secret+of mine, and more")), true)
	}
}

// signer is an issuer of tokens.
type signer struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newSigner(t *testing.T) *signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{key: key}
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/keys" {
			fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"k1","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"id_token_signing_alg_values_supported":["ES256"]}`, s.URL, s.URL+"/keys")
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *signer) token(t *testing.T) string {
	b64 := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	text := b64([]byte(`{"alg":"ES256","typ":"JWT","kid":"k1"}`)) + "." +
		b64(fmt.Appendf(nil, `{"iss":%q,"sub":"ann","aud":"signalbox","iat":%d,"exp":%d}`, s.URL, now, now+600))
	sum := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	v.FillBytes(sig[32:])
	return text + "." + b64(sig)
}

// newVault is a vault that gives out one secret of two fields.
func newVault(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != secrets["the vault's token"] {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"data":{"key":%q,"other":%q}}`, secrets["a value of the vault"], secrets["a vault's path that is not told"])
	}))
	t.Cleanup(s.Close)
	return s
}

// newLoud is a provider that tells everybody the credential that it was shown.
func newLoud(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":{"message":"Incorrect API key provided: %s","type":"invalid_request_error","code":"invalid_api_key"}}`,
			strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}))
	t.Cleanup(s.Close)
	return s
}

// deaf is an address that nobody listens at.
func deaf(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func secretConfig(t *testing.T, up, loud, issuer string) string {
	nobody := deaf(t)
	return config(up, "100") + fmt.Sprintf(`
log: {level: debug, format: json}
budget: {unpriced: allow}
decisions: {sample: 1, per_second: 1000}
secrets: {key: %[1]q, previous: [%[2]q]}
audit: {reads: true, anchor: {every: 1s, file: state/anchors, url: "http://%[3]s/%[4]s"}}
alerts:
  every: 1s
  to:
    ops: {webhook: "http://%[3]s/hook", secret: %[5]q}
    chat: {slack: "http://%[3]s/%[6]s"}
    mail: {smtp: %[3]q, from: a@example.com, to: [b@example.com], user: u, password: %[7]q}
oidc: {login: {issuer: %[8]q, audience: signalbox}}
mcp: {servers: {away: {url: "http://%[3]s/mcp", headers: {Authorization: "Bearer %[9]s"}}}}
`, secrets["the key-encryption key"], secrets["the previous one"], nobody, secrets["the anchor's address"],
		secrets["a webhook's secret"], secrets["a chat's address"], secrets["the mail password"], issuer, secrets["a tool server's token"])
}

// telling makes a gateway tell others of its requests in every way there is:
// files in dir are searched with the rest.
func telling(dir string, c *otlptest.Collector) string {
	return fmt.Sprintf(`
telemetry:
  traces: {endpoint: "%[1]s/v1/traces", every: 20ms, headers: {x-token: %[2]q}}
  metrics: {endpoint: "%[1]s/v1/metrics", every: 200ms, headers: {x-token: %[2]q}}
  access_log: {path: %[3]q}
  content: {path: %[4]q}
`, c.HTTP, secrets["the collector's token"], filepath.Join(dir, "access.log"), filepath.Join(dir, "content.jsonl"))
}

// withMore adds what lies within the sections that config writes.
func withMore(text, loud string) string {
	text = strings.Replace(text, "  demo: {adapter: demo}\n", fmt.Sprintf("  demo: {adapter: demo}\n"+
		"  loud: {adapter: openai, config: {base_url: \"%[1]s/v1\"}, hosts: [%[2]q], credentials: [{name: v, value: \"${vault:secret/x#key}\"}]}\n"+
		"  kept: {adapter: openai, config: {base_url: \"%[1]s/v1\"}, hosts: [%[2]q], credentials: []}\n", loud, strings.TrimPrefix(loud, "http://")), 1)
	return strings.Replace(text, "admin: {token: \"${env:SIGNALBOX_ADMIN_TOKEN}\"}",
		fmt.Sprintf("admin: {token: \"${env:SIGNALBOX_ADMIN_TOKEN}\", tokens: [{name: ann, value: %q, role: viewer}]}", secrets["a viewer's admin token"]), 1)
}

// visit asks the admin API for everything that it shows, and returns it.
func (g *gateway) visit(token string) []byte {
	all := &bytes.Buffer{}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/admin/status", "/admin/keys", "/admin/credentials", "/admin/plugins", "/admin/usage", "/admin/decisions",
		"/admin/audit?most=1000", "/admin/audit/verify", "/admin/alerts", "/admin/secrets", "/admin/routes", "/admin/filters", "/admin/budgets", "/admin/limits", "/admin/nothing",
		"/admin/ledger", "/admin/series?minutes=5", "/admin/providers/health", "/admin/models", "/admin/cache", "/admin/mcp", "/admin/pipelines", "/admin/batches", "/admin/policy",
		"/admin/plugins/up/logs", "/admin/pprof/goroutine?debug=2", "/admin/pprof/heap?debug=1", "/admin/pprof/cmdline"} {
		if strings.HasSuffix(path, "/logs") {
			continue // it is followed for ever; what it shows is in the gateway's log
		}
		_, body := g.admire(http.MethodGet, path, token, "")
		fmt.Fprintf(all, "%s\n%s\n", path, body)
	}
	return all.Bytes()
}

// admire asks the admin API as who has token.
func (g *gateway) admire(method, path, token, body string) (int, string) {
	g.t.Helper()
	req, err := http.NewRequest(method, g.admin+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// shown sends a request of a caller who shows key in every way there is.
func (g *gateway) shown(key, path, body string) (int, string) {
	g.t.Helper()
	req, err := http.NewRequest(http.MethodPost, g.data+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Cookie", "session="+secrets["what a caller puts in a cookie"])
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestSecretsStayInside runs a gateway with every kind of secret, has it serve,
// fail, reload and crash, and looks for each of them in all that it leaves.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	up, loud, vault, issuer, c := newUpstream(t), newLoud(t), newVault(t), newSigner(t), otlptest.New(t)
	g := &gateway{t: t, dir: t.TempDir(), env: []string{"VAULT_ADDR=" + vault.URL, "VAULT_TOKEN=" + secrets["the vault's token"]}}
	g.config = filepath.Join(g.dir, "signalbox.yaml")
	text := withMore(secretConfig(t, up.URL, loud.URL, issuer.URL)+telling(g.dir, c), loud.URL)
	g.write(text)
	g.start()
	t.Cleanup(g.stop)

	seen := map[string]string{}
	for what, secret := range secrets {
		seen[what] = secret
	}
	seen["a key of the store"] = g.administer(t)
	seen["a caller's JWT"] = issuer.token(t)
	said := g.strain(t, seen["a key of the store"], seen["a caller's JWT"])
	said = append(said, g.visit(adminToken)...)
	said = append(said, g.visit(seen["a viewer's admin token"])...)
	if want := "signalbox_requests_total"; !bytes.Contains(said, []byte(want)) || !bytes.Contains(said, []byte(`"entries":[{`)) {
		t.Errorf("the admin API does not show %s or the audit log", want)
	}

	// A crash of an adapter, a reload, a crash of the gateway with a dump of all.
	g.killAdapter(t, "up")
	if code, text := g.admire(http.MethodPost, "/admin/reload", adminToken, ""); code != 200 {
		t.Errorf("reload: %d %s", code, text)
	}
	g.write(text + "nonsense: {value: " + secrets["the mail password"] + "}\n")
	if code, _ := g.admire(http.MethodPost, "/admin/reload", adminToken, ""); code != 422 {
		t.Errorf("a configuration that is wrong: %d", code)
	}
	said = append(said, g.visit(adminToken)...)
	_ = g.cmd.Process.Signal(syscall.SIGQUIT)
	<-g.exited
	if !strings.Contains(g.output(), "goroutine 1") {
		t.Error("there is no dump of goroutines")
	}
	search(t, "what the gateway has said", said, seen)
	search(t, "the log", []byte(g.output()), seen)
	g.searchFiles(t, seen)
	told := c.Dump()
	search(t, "what the collector was sent", told, seen)
	for _, want := range []string{"chat fast", "signalbox_requests_total", "gen_ai.client.operation.duration"} {
		if !bytes.Contains(told, []byte(want)) {
			t.Errorf("the collector was not sent %s", want)
		}
	}

	// Once more over what the crash has left.
	g.write(text)
	g.start()
	if code, _ := g.shown(seen["a key of the store"], "/v1/chat/completions", request("fast", "hi", false)); code != 200 {
		t.Errorf("after the crash the key of the store gets %d", code)
	}
	g.stop()
	search(t, "the log of the second run", []byte(g.output()), seen)
	g.searchFiles(t, seen)
}

// administer puts secrets into the store and returns the key that was made.
func (g *gateway) administer(t *testing.T) string {
	t.Helper()
	must := func(method, path, body string) string {
		t.Helper()
		code, text := g.admire(method, path, adminToken, body)
		if code != 200 {
			t.Fatalf("%s %s: %d %s", method, path, code, text)
		}
		return text
	}
	var made struct{ ID, Token string }
	if err := json.Unmarshal([]byte(must("POST", "/admin/keys", `{"name":"ci","team":"core"}`)), &made); err != nil || made.Token == "" {
		t.Fatal(err)
	}
	must("POST", "/admin/providers/kept/credentials", fmt.Sprintf(`{"name":"one","value":%q}`, secrets["a stored credential"]))
	must("PUT", "/admin/providers/kept/credentials/one", fmt.Sprintf(`{"value":%q}`, secrets["its replacement"]))
	must("PUT", "/admin/alerts/receivers/stored", fmt.Sprintf(`{"webhook":"http://127.0.0.1:1/x","secret":%q}`, secrets["a stored webhook's secret"]))
	must("POST", "/admin/secrets/rekey", `{"data":true}`)
	for _, name := range []string{"ops", "chat", "mail", "stored"} {
		if code, _ := g.admire("POST", "/admin/alerts/receivers/"+name+"/test", adminToken, ""); code != 502 {
			t.Errorf("receiver %s, which is not there: %d", name, code)
		}
	}
	// What is refused has secrets, too.
	for _, body := range []string{fmt.Sprintf(`{"name":"one","value":%q}`, secrets["a stored credential"]), fmt.Sprintf(`{"name":"%s`, secrets["a stored credential"]),
		fmt.Sprintf(`{"nmae":"x","value":%q}`, secrets["its replacement"]), fmt.Sprintf(`{"name":"x","value":"with space %s"}`, secrets["its replacement"])} {
		if code, text := g.admire("POST", "/admin/providers/kept/credentials", adminToken, body); code/100 != 4 || strings.Contains(text, "sk-stored") {
			t.Errorf("a credential that is refused: %d %s", code, text)
		}
	}
	return made.Token
}

// strain sends what is served and what fails, and returns the answers to those
// that may not hold what the caller did not send.
func (g *gateway) strain(t *testing.T, key, jwt string) (said []byte) {
	t.Helper()
	f := func(key, path, body string, want int) {
		t.Helper()
		code, text := g.shown(key, path, body)
		if code != want {
			t.Errorf("%s %.80s: %d %s; want %d", path, body, code, text, want)
		}
		said = append(said, text...)
	}
	chat := "/v1/chat/completions"
	for _, who := range []string{callerKey, key, jwt} {
		f(who, chat, request("fast", "hi", false), 200)
		f(who, chat, request("fast", "hi", true), 200)
		f(who, chat, request("own", "hi", false), 200)
		f(who, chat, request("nothing/here", "hi", false), 404)
		f(who, chat, `{"model":`, 400)
		f(who, chat, request("loud/m", "hi", false), 502)
		f(who, chat, request("kept/m", "hi", false), 502)
		f(who, "/v1/nothing", "{}", 404)
		f("", "/v1beta/models/own:generateContent?key="+who, `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, 200)
	}
	f(secrets["a key that is none"], chat, request("fast", "hi", false), 401)
	f(key+"x", chat, request("fast", "hi", false), 401)
	f(jwt[:len(jwt)-8], chat, request("fast", "hi", false), 401)
	f("", chat+"?key="+secrets["a query's key"], request("fast", "hi", false), 401)
	f("", "/v1beta/models/fast:generateContent?key="+secrets["a query's key"], `{}`, 401)
	if code, _ := g.admire("GET", "/admin/keys", secrets["an admin token that is none"], ""); code != 401 {
		t.Errorf("a token that is none: %d", code)
	}
	if code, _ := g.admire("POST", "/admin/keys", secrets["a viewer's admin token"], `{"name":"x"}`); code != 403 {
		t.Errorf("a viewer makes a key: %d", code)
	}
	return said
}

func (g *gateway) killAdapter(t *testing.T, provider string) {
	t.Helper()
	var status struct {
		Providers []struct {
			Provider string
			PID      int
		}
	}
	_, text := g.admire("GET", "/admin/status", adminToken, "")
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	for _, p := range status.Providers {
		if p.Provider == provider {
			if err := syscall.Kill(p.PID, syscall.SIGSEGV); err != nil { // it dumps what it was at
				t.Fatal(err)
			}
			return
		}
	}
	t.Errorf("provider %s has no adapter", provider)
}

// searchFiles looks into all files but the configuration itself.
func (g *gateway) searchFiles(t *testing.T, secrets map[string]string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(g.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == g.config {
			return err
		}
		b, err := os.ReadFile(path)
		search(t, path, b, secrets)
		files++
		return err
	})
	if err != nil || files < 8 {
		t.Errorf("%d files were searched, %v", files, err)
	}
}

// TestSecretsInSlips: what is refused at the start does not show what it refuses.
func TestSecretsInSlips(t *testing.T) {
	password := secrets["the store's password"]
	f := func(want string, args ...string) {
		t.Helper()
		dir := t.TempDir()
		cmd := exec.Command(filepath.Join(bin, "signalbox"), append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + dir}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v %s; want %q", args, err, out, want)
		}
		search(t, "what it says", out, map[string]string{"the password": password})
	}
	key := "secrets.key=0123456789abcdef0123456789abcdef"
	f("store.url", "--set", key, "--store", "postgres://u:"+password+"@"+deaf(t)+"/db")
	f("store.url", "--set", key, "--store", "postgres://u:"+password+"@"+deaf(t)+"/db?sslmode=wrong")
	f("store.url", "--store", "mysql://u:"+password+"@host/db")
	f("secrets.key", "--set", "secrets.key="+password[:5])
}
