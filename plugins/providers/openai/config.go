package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
)

// config is the adapter's configuration. What is left out is the preset's.
type config struct {
	Preset      string            `json:"preset" doc:"service whose data to start from; default openai, or guessed from base_url" enum:"azure,cerebras,deepseek,fireworks,groq,lmstudio,mistral,ollama,openai,openrouter,perplexity,together,vllm,xai"`
	BaseURL     string            `json:"base_url" doc:"of the API, without /chat/completions"`
	AuthHeader  string            `json:"auth_header" doc:"header that takes the credential"`
	AuthPrefix  *string           `json:"auth_prefix" doc:"what stands before the credential, for example \"Bearer \""`
	Headers     map[string]string `json:"headers" doc:"further headers with fixed values"`
	Models      map[string]string `json:"models" doc:"model as asked for → as the service calls it"`
	Query       string            `json:"query" doc:"query of every URL, for example api-version=2024-10-21"`
	StreamUsage *bool             `json:"stream_usage" doc:"whether usage of streams must be asked for by stream_options"`
	Embeddings  *bool             `json:"embeddings" doc:"whether the service has /embeddings"`
}

// preset is the chosen preset with what the configuration says otherwise.
func (c *config) preset() (preset, error) {
	name := c.Preset
	if name == "" {
		name = guess(c.BaseURL)
	}
	p, ok := presets[name]
	if !ok {
		return preset{}, fmt.Errorf("preset %q is unknown; there are %s", name, strings.Join(names(), ", "))
	}
	if c.BaseURL != "" {
		p.baseURL = strings.TrimRight(c.BaseURL, "/")
	}
	u, err := url.Parse(p.baseURL)
	if p.baseURL == "" || err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return preset{}, fmt.Errorf("base_url %q is not of the form https://host/path; preset %s has %s", c.BaseURL, name, or(presets[name].baseURL, "none of its own"))
	}
	auth := provider.Bearer()
	if p.authHeader != "" {
		auth = provider.Key(p.authHeader)
	}
	if c.AuthHeader != "" {
		auth = provider.Key(c.AuthHeader)
	}
	if c.AuthPrefix != nil {
		auth.Prefix = *c.AuthPrefix
	}
	p.headers = []provider.Header{auth}
	for _, name := range sorted(c.Headers) {
		p.headers = append(p.headers, provider.Static(name, c.Headers[name]))
	}
	if c.StreamUsage != nil {
		p.streamUsage = *c.StreamUsage
	}
	if c.Embeddings != nil {
		p.embeddings = *c.Embeddings
	}
	return p, nil
}

// url is where an operation is, with the configuration's query.
func (c *config) url(p preset, path string) string {
	if c.Query == "" {
		return p.baseURL + path
	}
	return p.baseURL + path + "?" + strings.TrimPrefix(c.Query, "?")
}

// guess finds the preset of a base URL by its host; "openai" when there is none.
func guess(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "openai"
	}
	if strings.HasSuffix(u.Hostname(), ".azure.com") {
		return "azure"
	}
	for _, name := range names() {
		if p, err := url.Parse(presets[name].baseURL); err == nil && p.Host == u.Host {
			return name
		}
	}
	return "openai"
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func names() []string { return sorted(presets) }

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
