package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const key = "sk-ant-test"

// upstream is Anthropic's API as the vendor's own types describe it. A request
// that those types do not know in full is refused.
type upstream struct {
	t      *testing.T
	answer func(w http.ResponseWriter, p *sdk.MessageNewParams)
	last   sdk.MessageNewParams
	header http.Header
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		u.t.Error(err)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/messages" {
		u.t.Errorf("got %s %s", r.Method, r.URL)
	}
	if r.Header.Get("X-Api-Key") != key || r.Header.Get("Authorization") != "" || r.Header.Get("Anthropic-Version") == "" {
		u.t.Errorf("got headers %v", r.Header)
	}
	u.header = r.Header.Clone()
	u.last = sdk.MessageNewParams{}
	if err := json.Unmarshal(body, &u.last); err != nil {
		u.t.Errorf("cannot decode %s: %v", body, err)
	}
	back, err := json.Marshal(u.last)
	if err != nil {
		u.t.Error(err)
	}
	var sent, known map[string]any
	_ = json.Unmarshal(body, &sent)
	_ = json.Unmarshal(back, &known)
	delete(sent, "stream") // a matter of the transport
	if !reflect.DeepEqual(sent, known) {
		u.t.Errorf("the vendor's type knows %s\nof %s", back, body)
	}
	u.answer(w, &u.last)
}

// start serves the adapter in front of u.
func start(t *testing.T, u *upstream, config string) *providertest.Adapter {
	t.Helper()
	up := httptest.NewServer(u)
	t.Cleanup(up.Close)
	host, err := egress.OfURL(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Start(t, anthropic{}, fmt.Sprintf(`{"base_url":%q%s}`, up.URL, config), host)
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// message is an answer, written by the vendor's types.
func message(stop sdk.StopReason, content ...sdk.ContentBlockUnion) sdk.Message {
	return sdk.Message{ID: "msg_1", Model: "claude-sonnet-4-5-20250929", Role: "assistant", Type: "message", Content: content, StopReason: stop,
		Usage: sdk.Usage{InputTokens: 10, CacheReadInputTokens: 5, OutputTokens: 7}}
}

func fails(status int, typ, text string) func(http.ResponseWriter, *sdk.MessageNewParams) {
	return func(w http.ResponseWriter, _ *sdk.MessageNewParams) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":"error","error":{"type":%q,"message":%q},"request_id":"req_1"}`, typ, text)
	}
}

func TestLease(t *testing.T) {
	f := func(config string, batches bool, want provider.Lease) {
		t.Helper()
		setup, err := anthropic{}.Configure(provider.Config{JSON: json.RawMessage(config)})
		if err != nil {
			t.Fatal(err)
		}
		want.Errors, want.PassHeaders, want.Rate = rules, []string{"anthropic-version", "anthropic-beta"}, rate
		base := want.URL
		type endpoint struct {
			op   wire.Op
			d    wire.Dialect
			path string
		}
		all := []endpoint{{wire.OpChat, wire.AnthropicMessages, "/v1/messages"}, {wire.OpCountTokens, wire.AnthropicMessages, "/v1/messages/count_tokens"}, {wire.OpPass, wire.Raw, "{path}"},
			{wire.OpCredential, wire.Raw, "/v1/models?limit=1"}}
		if batches {
			all = append(all, endpoint{wire.OpBatches, wire.AnthropicMessages, "/v1/messages/batches{path}"})
		}
		for i, e := range all {
			want.Op, want.Dialect, want.URL = e.op, e.d, base+e.path
			if len(setup.Leases) != len(all) || !reflect.DeepEqual(setup.Leases[i], want) {
				t.Errorf("got %+v; want %+v", setup.Leases, want)
			}
		}
	}
	usual := []provider.Header{provider.Key("x-api-key"), provider.Static("anthropic-version", "2023-06-01")}
	f(``, true, provider.Lease{URL: "https://api.anthropic.com", Headers: usual})
	f(`{"batches":false}`, false, provider.Lease{URL: "https://api.anthropic.com", Headers: usual})
	f(`{"base_url":"https://copy.example","batches":true}`, true, provider.Lease{URL: "https://copy.example", Headers: usual})
	f(`{"base_url":"https://api.z.ai/api/anthropic/v1/","version":"2024-01-01","beta":["a","b"],"bearer":true,"headers":{"x-b":"2","x-a":"1"},"models":{"fast":"glm"}}`, false,
		provider.Lease{URL: "https://api.z.ai/api/anthropic", Models: map[string]string{"fast": "glm"}, Headers: []provider.Header{
			provider.Bearer(), provider.Static("anthropic-version", "2024-01-01"), provider.Static("anthropic-beta", "a,b"),
			provider.Static("x-a", "1"), provider.Static("x-b", "2")}})
}

func TestConfigRefused(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		_, err := anthropic{}.Configure(provider.Config{JSON: json.RawMessage(config)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", config, err, want)
		}
	}
	f(`{"base_url":"api.anthropic.com"}`, "base_url")
	f(`{"base_url":"ftp://x"}`, "base_url")
	f(`{"base_url":"https://u:p@x"}`, "base_url")
	f(`{"base_ulr":"https://x"}`, `did you mean "base_url"`)
	f(`{"beta":"a"}`, "config")
}

func TestManifest(t *testing.T) {
	m := anthropic{}.Manifest()
	for _, model := range m.Models {
		if model.Name == "" || model.Context < model.MaxOutput || model.MaxOutput == 0 {
			t.Errorf("model %+v", model)
		}
	}
}

// TestClasses: the rules of the lease, applied as the gateway does.
func TestClasses(t *testing.T) {
	f := func(status int, typ, text string, want wire.Class) {
		t.Helper()
		u := &upstream{t: t, answer: fails(status, typ, text)}
		a := start(t, u, "").Do(t, providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: "claude-sonnet-4-5", Credential: key,
			Body: `{"model":"m","messages":[{"role":"user","content":"q"}]}`})
		if got := a.Header.Get("X-Signalbox-Error-Class"); got != want.String() || a.Status != status || a.Header.Get("Retry-After") != "3" {
			t.Errorf("%d %s: status %d, class %q, %v; want %s", status, typ, a.Status, got, a.Header, want)
		}
		var body struct {
			Error struct{ Message, Code string }
		}
		if err := json.Unmarshal([]byte(a.Body), &body); err != nil || body.Error.Message != text || body.Error.Code == "" {
			t.Errorf("%d %s: %s, %v", status, typ, a.Body, err)
		}
	}
	f(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", wire.ClassContextLength)
	f(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3", wire.ClassContextLength)
	f(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", wire.ClassQuota)
	f(400, "invalid_request_error", "max_tokens: Field required", wire.ClassInvalid)
	f(401, "authentication_error", "invalid x-api-key", wire.ClassAuth)
	f(402, "billing_error", "pay", wire.ClassQuota)
	f(403, "permission_error", "no", wire.ClassAuth)
	f(404, "not_found_error", "model: claude-9", wire.ClassModelNotFound)
	f(413, "request_too_large", "too large", wire.ClassInvalid)
	f(429, "rate_limit_error", "slow down", wire.ClassRateLimit)
	f(500, "api_error", "oops", wire.ClassServer)
	f(504, "timeout_error", "late", wire.ClassTimeout)
	f(529, "overloaded_error", "Overloaded", wire.ClassOverloaded)
}

// TestRateReachesTheGateway: what is left of the limit comes with a translated answer.
func TestRateReachesTheGateway(t *testing.T) {
	u := &upstream{t: t, answer: func(w http.ResponseWriter, _ *sdk.MessageNewParams) {
		for name, v := range map[string]string{"requests-limit": "50", "requests-remaining": "49", "requests-reset": "2020-01-01T00:00:00Z", "tokens-remaining": "39000"} {
			w.Header().Set("anthropic-ratelimit-"+name, v)
		}
		write(w, message("end_turn"))
	}}
	got := start(t, u, "").Do(t, providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: "claude-sonnet-4-5", Credential: key,
		Body: `{"model":"m","messages":[{"role":"user","content":"q"}]}`})
	if want := "requests-limit=50;requests-remaining=49;tokens-remaining=39000;requests-reset-ms=0"; got.Header.Get("X-Signalbox-Rate") != want {
		t.Errorf("got %q; want %q", got.Header.Get("X-Signalbox-Rate"), want)
	}
}

func TestHeadersPassOn(t *testing.T) {
	u := &upstream{t: t, answer: func(w http.ResponseWriter, _ *sdk.MessageNewParams) { write(w, message("end_turn")) }}
	a := start(t, u, `,"beta":["default-beta"]`)
	r := providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: "claude-sonnet-4-5", Credential: key,
		Body: `{"model":"m","messages":[{"role":"user","content":"q"}]}`}
	a.Do(t, r)
	if u.header.Get("Anthropic-Beta") != "default-beta" || u.header.Get("Anthropic-Version") != "2023-06-01" {
		t.Errorf("got %v", u.header)
	}
	r.Header = http.Header{"Anthropic-Beta": {"mine"}, "Anthropic-Version": {"2024-01-01"}, "Cookie": {"c=1"}, "X-Goog-Api-Key": {"caller"}}
	a.Do(t, r)
	if u.header.Get("Anthropic-Beta") != "mine" || u.header.Get("Anthropic-Version") != "2024-01-01" || u.header.Get("Cookie") != "" || u.header.Get("X-Goog-Api-Key") != "" {
		t.Errorf("got %v", u.header)
	}
}

// TestStreamIsCut: an upstream that breaks off is never passed off as whole.
func TestStreamIsCut(t *testing.T) {
	f := func(sse string) {
		t.Helper()
		u := &upstream{t: t, answer: func(w http.ResponseWriter, _ *sdk.MessageNewParams) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, sse)
		}}
		r := providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: "claude-sonnet-4-5", Credential: key,
			Body: `{"model":"m","stream":true,"messages":[{"role":"user","content":"q"}]}`}
		resp, err := start(t, u, "").Client.Do(r.HTTP(t))
		if err != nil {
			return // cut before anything was sent
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil || bytes.Contains(body, []byte("[DONE]")) {
			t.Errorf("%q came as %q, cut %v", sse, body, err)
		}
	}
	begin := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n"
	f(begin)
	f(begin + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n")
	f(begin + "data: {\"type\":\n\n")
	f(begin + "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n")
}
