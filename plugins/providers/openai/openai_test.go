package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func configure(t *testing.T, config string) *provider.Setup {
	t.Helper()
	setup, err := openai{}.Configure(provider.Config{JSON: json.RawMessage(config)})
	if err != nil {
		t.Fatal(err)
	}
	return setup
}

func TestLeases(t *testing.T) {
	f := func(config, chat, embeddings string, auth provider.Header, streamUsage bool) {
		t.Helper()
		s := configure(t, config)
		l := s.Leases[0]
		if l.Op != wire.OpChat || l.Dialect != wire.OpenAIChat || l.URL != chat || l.Headers[0] != auth || l.StreamUsage != streamUsage {
			t.Errorf("%s: got %+v", config, l)
		}
		if embeddings == "" {
			if len(s.Leases) != 1 {
				t.Errorf("%s: got embeddings at %s", config, s.Leases[1].URL)
			}
			return
		}
		if e := s.Leases[1]; e.Op != wire.OpEmbeddings || e.Dialect != wire.OpenAIEmbeddings || e.URL != embeddings || e.Headers[0] != auth {
			t.Errorf("%s: got %+v", config, e)
		}
	}
	bearer, key := provider.Bearer(), provider.Key("api-key")
	f(`{}`, "https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/embeddings", bearer, true)
	f(`{"base_url":"http://127.0.0.1:9000/v1/"}`, "http://127.0.0.1:9000/v1/chat/completions", "http://127.0.0.1:9000/v1/embeddings", bearer, true)
	f(`{"preset":"groq"}`, "https://api.groq.com/openai/v1/chat/completions", "", bearer, true)
	f(`{"base_url":"https://api.groq.com/openai/v1"}`, "https://api.groq.com/openai/v1/chat/completions", "", bearer, true)
	f(`{"preset":"mistral"}`, "https://api.mistral.ai/v1/chat/completions", "https://api.mistral.ai/v1/embeddings", bearer, false)
	f(`{"preset":"ollama","embeddings":false,"stream_usage":false}`, "http://localhost:11434/v1/chat/completions", "", bearer, false)
	f(`{"base_url":"https://me.openai.azure.com/openai/v1","query":"api-version=preview"}`,
		"https://me.openai.azure.com/openai/v1/chat/completions?api-version=preview", "https://me.openai.azure.com/openai/v1/embeddings?api-version=preview", key, true)
	f(`{"auth_header":"x-token","auth_prefix":"Token "}`, "https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/embeddings",
		provider.Header{Name: "x-token", Prefix: "Token ", Credential: true}, true)
}

func TestConfigurationReachesTheLease(t *testing.T) {
	l := configure(t, `{"headers":{"x-b":"2","x-a":"1"},"models":{"fast":"gpt-4o-mini"}}`).Leases[0]
	if len(l.Headers) != 3 || l.Headers[1] != provider.Static("x-a", "1") || l.Headers[2] != provider.Static("x-b", "2") || l.Models["fast"] != "gpt-4o-mini" {
		t.Errorf("got %+v", l)
	}
	if pass := strings.Join(l.PassHeaders, " "); !strings.Contains(pass, "openai-organization openai-project") {
		t.Errorf("got %s", pass)
	}
}

func TestRefuses(t *testing.T) {
	f := func(config, says string) {
		t.Helper()
		if _, err := (openai{}).Configure(provider.Config{JSON: json.RawMessage(config)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v; want %q", config, err, says)
		}
	}
	f(`{"base_ulr":"x"}`, `did you mean "base_url"`)
	f(`{"preset":"groq2"}`, "there are azure, cerebras")
	f(`{"preset":"azure"}`, "none of its own")
	f(`{"base_url":"api.openai.com"}`, "https://host/path")
	f(`{"base_url":"https://api.openai.com/v1?x=1"}`, "https://host/path")
	f(`{"base_url":"ftp://api.openai.com/v1"}`, "https://host/path")
	f(`{"models":["x"]}`, "models")
}

// class is the first rule's that matches, as the gateway applies them.
func class(rules []provider.ErrorRule, status int, code string) wire.Class {
	for _, r := range rules {
		if (r.Status == 0 || r.Status == status) && (r.Code == "" || r.Code == code) {
			return r.Class
		}
	}
	return wire.ClassOfStatus(status)
}

func TestErrorClasses(t *testing.T) {
	f := func(preset string, status int, code string, want wire.Class) {
		t.Helper()
		s := configure(t, `{"preset":"`+preset+`"}`)
		if got := class(s.Leases[0].Errors, status, code); got != want {
			t.Errorf("%s %d %s: got %v; want %v", preset, status, code, got, want)
		}
	}
	f("openai", 400, "context_length_exceeded", wire.ClassContextLength)
	f("openai", 404, "model_not_found", wire.ClassModelNotFound)
	f("openai", 404, "", wire.ClassInvalid)
	f("openai", 429, "insufficient_quota", wire.ClassQuota)
	f("openai", 429, "rate_limit_exceeded", wire.ClassRateLimit)
	f("openai", 401, "invalid_api_key", wire.ClassAuth)
	f("openai", 400, "content_policy_violation", wire.ClassContentFilter)
	f("openai", 400, "invalid_value", wire.ClassInvalid)
	f("openai", 503, "", wire.ClassOverloaded)
	f("groq", 413, "rate_limit_exceeded", wire.ClassContextLength)
	f("groq", 498, "", wire.ClassOverloaded)
	f("mistral", 400, "invalid_model", wire.ClassModelNotFound)
	f("openrouter", 403, "403", wire.ClassContentFilter)
	f("openrouter", 402, "402", wire.ClassQuota)
	f("deepseek", 402, "", wire.ClassQuota)
	f("ollama", 404, "", wire.ClassModelNotFound)
}

// TestManifest: every preset's own address is one that the adapter's manifest
// names, else the gateway would refuse its lease.
func TestManifest(t *testing.T) {
	m := openai{}.Manifest()
	hosts, err := egress.Parse(m.Hosts)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names() {
		if presets[name].baseURL == "" {
			continue
		}
		for _, l := range configure(t, `{"preset":"`+name+`"}`).Leases {
			u, err := url.Parse(l.URL)
			if err != nil {
				t.Fatal(err)
			}
			if err := hosts.Check(u); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := guess(presets[name].baseURL); got != name {
			t.Errorf("%s is guessed to be %s", presets[name].baseURL, got)
		}
	}
	var schema struct {
		Properties map[string]struct{ Enum []string }
	}
	if err := json.Unmarshal(provider.Schema(m.Config), &schema); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(schema.Properties["preset"].Enum, ","); got != strings.Join(names(), ",") {
		t.Errorf("the schema names presets %s", got)
	}
}
