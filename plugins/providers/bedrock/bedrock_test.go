package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	static = keyID + ":" + secret
)

// upstream is Bedrock's runtime. It accepts what AWS's own signer signs alike.
type upstream struct {
	t      *testing.T
	url    string
	answer func(w http.ResponseWriter, r *http.Request, body []byte)
	keys   aws.Credentials

	mu   sync.Mutex
	path string // escaped
	body []byte
	head http.Header
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		u.t.Error(err)
	}
	u.mu.Lock()
	u.path, u.body, u.head = r.URL.EscapedPath(), body, r.Header.Clone()
	u.mu.Unlock()
	if u.keys.AccessKeyID != "" {
		u.checkSignature(r, body)
	}
	u.answer(w, r, body)
}

// checkSignature signs the request again and compares.
func (u *upstream) checkSignature(r *http.Request, body []byte) {
	got := r.Header.Get("Authorization")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		u.t.Errorf("X-Amz-Date: %v", err)
	}
	again := r.Clone(r.Context())
	again.URL.Host, again.URL.Scheme = r.Host, "http"
	_, signed, _ := strings.Cut(got, "SignedHeaders=")
	signed, _, _ = strings.Cut(signed, ",")
	for name := range again.Header { // what was not signed may have been added on the way
		if !strings.Contains(";"+signed+";", ";"+strings.ToLower(name)+";") {
			again.Header.Del(name)
		}
	}
	service := "bedrock"
	if strings.HasPrefix(r.URL.Path, "/sts") {
		service = "sts"
	}
	if err := v4.NewSigner().SignHTTP(r.Context(), u.keys, again, hash(body), service, "eu-central-1", at); err != nil {
		u.t.Error(err)
	}
	if want := again.Header.Get("Authorization"); got != want {
		u.t.Errorf("%s is signed\n%s\nwant\n%s", r.URL, got, want)
	}
	if got, want := r.Header.Get("X-Amz-Security-Token"), u.keys.SessionToken; got != want {
		u.t.Errorf("session token %q; want %q", got, want)
	}
	for _, header := range []string{"content-length", "content-type", "host", "x-amz-date"} {
		if !strings.Contains(";"+signed+";", ";"+header+";") {
			u.t.Errorf("%s is not signed: %s", header, signed)
		}
	}
}

func start(t *testing.T, u *upstream, config string) *providertest.Adapter {
	t.Helper()
	up := httptest.NewServer(u)
	t.Cleanup(up.Close)
	u.url = up.URL
	host := hostOf(t, up.URL)
	if u.keys.AccessKeyID == "" {
		u.keys = aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	}
	p := &bedrock{now: time.Now}
	return providertest.Start(t, p, fmt.Sprintf(`{"region":"eu-central-1","base_url":%q,"sts_url":%q,"imds_url":%q%s}`, up.URL, up.URL+"/sts", up.URL+"/imds", config), host)
}

func hostOf(t *testing.T, url string) string {
	t.Helper()
	host, err := egress.OfURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

func hostsFor(t *testing.T, url string) *egress.Hosts {
	t.Helper()
	hosts, err := egress.Parse([]string{hostOf(t, url)})
	if err != nil {
		t.Fatal(err)
	}
	return hosts
}

func says(status int, typ, body string) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "application/json")
		if typ != "" {
			w.Header().Set("X-Amzn-Errortype", typ)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const hello = `{"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},"stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5},"metrics":{"latencyMs":5}}`

func ask(model string) providertest.Request {
	return providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: model, Credential: static,
		Body: `{"model":"m","messages":[{"role":"user","content":"q"}]}`}
}

// TestModelsInPaths: ids with colons, slashes and more are one segment, signed
// as AWS signs them (the mock computes the signature of what it sees).
func TestModelsInPaths(t *testing.T) {
	f := func(model, path string) {
		t.Helper()
		u := &upstream{t: t, answer: says(200, "", hello)}
		if a := start(t, u, "").Do(t, ask(model)); a.Status != 200 || a.Usage.Total() != 5 {
			t.Errorf("%s: %d %s", model, a.Status, a.Body)
		}
		if u.path != path {
			t.Errorf("%s: path %s; want %s", model, u.path, path)
		}
	}
	f("anthropic.claude-sonnet-4-5-20250929-v1:0", "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse")
	f("arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-20250514-v1:0",
		"/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.anthropic.claude-sonnet-4-20250514-v1%3A0/converse")
	f("a b+c=d&e@f$g~h%i", "/model/a%20b%2Bc%3Dd%26e%40f%24g~h%25i/converse")
}

func TestCredentials(t *testing.T) {
	f := func(credential string, keys aws.Credentials, bearer string) {
		t.Helper()
		u := &upstream{t: t, answer: says(200, "", hello), keys: keys}
		a := start(t, u, "")
		if bearer != "" {
			u.keys = aws.Credentials{}
		}
		r := ask("amazon.nova-pro-v1:0")
		r.Credential = credential
		if got := a.Do(t, r); got.Status != 200 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
		if auth := u.head.Get("Authorization"); bearer != "" && auth != bearer {
			t.Errorf("authorization %q", auth)
		}
	}
	plain, session := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: "tok/en=="}
	f(static, plain, "")
	f(static+":tok/en==", session, "")
	f(`{"access_key_id":"`+keyID+`","secret_access_key":"`+secret+`"}`, plain, "")
	f(` {"access_key_id":"`+keyID+`","secret_access_key":"`+secret+`","session_token":"tok/en=="}`, session, "")
	f("ABSKQmVkcm9jaw==", aws.Credentials{}, "Bearer ABSKQmVkcm9jaw==")
	f("bedrock-api-key-YmVk", aws.Credentials{}, "Bearer bedrock-api-key-YmVk")
	f(`{"api_key":"x"}`, aws.Credentials{}, "Bearer x")
}

func TestCredentialsRefused(t *testing.T) {
	f := func(credential, want string) {
		t.Helper()
		u := &upstream{t: t, answer: func(http.ResponseWriter, *http.Request, []byte) { t.Error("the upstream was asked") }}
		r := ask("amazon.nova-pro-v1:0")
		r.Credential = credential
		a := start(t, u, "").Do(t, r)
		if a.Status != 401 || a.Header.Get("X-Signalbox-Error-Class") != "auth" || !strings.Contains(a.Body, want) || strings.Contains(a.Body, "hush") {
			t.Errorf("%s: %d %s", credential, a.Status, a.Body)
		}
	}
	f("", "is missing")
	f("hush", "in no known form")
	f(":hush", "lacks access_key_id")
	f("hush:", "lacks access_key_id")
	f(`{"access_key_id":"hush"`, "is not valid JSON")
	f(`{"access_key_id":"hush"}`, "lacks access_key_id or secret")
	f(`{"access_key_id":"hu\nsh","secret_access_key":"hush"}`, "characters")
	f(`{"source":"hush"}`, "unknown source")
	f(`{"source":"container"}`, "no url")
	f(`{"source":"instance"}`, "was not turned into keys")
}

// message is one of an event stream, by AWS's own encoder.
func message(w io.Writer, kind, name, payload string) {
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":message-type", eventstream.StringValue(kind))
	m.Headers.Set(":"+kind+"-type", eventstream.StringValue(name))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	if err := eventstream.NewEncoder().Encode(w, m); err != nil {
		panic(err)
	}
}

func TestStream(t *testing.T) {
	long := strings.Repeat("long ", 10_000) // longer than any buffer on the way
	u := &upstream{t: t, answer: func(w http.ResponseWriter, r *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		message(w, "event", "messageStart", `{"role":"assistant"}`)
		_ = http.NewResponseController(w).Flush()
		for _, s := range []string{"Hel", "lo ", long} {
			message(w, "event", "contentBlockDelta", fmt.Sprintf(`{"contentBlockIndex":0,"delta":{"text":%q},"p":"abcdefghijklmnop"}`, s))
		}
		message(w, "event", "contentBlockStop", `{"contentBlockIndex":0}`)
		message(w, "event", "messageStop", `{"stopReason":"end_turn"}`)
		message(w, "event", "metadata", `{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":15,"cacheReadInputTokens":10},"metrics":{"latencyMs":5}}`)
	}}
	a := start(t, u, "")
	for dialect, body := range map[wire.Dialect]string{
		wire.OpenAIChat:        `{"model":"m","stream":true,"messages":[{"role":"user","content":"q"}]}`,
		wire.AnthropicMessages: `{"model":"m","stream":true,"max_tokens":10,"messages":[{"role":"user","content":"q"}]}`,
		wire.OpenAIResponses:   `{"model":"m","stream":true,"input":"q"}`,
	} {
		r := ask("anthropic.claude-sonnet-4-5-20250929-v1:0")
		r.Dialect, r.Body = dialect, body
		got := a.Do(t, r)
		if got.Status != 200 || got.Cut != nil || !strings.Contains(got.Body, "long long") || got.Usage != (wire.Usage{Input: 3, CacheRead: 10, Output: 2}) {
			t.Errorf("%s: %d, cut %v, usage %+v: %.300s", dialect, got.Status, got.Cut, got.Usage, got.Body)
		}
		if u.path != "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream" {
			t.Errorf("path %s", u.path)
		}
	}
}

// TestStreamsAreCut: what breaks off, within a message or between two, or is
// corrupt on the way, is never passed off as whole.
func TestStreamsAreCut(t *testing.T) {
	var whole bytes.Buffer
	message(&whole, "event", "messageStart", `{"role":"assistant"}`)
	message(&whole, "event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hello"}}`)
	message(&whole, "event", "messageStop", `{"stopReason":"end_turn"}`)
	cut := whole.Len()
	message(&whole, "event", "metadata", `{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}`)
	corrupt := bytes.Clone(whole.Bytes())
	corrupt[cut-10] ^= 1
	var exception bytes.Buffer
	exception.Write(whole.Bytes()[:cut])
	message(&exception, "exception", "modelStreamErrorException", `{"message":"it broke","originalStatusCode":500}`)
	f := func(body []byte) {
		t.Helper()
		u := &upstream{t: t, answer: func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
			_, _ = w.Write(body)
		}}
		r := ask("amazon.nova-pro-v1:0")
		r.Body = `{"model":"m","stream":true,"messages":[{"role":"user","content":"q"}]}`
		resp, err := start(t, u, "").Client.Do(r.HTTP(t))
		if err != nil {
			return // cut before anything was sent
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err == nil || bytes.Contains(got, []byte("[DONE]")) {
			t.Errorf("got %q, cut %v", got, err)
		}
	}
	f(nil)
	f(whole.Bytes()[:cut])
	f(whole.Bytes()[:cut+5])
	f(whole.Bytes()[:whole.Len()-1])
	f(corrupt)
	f(exception.Bytes())
}

func TestClasses(t *testing.T) {
	f := func(status int, typ, text string, want wire.Class) {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"message": text})
		u := &upstream{t: t, answer: says(status, typ, string(body))}
		a := start(t, u, "").Do(t, ask("amazon.nova-pro-v1:0"))
		if got := a.Header.Get("X-Signalbox-Error-Class"); got != want.String() || a.Status != status || !strings.Contains(a.Body, text) {
			t.Errorf("%d %s: status %d, class %q, %s; want %s", status, typ, a.Status, got, a.Body, want)
		}
	}
	f(400, "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/", "The maximum tokens you requested exceeds the model limit", wire.ClassInvalid)
	f(400, "ValidationException", "Input is too long for requested model.", wire.ClassContextLength)
	f(400, "ValidationException", "The provided model identifier is invalid.", wire.ClassModelNotFound)
	f(400, "ServiceQuotaExceededException", "no", wire.ClassQuota)
	f(403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", wire.ClassModelNotFound)
	f(403, "AccessDeniedException", "User is not authorized to perform: bedrock:InvokeModel", wire.ClassAuth)
	f(403, "UnrecognizedClientException", "The security token included in the request is invalid.", wire.ClassAuth)
	f(404, "ResourceNotFoundException", "no", wire.ClassModelNotFound)
	f(408, "ModelTimeoutException", "late", wire.ClassTimeout)
	f(424, "ModelErrorException", "oops", wire.ClassServer)
	f(429, "ThrottlingException", "Too many requests, please wait before trying again.", wire.ClassRateLimit)
	f(429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", wire.ClassQuota)
	f(429, "ModelNotReadyException", "not yet", wire.ClassOverloaded)
	f(500, "InternalServerException", "oops", wire.ClassServer)
	f(503, "ServiceUnavailableException", "busy", wire.ClassOverloaded)
	f(413, "", "too large", wire.ClassInvalid)
}

func TestConfigRefused(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		_, err := (&bedrock{now: time.Now}).Configure(provider.Config{JSON: json.RawMessage(config)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", config, err, want)
		}
	}
	f(`{"region":"US East"}`, "region")
	f(`{"base_url":"bedrock"}`, "base_url")
	f(`{"sts_url":"ftp://x"}`, "sts_url")
	f(`{"imds_url":"https://u:p@x"}`, "imds_url")
	f(`{"regoin":"x"}`, `did you mean "region"`)
}

func TestSetup(t *testing.T) {
	f := func(config, url string) {
		t.Helper()
		setup, err := (&bedrock{now: time.Now}).Configure(provider.Config{JSON: json.RawMessage(config)})
		if err != nil || setup.Leases[0].URL != url {
			t.Errorf("%s: %+v, %v", config, setup, err)
		}
	}
	f(``, "https://bedrock-runtime.us-east-1.amazonaws.com/model/{model}/converse")
	f(`{"region":"us-gov-west-1","fips":true}`, "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/model/{model}/converse")
	f(`{"region":"cn-north-1"}`, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/{model}/converse")
	f(`{"base_url":"https://vpce.example:443/"}`, "https://vpce.example/model/{model}/converse")
	m := (&bedrock{}).Manifest()
	if got := m.HostsBy["region"]["eu-west-1"]; !reflect.DeepEqual(got, []string{"bedrock-runtime.eu-west-1.amazonaws.com", "bedrock-runtime-fips.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"}) {
		t.Errorf("hosts %v", got)
	}
	for _, h := range m.Hosts {
		if _, err := egress.Parse([]string{h}); err != nil {
			t.Error(err)
		}
	}
	for _, model := range m.Models {
		if model.Name == "" || model.Context == 0 || url.PathEscape(model.Name) == "" {
			t.Errorf("model %+v", model)
		}
	}
}
