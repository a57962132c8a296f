package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// tokens is an adapter for Vertex AI whose hosts are those of the test.
func tokens(t *testing.T, h http.HandlerFunc) (*gemini, string) {
	t.Helper()
	up := httptest.NewServer(h)
	t.Cleanup(up.Close)
	host, err := egress.OfURL(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := egress.Parse([]string{host})
	if err != nil {
		t.Fatal(err)
	}
	g := adapter()
	cfg := provider.Config{JSON: json.RawMessage(fmt.Sprintf(`{"api":"vertex","project":"p","base_url":%q,"metadata_url":%q}`, up.URL, up.URL)), Hosts: hosts}
	if _, err := g.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.current.Load().client.CloseIdleConnections)
	return g, up.URL
}

// keyFile makes a service account.
func keyFile(t *testing.T, url string) (string, *rsa.PublicKey) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(account{Type: "service_account", ClientEmail: "a@p.iam.gserviceaccount.com", PrivateKeyID: "kid-1",
		PrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), TokenURI: url + "/token"})
	return string(raw), &k.PublicKey
}

// verify checks a signed request as Google does and returns its claims.
func verify(t *testing.T, assertion string, key *rsa.PublicKey) (claims map[string]any) {
	t.Helper()
	p := strings.Split(assertion, ".")
	if len(p) != 3 {
		t.Fatalf("assertion %q", assertion)
	}
	signature, err := base64.RawURLEncoding.DecodeString(p[2])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(p[0] + "." + p[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
	head, _ := base64.RawURLEncoding.DecodeString(p[0])
	if want := `{"alg":"RS256","typ":"JWT","kid":"kid-1"}`; string(head) != want {
		t.Errorf("head %s; want %s", head, want)
	}
	text, _ := base64.RawURLEncoding.DecodeString(p[1])
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestServiceAccount(t *testing.T) {
	var got http.Request
	g, url := tokens(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = *r
		fmt.Fprint(w, `{"access_token":"ya29.minted","expires_in":3600,"token_type":"Bearer"}`)
	})
	file, public := keyFile(t, url)
	before := time.Now()
	token, err := g.Token(t.Context(), provider.Secret(file))
	if err != nil || string(token.Value) != "ya29.minted" {
		t.Fatalf("%v", err)
	}
	if left := token.Expires.Sub(before); left < 59*time.Minute || left > 61*time.Minute {
		t.Errorf("expires in %v", left)
	}
	if got.Method != http.MethodPost || got.URL.Path != "/token" || got.Form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		t.Errorf("asked %s %s %v", got.Method, got.URL, got.Form)
	}
	c := verify(t, got.Form.Get("assertion"), public)
	if c["iss"] != "a@p.iam.gserviceaccount.com" || c["scope"] != scope || c["aud"] != url+"/token" || c["exp"].(float64)-c["iat"].(float64) > 3660 {
		t.Errorf("claims %v", c)
	}
}

func TestAuthorizedUser(t *testing.T) {
	g, url := tokens(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("refresh_token") != "rt" || r.Form.Get("client_id") != "id" || r.Form.Get("client_secret") != "hush" {
			w.WriteHeader(401)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"ya29.user","expires_in":60}`)
	})
	token, err := g.Token(t.Context(), provider.Secret(`{"type":"authorized_user","client_id":"id","client_secret":"hush","refresh_token":"rt","token_uri":"`+url+`/t"}`))
	if err != nil || string(token.Value) != "ya29.user" || token.Expires.IsZero() {
		t.Errorf("%v", err)
	}
}

func TestMachine(t *testing.T) {
	g, _ := tokens(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/token" || r.URL.Query().Get("scopes") != scope {
			w.WriteHeader(403)
		}
		fmt.Fprint(w, `{"access_token":"ya29.machine","expires_in":600,"token_type":"Bearer"}`)
	})
	token, err := g.Token(t.Context(), "metadata\n")
	if err != nil || string(token.Value) != "ya29.machine" || !token.Expires.Equal(g.now().Add(10*time.Minute)) {
		t.Errorf("%v until %v", err, token.Expires)
	}
}

// TestKeysStay: the Gemini API takes its key as it is.
func TestKeysStay(t *testing.T) {
	g := adapter()
	if _, err := g.Configure(provider.Config{}); err != nil {
		t.Fatal(err)
	}
	token, err := g.Token(t.Context(), key)
	if err != nil || token.Value != key || !token.Expires.IsZero() {
		t.Errorf("got until %v, %v", token.Expires, err)
	}
}

// TestTokensRefused: errors say what failed, and hold no secrets.
func TestTokensRefused(t *testing.T) {
	f := func(credential, answer string, status int, want string) {
		t.Helper()
		g, url := tokens(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, answer)
		})
		file, _ := keyFile(t, url)
		var a account
		if err := json.Unmarshal([]byte(file), &a); err != nil {
			t.Fatal(err)
		}
		credential = strings.NewReplacer("URL", url, "FILE", file).Replace(credential)
		_, err := g.Token(t.Context(), provider.Secret(credential))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v; want %q in it", credential, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), a.PrivateKey[40:80])) {
			t.Errorf("%.60s: %v holds a secret", credential, err)
		}
	}
	f("FILE", `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`, 400, "400 invalid_grant: Invalid JWT Signature.")
	f("FILE", `<html>hush</html>`, 503, "answered 503")
	f("FILE", `{"token":"hush"}`, 200, "without an access token")
	f(`{"type":"service_account","client_email":"e","private_key":"hush","token_uri":"URL"}`, "", 200, "cannot be read")
	f(`{"type":"service_account","client_email":"e"}`, "", 200, "lacks members")
	f(`{"type":"external_account","credential_source":{"url":"hush"}}`, "", 200, `"external_account", which is not taken`)
	f(`{"hush"`, "", 200, "not valid JSON")
	f("hush", "", 200, "no known form")
	f("metadata", "hush", 404, "answered 404")
	f("metadata", `{"access_token":"hush"}`, 200, "not a metadata server")
	// A token endpoint that is not among the hosts is not asked.
	f(`{"type":"authorized_user","client_id":"i","refresh_token":"r","token_uri":"http://169.254.169.254/t"}`, "", 200, "169.254.169.254")
}
