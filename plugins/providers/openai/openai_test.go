package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
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

// at is the lease of one endpoint, nil if the setup has none.
func at(t *testing.T, s *provider.Setup, name string) *provider.Lease {
	t.Helper()
	e := endpoints[find(name)]
	for i := range s.Leases {
		if l := &s.Leases[i]; l.Op == e.op && l.Dialect == e.dialect {
			return l
		}
	}
	return nil
}

// TestPresets: every URL of every preset, as testdata/presets.txt has it, which
// was read against the references that it names. Run with -update to rewrite it.
func TestPresets(t *testing.T) {
	var out strings.Builder
	for _, name := range names() {
		config := `{"preset":"` + name + `"}`
		if presets[name].baseURL == "" {
			config = `{"preset":"` + name + `","base_url":"https://NAME.openai.azure.com"}`
		}
		s := configure(t, config)
		l := s.Leases[0]
		fmt.Fprintf(&out, "%s: %s\n", name, presets[name].source)
		fmt.Fprintf(&out, "  credential in %s: %s…, hosts %s\n", l.Headers[0].Name, l.Headers[0].Prefix, strings.Join(openai{}.Manifest().HostsBy["preset"][name], " "))
		if chat := at(t, s, "chat"); chat != nil {
			fmt.Fprintf(&out, "  cap %q, stream usage to be asked for: %v\n", chat.MaxTokens, chat.StreamUsage)
		}
		fmt.Fprintf(&out, "  rate %s\n", strings.Join([]string{l.Rate.RequestsRemaining, l.Rate.RequestsReset, l.Rate.TokensRemaining, l.Rate.TokensReset}, ","))
		for _, l := range s.Leases {
			fmt.Fprintf(&out, "  %s/%s %s\n", l.Op, l.Dialect, l.URL)
		}
	}
	const file = "testdata/presets.txt"
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the presets are not those of %s (go test -update rewrites it):\n%s", file, out.String())
	}
}

var update = flag.Bool("update", false, "rewrite testdata")

func TestConfigured(t *testing.T) {
	f := func(config, endpoint, url string) *provider.Lease {
		t.Helper()
		l := at(t, configure(t, config), endpoint)
		switch {
		case l == nil && url != "":
			t.Errorf("%s: there is no %s", config, endpoint)
		case l != nil && l.URL != url:
			t.Errorf("%s: %s is at %q; want %q", config, endpoint, l.URL, url)
		}
		return l
	}
	f(`{}`, "chat", "https://api.openai.com/v1/chat/completions")
	f(`{"base_url":"http://127.0.0.1:9000/v1/"}`, "embeddings", "http://127.0.0.1:9000/v1/embeddings")
	f(`{"base_url":"https://api.groq.com/openai/v1"}`, "transcription", "https://api.groq.com/openai/v1/audio/transcriptions")
	f(`{"base_url":"https://api.groq.com/openai/v1"}`, "embeddings", "")
	f(`{"base_url":"https://api.together.xyz/v1"}`, "rerank", "https://api.together.xyz/v1/rerank")
	f(`{"preset":"deepseek"}`, "messages", "https://api.deepseek.com/anthropic/v1/messages")
	f(`{"preset":"deepseek","base_url":"https://proxy.example/v1"}`, "messages", "") // the preset's own host is not the proxy's
	f(`{"preset":"ollama","operations":{"embeddings":false}}`, "embeddings", "")
	f(`{"preset":"ollama","operations":{"rerank":true}}`, "rerank", "http://localhost:11434/v1/rerank")
	f(`{"preset":"vllm","paths":{"rerank":"/v2/rerank"},"base_url":"http://localhost:8000"}`, "rerank", "http://localhost:8000/v2/rerank")
	f(`{"base_url":"https://me.openai.azure.com/openai/v1","query":"api-version=preview"}`, "chat", "https://me.openai.azure.com/openai/v1/chat/completions?api-version=preview")
	f(`{"base_url":"https://me.openai.azure.com/openai/v1","query":"?api-version=preview"}`, "realtime", "https://me.openai.azure.com/openai/v1/realtime?model={model}&api-version=preview")
	f(`{"preset":"azure-classic","base_url":"https://me.openai.azure.com/"}`, "chat", "https://me.openai.azure.com/openai/deployments/{model}/chat/completions?api-version=2024-10-21")
	f(`{"preset":"azure-classic","base_url":"https://me.openai.azure.com","query":"api-version=2025-01-01"}`, "speech", "https://me.openai.azure.com/openai/deployments/{model}/audio/speech?api-version=2025-01-01")
	f(`{}`, "pass", "https://api.openai.com/v1{path}")

	if l := f(`{"auth_header":"x-token","auth_prefix":"Token "}`, "chat", "https://api.openai.com/v1/chat/completions"); l.Headers[0] != (provider.Header{Name: "x-token", Prefix: "Token ", Credential: true}) {
		t.Errorf("got %+v", l.Headers)
	}
	if l := f(`{"stream_usage":false,"max_tokens_member":"max_tokens"}`, "chat", "https://api.openai.com/v1/chat/completions"); l.StreamUsage || l.MaxTokens != "max_tokens" {
		t.Errorf("got %+v", l)
	}
	if l := f(`{"preset":"vllm"}`, "messages", "http://localhost:8000/v1/messages"); !strings.Contains(strings.Join(l.PassHeaders, " "), "anthropic-beta") || l.MaxTokens != "" {
		t.Errorf("got %+v", l)
	}
}

// TestPresetsAreNotShared: what one configuration changes, another does not see.
func TestPresetsAreNotShared(t *testing.T) {
	configure(t, `{"operations":{"chat":false},"paths":{"speech":"/x"}}`)
	s := configure(t, `{}`)
	if at(t, s, "chat") == nil || at(t, s, "speech").URL != "https://api.openai.com/v1/audio/speech" {
		t.Error("a configuration changed its preset")
	}
	a, b := s.Leases[0].PassHeaders, s.Leases[1].PassHeaders
	if _ = append(a, "x"); len(b) > 0 && b[len(b)-1] == "x" {
		t.Error("leases share what they pass on")
	}
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
	f(`{"preset":"groq2"}`, "there are aimlapi, azure")
	f(`{"preset":"azure"}`, "none of its own")
	f(`{"base_url":"api.openai.com"}`, "https://host/path")
	f(`{"base_url":"https://api.openai.com/v1?x=1"}`, "https://host/path")
	f(`{"base_url":"ftp://api.openai.com/v1"}`, "https://host/path")
	f(`{"models":["x"]}`, "models")
	f(`{"operations":{"chats":true}}`, "known are chat, responses")
	f(`{"paths":{"chats":"/x"}}`, "known are chat, responses")
	f(`{"paths":{"chat":"https://elsewhere.example"}}`, "begin with /")
	f(`{"base_url":"https://key@api.openai.com/v1"}`, "https://host/path")
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
		config := `{"preset":"` + preset + `"}`
		if presets[preset].baseURL == "" {
			config = `{"preset":"` + preset + `","base_url":"https://NAME.openai.azure.com"}`
		}
		s := configure(t, config)
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
	f("azure", 404, "DeploymentNotFound", wire.ClassModelNotFound)
	f("azure", 400, "content_filter", wire.ClassContentFilter)
	f("azure-classic", 400, "ResponsibleAIPolicyViolation", wire.ClassContentFilter)
	f("deepseek", 402, "", wire.ClassQuota)
	f("ollama", 404, "", wire.ClassModelNotFound)
	f("openrouter", 400, "token_limit_exceeded", wire.ClassQuota)
	f("moonshot", 429, "exceeded_current_quota_error", wire.ClassQuota)
	f("moonshot", 429, "rate_limit_reached_error", wire.ClassRateLimit)
	f("together", 429, "dynamic_token_limited", wire.ClassRateLimit)
	f("together", 503, "", wire.ClassOverloaded)
	f("cerebras", 402, "", wire.ClassQuota)
	f("vllm", 400, "maximum context length", wire.ClassContextLength)
}

// TestManifest: every preset's own addresses are among those that the manifest
// names for it, and no other's are.
func TestManifest(t *testing.T) {
	m := openai{}.Manifest()
	for _, name := range names() {
		if presets[name].baseURL == "" {
			continue
		}
		hosts, err := egress.Parse(m.HostsBy["preset"][name])
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range configure(t, `{"preset":"`+name+`"}`).Leases {
			u, err := url.Parse(strings.NewReplacer("{path}", "", "{model}", "m").Replace(l.URL))
			if err != nil {
				t.Fatal(err)
			}
			if err := hosts.Check(u); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := hosts.Check(&url.URL{Scheme: "https", Host: "api.openai.com"}); (err == nil) != (name == "openai") {
				t.Errorf("%s may send credentials to OpenAI", name)
			}
		}
		if got := guess(presets[name].baseURL); got != name {
			t.Errorf("%s is guessed to be %s", presets[name].baseURL, got)
		}
		if presets[name].source == "" {
			t.Errorf("%s does not say where its facts are from", name)
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
