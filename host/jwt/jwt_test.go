package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// login is an issuer whose keys change as a test wants.
type login struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []any // as JSON
	down    bool
	fetches int
}

func newLogin(t testing.TB, keys ...jose.JSONWebKey) *login {
	l := &login{}
	l.set(keys...)
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, l.URL, l.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fetches++
		if l.down {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": l.keys})
	})
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close)
	return l
}

func (l *login) set(keys ...jose.JSONWebKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = []any{map[string]string{"kty": "FOO", "kid": "from the future"}, map[string]string{"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ"}}
	for _, k := range keys {
		l.keys = append(l.keys, k.Public())
	}
}

func (l *login) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fetches
}

func (l *login) fail(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

var (
	rsaKey, rsaKey2 = newRSA(2048), newRSA(2048)
	smallRSA        = newRSA(1024)
	ecKey           = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	edKey           = func() ed25519.PrivateKey { _, k, err := ed25519.GenerateKey(rand.Reader); return must(k, err) }()
)

func newRSA(bits int) *rsa.PrivateKey {
	return must(rsa.GenerateKey(rand.Reader, bits))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func public(k any, id string) jose.JSONWebKey { j := key(k, id); return j.Public() }

func key(k any, id string) jose.JSONWebKey { return jose.JSONWebKey{Key: k, KeyID: id, Use: "sig"} }

// sign makes a token with the key's id in its header, and what else is given.
func sign(t testing.TB, alg jose.SignatureAlgorithm, k jose.JSONWebKey, payload any, extra map[jose.HeaderKey]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: k}, &jose.SignerOptions{ExtraHeaders: extra})
	if err != nil {
		t.Fatal(err)
	}
	body, ok := payload.([]byte)
	if !ok {
		body, err = json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
	}
	sig, err := s.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	return must(sig.CompactSerialize())
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

type m = map[string]any

// with are the claims of a good token, but for what changes says; nil takes one away.
func (l *login) with(changes m) m {
	all := m{"iss": l.URL, "aud": "gateway", "sub": "ann", "exp": noon.Add(time.Hour).Unix(), "iat": noon.Unix(),
		"department": "core", "realm": m{"roles": []string{"dev", "admin", "dev"}}, "https://corp/region": "eu"}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func (l *login) issuer() Issuer {
	return Issuer{Name: "corp", URL: l.URL, Audience: []string{"gateway", "other"},
		Claims: map[string]string{"user": "sub", "team": "department", "roles": "realm.roles", "attrs.region": "https://corp/region"}}
}

func verifier(t testing.TB, opt Options) *Verifier {
	t.Helper()
	opt.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	v, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Stop)
	return v
}

func TestVerify(t *testing.T) {
	keys := []jose.JSONWebKey{key(rsaKey, "r"), key(ecKey, "e"), key(edKey, "d"), key(smallRSA, "small")}
	l := newLogin(t, keys...)
	other := l.issuer()
	other.Name, other.URL, other.Header, other.JWKS = "proxy", "https://proxy.example.com", "X-Id-Token", l.URL+"/keys"
	required := l.issuer()
	required.Name, required.URL, required.JWKS, required.Require = "strict", "https://strict.example.com", l.URL+"/keys", map[string]string{"realm.roles": "gateway-user", "mfa": "true"}
	v := verifier(t, Options{Issuers: []Issuer{l.issuer(), other, required}})

	good := func(token, header string) *call.Principal {
		t.Helper()
		p, err := v.Verify([]byte(token), header, noon)
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		again, err := v.Verify([]byte(token), header, noon)
		if err != nil || again != p {
			t.Errorf("the second time: %v, %v", again, err)
		}
		return p
	}
	p := good(sign(t, jose.RS256, keys[0], l.with(nil), nil), "")
	if p.Auth != "jwt" || p.KeyID != "jwt/corp/ann" || p.User != "ann" || p.Team != "core" || fmt.Sprint(p.Roles) != "[admin dev]" || p.Attrs["region"] != "eu" {
		t.Errorf("got %+v", p)
	}
	if q := good(sign(t, jose.PS256, keys[0], l.with(m{"aud": []string{"x", "other"}}), nil), ""); q != p {
		t.Error("equal claims make two principals")
	}
	good(sign(t, jose.ES256, keys[1], l.with(m{"nbf": noon.Add(30 * time.Second).Unix()}), map[jose.HeaderKey]any{"typ": "at+jwt"}), "")
	good(sign(t, jose.EdDSA, keys[2], l.with(m{"exp": noon.Add(-30 * time.Second).Unix()}), nil), "")
	good(sign(t, jose.RS256, key(rsaKey, ""), l.with(nil), nil), "")
	good(sign(t, jose.RS256, keys[0], l.with(m{"iss": other.URL}), nil), "X-Id-Token")
	good(sign(t, jose.RS256, keys[0], l.with(m{"iss": required.URL, "mfa": true, "realm": m{"roles": []string{"gateway-user"}}}), nil), "")

	bad := func(token, code string) {
		t.Helper()
		for range 2 {
			p, err := v.Verify([]byte(token), "", noon)
			if p != nil || err == nil || err.Code != code {
				t.Errorf("got %+v, %v; want %s", p, err, code)
			}
			if err != nil && len(token) > 20 && strings.Contains(err.Message, token[:20]) {
				t.Errorf("the error shows the token: %s", err.Message)
			}
		}
	}
	claim := func(changes m, code string) {
		t.Helper()
		bad(sign(t, jose.RS256, keys[0], l.with(changes), nil), code)
	}
	claim(m{"exp": noon.Add(-time.Minute).Unix()}, "token_expired")
	claim(m{"exp": nil}, "token_invalid")
	claim(m{"exp": "tomorrow"}, "token_invalid")
	claim(m{"exp": -1e300}, "token_expired")
	claim(m{"nbf": noon.Add(2 * time.Minute).Unix()}, "token_not_yet_valid")
	claim(m{"iat": noon.Add(2 * time.Minute).Unix()}, "token_not_yet_valid")
	claim(m{"nbf": "x"}, "token_invalid")
	claim(m{"aud": "elsewhere"}, "token_audience")
	claim(m{"aud": nil}, "token_audience")
	claim(m{"aud": "gateway2"}, "token_audience")
	claim(m{"iss": "https://evil.example.com"}, "token_issuer_unknown")
	claim(m{"iss": l.URL + "/"}, "token_issuer_unknown")
	claim(m{"iss": nil}, "token_issuer_unknown")
	claim(m{"iss": other.URL}, "token_issuer_unknown") // in the wrong header
	claim(m{"iss": required.URL}, "token_claim_required")
	claim(m{"sub": nil}, "token_invalid")
	claim(m{"sub": 12}, "token_invalid")
	claim(m{"sub": "a\nb"}, "token_invalid")
	claim(m{"department": []string{"core", "ops"}}, "token_invalid")
	claim(m{"department": strings.Repeat("x", 300)}, "token_invalid")
	claim(m{"department": " core"}, "token_invalid")
	claim(m{"department": "co\u200bre"}, "token_invalid")
	claim(m{"department": "core\u202e"}, "token_invalid")
	claim(m{"sub": "ann\u00a0"}, "token_invalid")
	claim(m{"sub": " "}, "token_invalid")
	bad(sign(t, jose.RS256, key(rsaKey2, "r"), l.with(nil), nil), "token_invalid")
	bad(sign(t, jose.RS256, key(rsaKey2, "gone"), l.with(nil), nil), "token_invalid")
	bad(sign(t, jose.RS256, key(smallRSA, "small"), l.with(nil), nil), "token_invalid")
	bad(sign(t, jose.ES256, key(ecKey, "r"), l.with(nil), nil), "token_invalid")
	bad(sign(t, jose.RS256, keys[0], []byte(`{"iss":"`+l.URL+`","iss":"x"}`), nil), "token_invalid")
	bad(sign(t, jose.RS256, keys[0], []byte(`[]`), nil), "token_invalid")
	bad(sign(t, jose.RS256, keys[0], l.with(nil), map[jose.HeaderKey]any{"typ": "logout+jwt"}), "token_invalid")
	bad(sign(t, jose.RS512, keys[0], l.with(nil), nil), "token_invalid")
	bad(sign(t, jose.RS256, keys[0], l.with(m{"fill": strings.Repeat("x", MaxToken)}), nil), "token_invalid")
	bad("ey.ey.ey", "token_invalid")
	bad("", "token_invalid")
}

// TestTricks are tokens that have fooled others.
func TestTricks(t *testing.T) {
	l := newLogin(t, key(rsaKey, "r"))
	v := verifier(t, Options{Issuers: []Issuer{l.issuer()}})
	bad := func(token string) {
		t.Helper()
		if p, err := v.Verify([]byte(token), "", noon); p != nil || err == nil || err.Status != 401 {
			t.Errorf("got %v, %v", p, err)
		}
	}
	raw := func(header string, payload any, mac func(string) []byte) string {
		enc := base64.RawURLEncoding.EncodeToString
		head := enc([]byte(header)) + "." + enc(must(json.Marshal(payload)))
		return head + "." + enc(mac(head))
	}
	none := func(string) []byte { return nil }
	bad(raw(`{"alg":"none"}`, l.with(nil), none))
	bad(raw(`{"alg":"None","kid":"r"}`, l.with(nil), none))
	bad(raw(`{"alg":"RS256","kid":"r"}`, l.with(nil), none))
	bad(raw(`{"kid":"r"}`, l.with(nil), none))

	// The public key as a shared secret, in every form it is found in.
	der := must(x509.MarshalPKIXPublicKey(&rsaKey.PublicKey))
	for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), must(json.Marshal(public(rsaKey, "r"))), []byte("secret-secret-secret-secret-1234")} {
		for _, kid := range []string{"r", "shared"} {
			bad(raw(`{"alg":"HS256","kid":"`+kid+`"}`, l.with(nil), func(head string) []byte {
				h := hmac.New(sha256.New, secret)
				h.Write([]byte(head))
				return h.Sum(nil)
			}))
		}
	}

	// A key of the attacker's that the header brings along, or tells the address of.
	mine := newLogin(t, key(rsaKey2, "mine"))
	by := func(head string) []byte {
		sum := sha256.Sum256([]byte(head))
		return must(rsa.SignPKCS1v15(nil, rsaKey2, crypto.SHA256, sum[:]))
	}
	jwk := string(must(json.Marshal(public(rsaKey2, "mine"))))
	for _, header := range []string{`{"alg":"RS256","kid":"mine","jwk":` + jwk + `}`, `{"alg":"RS256","jwk":` + jwk + `}`,
		`{"alg":"RS256","kid":"mine","jku":"` + mine.URL + `/keys"}`, `{"alg":"RS256","kid":"` + mine.URL + `/keys","x5u":"` + mine.URL + `/keys"}`,
		`{"alg":"RS256","kid":"../../etc/passwd"}`, `{"alg":"RS256","kid":"r' OR 1=1"}`, `{"alg":"RS256","kid":["r"]}`, `{"alg":"RS256","kid":"r","crit":["x"]}`} {
		bad(raw(header, l.with(nil), by))
	}
	if mine.count() != 0 {
		t.Error("the attacker's address was asked")
	}

	// What is good, with a header that is not: b64 and crit change what is signed.
	good := sign(t, jose.RS256, key(rsaKey, "r"), l.with(nil), nil)
	parts := strings.Split(good, ".")
	bad(parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])))
	bad(parts[0] + "." + base64.RawURLEncoding.EncodeToString(must(json.Marshal(l.with(m{"sub": "root"})))) + "." + parts[2])
	bad(good + "." + parts[2])
	bad(good[:len(good)-1])
	if _, err := v.Verify([]byte(good), "", noon); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestNobodyIsAnother: what a subject is called says which caller it is, and
// cannot be chosen to say another.
func TestNobodyIsAnother(t *testing.T) {
	l := newLogin(t, key(rsaKey, "r"))
	by := l.issuer()
	by.Claims = map[string]string{"user": "email"}
	v, mailed := verifier(t, Options{Issuers: []Issuer{l.issuer()}}), verifier(t, Options{Issuers: []Issuer{by}})
	of := func(v *Verifier, changes m) (string, string) {
		t.Helper()
		p, err := v.Verify([]byte(sign(t, jose.RS256, key(rsaKey, "r"), l.with(changes), nil)), "", noon)
		if err != nil {
			return "", err.Code
		}
		return p.KeyID, ""
	}
	victim, _ := of(v, m{"sub": "Zoë"})
	if thief, code := of(v, m{"sub": strings.TrimPrefix(victim, "jwt/corp/")}); thief == victim || code != "" {
		t.Errorf("a subject that looks like the hash of another is %q, %s; the other is %q", thief, code, victim)
	}
	if id, _ := of(mailed, m{"email": "ann@corp.example"}); id != "jwt/corp/ann@corp.example" {
		t.Errorf("got %q", id)
	}
	for _, email := range []any{nil, ""} { // a sub may be what its owner likes: it is no e-mail address
		if id, code := of(mailed, m{"email": email, "sub": "ann@corp.example"}); code != "token_invalid" {
			t.Errorf("a token whose e-mail is %v is that of %q, %s", email, id, code)
		}
	}
}

func TestRotation(t *testing.T) {
	l := newLogin(t, key(rsaKey, "1"))
	v := verifier(t, Options{Issuers: []Issuer{l.issuer()}})
	now := noon
	f := func(k jose.JSONWebKey, want string, fetches int) {
		t.Helper()
		_, err := v.Verify([]byte(sign(t, jose.RS256, k, l.with(m{"exp": now.Add(time.Hour).Unix()}), nil)), "", now)
		if got := codeOf(err); got != want || l.count() != fetches {
			t.Errorf("got %q after %d fetches; want %q after %d", got, l.count(), want, fetches)
		}
	}
	old, next := key(rsaKey, "1"), key(rsaKey2, "2")
	f(old, "", 1)
	f(next, "token_invalid", 1) // looked for a moment ago
	now = now.Add(11 * time.Second)
	f(next, "token_invalid", 2)
	l.set(next)
	f(next, "token_invalid", 2)
	now = now.Add(11 * time.Second)
	f(next, "", 3)
	f(old, "token_invalid", 3) // gone, though its tokens were good and remembered
	now = now.Add(11 * time.Second)
	f(old, "token_invalid", 4)

	// The issuer is gone: its keys count for a while.
	l.fail(true)
	long := []byte(sign(t, jose.RS256, next, l.with(m{"exp": now.Add(1000 * time.Hour).Unix()}), nil))
	now = now.Add(23 * time.Hour)
	f(next, "", 4)
	if _, err := v.Verify(long, "", now); err != nil {
		t.Error(err)
	}
	f(old, "token_invalid", 5)
	now = now.Add(2 * time.Hour)
	f(next, "issuer_unavailable", 6)
	if _, err := v.Verify(long, "", now); codeOf(err) != "issuer_unavailable" {
		t.Errorf("a remembered token of an issuer that is gone: %v", err)
	}
	f(next, "issuer_unavailable", 6)
	l.fail(false)
	now = now.Add(11 * time.Second)
	f(next, "", 7)
}

func codeOf(err *wire.Error) string {
	if err == nil {
		return ""
	}
	return err.Code
}

// TestForget: what the gateway thinks of a principal counts at once.
func TestForget(t *testing.T) {
	l := newLogin(t, key(ecKey, "e"))
	asked, refusal := 0, (*wire.Error)(nil)
	v := verifier(t, Options{Issuers: []Issuer{l.issuer()}, Admit: func(p *call.Principal) (*call.Principal, *wire.Error) {
		asked++
		return p, refusal
	}})
	token := []byte(sign(t, jose.ES256, key(ecKey, "e"), l.with(nil), nil))
	f := func(want string, calls int) {
		t.Helper()
		_, err := v.Verify(token, "", noon)
		if codeOf(err) != want || asked != calls {
			t.Errorf("got %v, asked %d times; want %q and %d", err, asked, want, calls)
		}
	}
	f("", 1)
	f("", 1)
	refusal = wire.Errorf(403, "key_disabled", "team core is disabled")
	v.Forget()
	f("key_disabled", 2)
	refusal = nil
	f("", 3)
	if _, err := v.Verify(token, "", noon.Add(61*time.Minute)); codeOf(err) != "token_expired" {
		t.Errorf("a remembered token outlives its end: %v", err)
	}
}

func TestConcurrent(t *testing.T) {
	l := newLogin(t, key(ecKey, "e"), key(edKey, "d"))
	v := verifier(t, Options{Issuers: []Issuer{l.issuer()}})
	v.Start()
	var tokens [][]byte
	for i := range 16 {
		tokens = append(tokens, []byte(sign(t, jose.EdDSA, key(edKey, "d"), l.with(m{"sub": fmt.Sprint("u", i)}), nil)))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 400 {
				p, err := v.Verify(tokens[i%16], "", noon)
				if err != nil || p.User != fmt.Sprint("u", i%16) {
					t.Errorf("got %v, %v", p, err)
					return
				}
				if i%50 == 0 {
					v.Forget()
				}
			}
		})
	}
	wg.Wait()
	if s := v.Stats(); len(s) != 1 || s[0].Keys != 2 || s[0].Fault != "" {
		t.Errorf("got %+v", s)
	}
}

func FuzzVerify(f *testing.F) {
	l := newLogin(f, key(rsaKey, "r"), key(ecKey, "e"))
	v := verifier(f, Options{Issuers: []Issuer{l.issuer()}})
	good := sign(f, jose.ES256, key(ecKey, "e"), l.with(nil), nil)
	f.Add(good)
	parts := strings.Split(good, ".")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"e","jwk":{"kty":"EC"},"x5c":["AA=="],"crit":["b64"],"b64":false}`)) + "." + parts[1] + "." + parts[2])
	f.Fuzz(func(t *testing.T, token string) {
		Looks([]byte(token))
		p, err := v.Verify([]byte(token), "", noon)
		if (p == nil) == (err == nil) {
			t.Fatalf("got %v, %v", p, err)
		}
		if p != nil && strings.Join(strings.Split(token, ".")[:2], ".") != parts[0]+"."+parts[1] {
			t.Fatalf("a token that nobody signed is accepted: %s", token)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	l := newLogin(b, key(rsaKey, "r"))
	v := verifier(b, Options{Issuers: []Issuer{l.issuer()}})
	token := []byte(sign(b, jose.RS256, key(rsaKey, "r"), l.with(m{"email": "ann@example.com", "name": "Ann", "fill": strings.Repeat("x", 300)}), nil))
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(token, "", noon); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		for b.Loop() {
			v.Forget()
			if _, err := v.Verify(token, "", noon); err != nil {
				b.Fatal(err)
			}
		}
	})
}
