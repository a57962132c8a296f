package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host"
)

// trial is a service that takes one credential and refuses others in its own words.
type trial struct {
	adapter string
	form    string // of its credentials, with %s for what is secret
	path    string // that it is asked at
	header  string // that holds the credential
	prefix  string // of it
	refusal string // with %s for what it quotes
	status  int    // of a refusal
}

var trials = []trial{
	{adapter: "openai", form: "sk-%s", path: "/models", header: "Authorization", prefix: "Bearer sk-",
		refusal: `{"error":{"message":"Incorrect API key provided: sk-%s","type":"invalid_request_error","code":"invalid_api_key"}}`, status: 401},
	{adapter: "anthropic", form: "sk-ant-%s", path: "/v1/models?limit=1", header: "X-Api-Key", prefix: "sk-ant-",
		refusal: `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key %s"}}`, status: 401},
	{adapter: "gemini", form: "AIza%s", path: "/v1beta/models?pageSize=1", header: "X-Goog-Api-Key", prefix: "AIza",
		refusal: `{"error":{"code":400,"message":"API key not valid: %s","status":"INVALID_ARGUMENT"}}`, status: 400},
	{adapter: "bedrock", form: "AKIA%[1]s:hush-%[1]s", path: "/async-invoke?maxResults=1", header: "Authorization", prefix: "AWS4-HMAC-SHA256 Credential=AKIA",
		refusal: `{"message":"The security token hush-%s is invalid."}`, status: 403},
	{adapter: "cohere", form: "co-%s", path: "/v1/models?page_size=1", header: "Authorization", prefix: "Bearer co-",
		refusal: `{"message":"invalid api token co-%s"}`, status: 401},
	{adapter: "deepgram", form: "%s", path: "/v1/auth/token", header: "Authorization", prefix: "Token ",
		refusal: `{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials %s."}`, status: 401},
	{adapter: "elevenlabs", form: "%s", path: "/v1/models", header: "Xi-Api-Key",
		refusal: `{"detail":{"status":"invalid_api_key","message":"Invalid API key %s"}}`, status: 401},
}

// Secrets, and what comes of them.
const (
	goodSecret   = "G00d5ecretThatNobodyMaySee"
	badSecret    = "Bad5ecretThatNobodyMaySee"
	spentSecret  = "Spent5ecretThatNobodyMaySee"
	narrowSecret = "Narrow5ecretThatNobodyMaySee"
)

// serve begins the service.
func (s *trial) serve(t *testing.T) string {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead { // whether it is there
			return
		}
		given := r.Header.Get(s.header)
		if r.Method != http.MethodGet || r.RequestURI != s.path || r.ContentLength > 0 {
			t.Errorf("%s is asked %s %s; want GET %s, which costs nothing", s.adapter, r.Method, r.RequestURI, s.path)
		}
		refuse := func(status int, code, format string, args ...any) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Amzn-Errortype", code)
			w.WriteHeader(status)
			fmt.Fprintf(w, format, args...)
		}
		switch secret, known := strings.CutPrefix(given, s.prefix); {
		case known && strings.HasPrefix(secret, goodSecret):
			_, _ = io.WriteString(w, `{"data":[]}`)
		case known && strings.HasPrefix(secret, spentSecret):
			refuse(429, "ThrottlingException", `{"message":"not so fast, %s"}`, spentSecret)
		case known && strings.HasPrefix(secret, narrowSecret):
			refuse(403, "AccessDeniedException", `{"message":"User is not authorized to perform: bedrock:ListAsyncInvokes. Missing scopes: api.model.read"}`)
		default:
			refuse(s.status, "UnrecognizedClientException", s.refusal, badSecret)
		}
	}))
	t.Cleanup(up.Close)
	return up.URL
}

// provider is its entry in a configuration.
func (s *trial) provider(name, url string, secrets ...string) string {
	out := fmt.Sprintf("  %s: {adapter: %s, config: {base_url: %q}, hosts: [%q], credentials: [", name, s.adapter, url, strings.TrimPrefix(url, "http://"))
	for _, secret := range secrets {
		out += fmt.Sprintf("{name: %s, value: %q}, ", strings.ToLower(secret[:3]), fmt.Sprintf(s.form, secret))
	}
	return out + "]}\n"
}

// credentialsOf is a configuration of providers.
func credentialsOf(providers ...string) string {
	return strings.Replace(doctorDemo, "providers: {demo: {adapter: demo}}\n", "providers:\n"+strings.Join(providers, ""), 1)
}

// cameOf checks what came of one credential.
func cameOf(t *testing.T, found map[string][]finding, provider, credential, answer string, says ...string) {
	t.Helper()
	result := map[string]string{host.CredentialOK: checkOK, host.CredentialRefused: checkFailed, host.CredentialUnreachable: checkFailed}[answer]
	if result == "" {
		result = checkWarning
	}
	for _, f := range found["credentials"] {
		if f.Provider != provider || f.Credential != credential {
			continue
		}
		if f.Answer != answer || f.Result != result || answer != host.CredentialOK && !strings.Contains(f.Remedy, "providers."+provider+".credentials[") {
			t.Errorf("%+v; want %s, %s", f, answer, result)
		}
		for _, want := range says {
			if !strings.Contains(f.Says, want) {
				t.Errorf("%q does not say %q", f.Says, want)
			}
		}
		return
	}
	t.Errorf("credential %s of %s was not tried: %+v", credential, provider, found["credentials"])
}

// TestDoctorTriesCredentials tries those of the real adapters, each by itself.
func TestDoctorTriesCredentials(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	var good, all []string
	for i := range trials {
		s := &trials[i]
		url := s.serve(t)
		good = append(good, s.provider(s.adapter, url, goodSecret))
		all = append(all, s.provider(s.adapter, url, goodSecret, badSecret, spentSecret), s.provider(s.adapter+"-gone", closed.URL, goodSecret))
		if s.adapter == "openai" || s.adapter == "bedrock" {
			all = append(all, s.provider(s.adapter+"-narrow", url, narrowSecret))
		}
	}
	raw, found, err := diagnose(t, credentialsOf(good...), "--credentials")
	if err != nil {
		t.Errorf("with good credentials alone: %v", err)
	}
	for _, s := range trials {
		cameOf(t, found, s.adapter, "g00", host.CredentialOK)
	}
	withoutSecrets(t, raw)
	if _, found, _ = diagnose(t, credentialsOf(good[0])); found["credentials"] != nil {
		t.Errorf("unasked: %+v", found["credentials"])
	}

	raw, found, err = diagnose(t, credentialsOf(all...), "--credentials")
	if err == nil || !strings.Contains(explain(err), "checks failed") {
		t.Errorf("with refused credentials it ends with %v", err)
	}
	for _, s := range trials {
		cameOf(t, found, s.adapter, "g00", host.CredentialOK)
		cameOf(t, found, s.adapter, "bad", host.CredentialRefused, fmt.Sprint(s.status), "[secret]")
		cameOf(t, found, s.adapter, "spe", host.CredentialLimited, "429", "not so fast")
		cameOf(t, found, s.adapter+"-gone", "g00", host.CredentialUnreachable, "refused")
	}
	cameOf(t, found, "openai-narrow", "nar", host.CredentialUntried, "Missing scopes")
	cameOf(t, found, "bedrock-narrow", "nar", host.CredentialUntried, "not authorized to perform")
	withoutSecrets(t, raw)
}

// TestDoctorDoesNotTakeAnAnswerForAProof: where anything is taken, nothing is proven.
func TestDoctorDoesNotTakeAnAnswerForAProof(t *testing.T) {
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":[]}`) }))
	defer open.Close()
	paid := trial{adapter: "huggingface", form: "hf_%s"}
	raw, found, err := diagnose(t, credentialsOf(trials[0].provider("open", open.URL, goodSecret), paid.provider("paid", open.URL, goodSecret)), "--credentials")
	if err != nil {
		t.Error(err)
	}
	cameOf(t, found, "open", "g00", host.CredentialUntried, "whatever the credential")
	cameOf(t, found, "paid", "g00", host.CredentialUntried, "its adapter knows of nothing")
	withoutSecrets(t, raw)
	if _, _, err := diagnose(t, doctorDemo, "--credentials", "--offline"); err == nil {
		t.Error("credentials are tried offline")
	}
}

// withoutSecrets looks for secrets, and for parts of them, in what is printed.
func withoutSecrets(t *testing.T, raw string) {
	t.Helper()
	for _, secret := range []string{goodSecret, badSecret, spentSecret, narrowSecret} {
		if part := secret[:len(secret)/2]; strings.Contains(raw, part) || strings.Contains(raw, secret[len(secret)/2:]) {
			t.Errorf("a secret is printed:\n%s", raw)
		}
	}
}

// diagnose has the doctor look at a configuration, in words and as JSON.
func diagnose(t *testing.T, config string, flags ...string) (raw string, found map[string][]finding, err error) {
	t.Helper()
	file := doctored(t, config)
	var out bytes.Buffer
	_ = run(t.Context(), append([]string{"doctor", "-c", file}, flags...), &out, t.Output()) // which JSON's tells as well
	words := out.String()
	out.Reset()
	err = run(t.Context(), append([]string{"doctor", "--json", "-c", file}, flags...), &out, t.Output())
	if out.Len() == 0 {
		return words, nil, err
	}
	return words + out.String(), findings(t, out.Bytes()), err
}

// doctored writes a configuration; DIR in it is its folder.
func doctored(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "signalbox.yaml")
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(config, "DIR", dir) + fmt.Sprintf("\nplugins: {dir: %q}\npolicy: {bundle: %q}\n", filepath.Join(bin, "plugins"), filepath.Join(bin, "policies"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDoctorTellsOfKeptCredentials: those of the gateway's store are told as it
// finds them, and are not tried.
func TestDoctorTellsOfKeptCredentials(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/admin/credentials":
			_, _ = io.WriteString(w, `{"credentials":[{"provider":"demo","name":"main","source":"config","state":"refused"},
				{"provider":"demo","name":"second","source":"store","state":"usable"},{"provider":"demo","name":"third","source":"store","state":"refused"}]}`)
		default:
			_, _ = io.WriteString(w, `{}`)
		}
	}))
	defer api.Close()
	flags := []string{"--credentials", "--token", "t", "--address", strings.TrimPrefix(api.URL, "http://")}
	found, err := examine(t, doctorDemo, flags...)
	if err == nil || len(found["credentials"]) != 2 {
		t.Errorf("%v: %+v", err, found["credentials"])
	}
	wants(t, found, "credentials", checkOK, "credential second: the gateway keeps it and has it as usable")
	wants(t, found, "credentials", checkFailed, "credential third: the gateway keeps it and has it as refused")
}
