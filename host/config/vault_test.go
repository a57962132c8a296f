package config

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vaultServer answers as Vault's HTTP API documents it.
func vaultServer(t *testing.T, asked *[]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path)
		switch {
		case r.Header.Get("X-Vault-Token") != "hvs.root" || r.Header.Get("X-Vault-Namespace") != "team":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["permission denied"]}`)
		case r.URL.Path == "/v1/secret/data/ai":
			fmt.Fprint(w, `{"request_id":"1","data":{"data":{"openai":"sk-v2","port":5},"metadata":{"version":3}}}`)
		case r.URL.Path == "/v1/kv/ai":
			fmt.Fprint(w, `{"data":{"openai":"sk-v1"}}`)
		case r.URL.Path == "/v1/moved":
			http.Redirect(w, r, "/v1/kv/ai", http.StatusTemporaryRedirect)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[]}`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// withCredential loads a configuration whose one credential has the value.
func withCredential(t *testing.T, value string, env ...string) (*Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "signalbox.yaml")
	text := fmt.Sprintf("providers: {o: {adapter: openai, credentials: [{name: main, value: %q}, {name: two, value: %q}]}}\n", value, value)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Sources{File: file, Env: env, Home: "/opt/signalbox"})
}

func TestVault(t *testing.T) {
	var asked []string
	env := []string{"VAULT_ADDR=" + vaultServer(t, &asked) + "/", "VAULT_TOKEN=hvs.root", "VAULT_NAMESPACE=team"}
	f := func(ref, want string) {
		t.Helper()
		asked = nil
		c, err := withCredential(t, ref, env...)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			return
		}
		if got := c.Providers["o"].Credentials[0].Value.Reveal(); got != want || len(asked) != 1 || !c.Refreshed {
			t.Errorf("%s: got %q by %v", ref, got, asked)
		}
	}
	f("${vault:secret/data/ai#openai}", "sk-v2")
	f("${vault:/kv/ai#openai}", "sk-v1")
}

func TestVaultRefuses(t *testing.T) {
	var asked []string
	addr := vaultServer(t, &asked)
	env := []string{"VAULT_ADDR=" + addr, "VAULT_TOKEN=hvs.root", "VAULT_NAMESPACE=team"}
	f := func(ref, says string, env ...string) {
		t.Helper()
		_, err := withCredential(t, ref, env...)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hvs.") || strings.Contains(err.Error(), "sk-") {
			t.Errorf("%s: got %v; want %q", ref, err, says)
		}
	}
	f("${vault:secret/data/ai}", "write ${vault:secret/data/openai#api_key}", env...)
	f("${vault:a/../b#c}", "names no secret", env...)
	f("${vault:secret/data/ai#no}", "it has openai, port", env...)
	f("${vault:secret/data/ai#port}", "is not text", env...)
	f("${vault:secret/ai#x}", "data/ after its mount", env...)
	f("${vault:moved#x}", "redirects", env...)
	f("${vault:kv/ai#openai}", "403: permission denied", "VAULT_ADDR="+addr, "VAULT_TOKEN=hvs.other")
	f("${vault:kv/ai#openai}", "set VAULT_ADDR and VAULT_TOKEN")
}

func TestReferencedFilesAreKnown(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("sk-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := withCredential(t, "${file:"+key+"}")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) != 1 || c.Files[0] != key || c.Refreshed {
		t.Errorf("got %v, %v", c.Files, c.Refreshed)
	}
}

func TestCredentialText(t *testing.T) {
	f := func(in, want string, ok bool) {
		t.Helper()
		if got, fine := CredentialText(in); fine != ok || fine && got != want {
			t.Errorf("%q: got %q, %v", in, got, fine)
		}
	}
	f("sk-1", "sk-1", true)
	f("{\n  \"type\": \"service_account\",\n \"key\": \"a\\nb c\"}\n", `{"type":"service_account","key":"a\nb c"}`, true)
	f(`{"key":"é"}`, "", false)
	f("", "", false)
	f("a b", "", false)
	f("{broken", "{broken", true)
	f(strings.Repeat("x", maxSecret+1), "", false)
}

func TestCredentialWeights(t *testing.T) {
	load := func(weight string) (*Config, error) {
		return load(Sources{File: "f", Home: "/opt/signalbox"}, []byte(`providers: {o: {adapter: openai, credentials: [{name: a, value: v}, {name: b, value: w, weight: `+weight+`}]}}`))
	}
	c, err := load("0")
	if err != nil {
		t.Fatal(err)
	}
	if cr := c.Providers["o"].Credentials; cr[0].Share() != 1 || cr[1].Share() != 0 {
		t.Errorf("got %d and %d", cr[0].Share(), cr[1].Share())
	}
	if _, err := load("1001"); err == nil || !strings.Contains(err.Error(), "providers.o.credentials[1].weight: is 1001: give 0 to 1000") {
		t.Errorf("got %v", err)
	}
}
