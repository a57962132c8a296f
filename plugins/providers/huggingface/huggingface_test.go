package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestGolden(t *testing.T) { providertest.Golden(t, huggingface{}, "testdata/*.txtar") }

func TestLeases(t *testing.T) {
	setup, err := huggingface{}.Configure(provider.Config{JSON: json.RawMessage(`{"models":{"fast":"openai/gpt-oss-120b:fastest"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	want := map[wire.Dialect]string{wire.OpenAIChat: "/v1/chat/completions", wire.OpenAIResponses: "/v1/responses", wire.Raw: "{path}"}
	for _, l := range setup.Leases {
		if l.URL != defaultBase+want[l.Dialect] || l.Headers[0] != provider.Bearer() || l.Models["fast"] != "openai/gpt-oss-120b:fastest" {
			t.Errorf("got %+v", l)
		}
	}
	if len(setup.Leases) != len(want) {
		t.Errorf("got %d leases", len(setup.Leases))
	}
}

func TestConfigRefused(t *testing.T) {
	for config, says := range map[string]string{`{"base_url":"x"}`: "base_url", `{"max_upload_mb":-1}`: "max_upload_mb", `{"model":{}}`: `did you mean "models"`} {
		if _, err := (huggingface{}).Configure(provider.Config{JSON: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// TestChatIsTranslated: other dialects go by way of the router's own.
func TestChatIsTranslated(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("got %s, %v", r.URL, r.Header)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}`)
	}))
	defer up.Close()
	a := providertest.Start(t, huggingface{}, fmt.Sprintf(`{"base_url":%q}`, up.URL), strings.TrimPrefix(up.URL, "http://"))
	got := a.Do(t, providertest.Request{Op: wire.OpChat, Dialect: wire.AnthropicMessages, Model: "m", Credential: "secret",
		Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`})
	if got.Status != 200 || !strings.Contains(got.Body, `"text":"hello"`) || got.Usage.Input != 3 {
		t.Errorf("got %d %+v %s", got.Status, got.Usage, got.Body)
	}
}
