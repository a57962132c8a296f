package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
)

// config is the adapter's configuration. What is left out is the preset's.
type config struct {
	Preset      string            `json:"preset" doc:"service whose data to start from; default openai, or guessed from base_url" enum:"aimlapi,azure,azure-classic,cerebras,deepinfra,deepseek,fireworks,groq,llamacpp,lmstudio,mistral,moonshot,nvidia,ollama,openai,openrouter,perplexity,sambanova,together,vllm,xai"`
	BaseURL     string            `json:"base_url" doc:"of the API, without /chat/completions; for Azure the resource's address"`
	AuthHeader  string            `json:"auth_header" doc:"header that takes the credential"`
	AuthPrefix  *string           `json:"auth_prefix" doc:"what stands before the credential, for example \"Bearer \""`
	Headers     map[string]string `json:"headers" doc:"further headers with fixed values"`
	Models      map[string]string `json:"models" doc:"model as asked for → as the service calls it"`
	Query       string            `json:"query" doc:"query of every URL, for example api-version=2024-10-21"`
	StreamUsage *bool             `json:"stream_usage" doc:"whether usage of streams must be asked for by stream_options"`
	MaxTokens   string            `json:"max_tokens_member" doc:"member of a chat request that caps its answer: max_tokens or max_completion_tokens"`
	Operations  map[string]bool   `json:"operations" doc:"operations that the service has (true) or has not (false), beyond the preset's own"`
	Paths       map[string]string `json:"paths" doc:"operation → its path below base_url, where that is not OpenAI's; {model} and {path} stand for those of the request"`
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
	if err := c.place(&p, name); err != nil {
		return preset{}, err
	}
	if err := c.operations(&p); err != nil {
		return preset{}, err
	}
	p.headers = c.headers(&p)
	p.names = c.Models
	if c.StreamUsage != nil {
		p.streamUsage = *c.StreamUsage
	}
	if c.MaxTokens != "" {
		p.maxTokens = c.MaxTokens
	}
	if c.Query != "" {
		p.query = strings.TrimPrefix(c.Query, "?")
	}
	return p, nil
}

// place sets where the service is. Endpoints that the preset has on hosts of
// its own go with the preset's base URL: another one has none of them.
func (c *config) place(p *preset, name string) error {
	if c.BaseURL != "" {
		elsewhere := strings.TrimRight(c.BaseURL, "/") != p.baseURL
		p.baseURL = strings.TrimRight(c.BaseURL, "/")
		for endpoint, at := range p.paths {
			if elsewhere && strings.Contains(at, "://") {
				p.serves = maps.Clone(p.serves)
				delete(p.serves, endpoint)
			}
		}
	}
	u, err := url.Parse(p.baseURL)
	if p.baseURL == "" || err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		own := presets[name].baseURL
		if own == "" {
			own = "none of its own"
		}
		return fmt.Errorf("base_url %q is not of the form https://host/path; preset %s has %s", c.BaseURL, name, own)
	}
	if u.Path == "" {
		p.baseURL += p.root
	}
	return nil
}

// operations switches endpoints on and off and moves them.
func (c *config) operations(p *preset) error {
	serves, paths := maps.Clone(p.serves), maps.Clone(p.paths)
	for name, on := range c.Operations {
		if find(name) < 0 {
			return fmt.Errorf("operations: there is none called %q; known are %s", name, known())
		}
		serves[name] = on
	}
	for name, path := range c.Paths {
		switch {
		case find(name) < 0:
			return fmt.Errorf("paths: there is no operation called %q; known are %s", name, known())
		case !strings.HasPrefix(path, "/"):
			return fmt.Errorf("paths.%s %q does not begin with /: it goes behind base_url", name, path)
		case paths == nil:
			paths = map[string]string{}
		}
		paths[name], serves[name] = path, true
	}
	p.serves, p.paths = serves, paths
	return nil
}

// headers are those that are set on every request.
func (c *config) headers(p *preset) []provider.Header {
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
	list := []provider.Header{auth}
	for _, name := range sorted(c.Headers) {
		list = append(list, provider.Static(name, c.Headers[name]))
	}
	return list
}

// guess finds the preset of a base URL by its host; "openai" when there is none.
func guess(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return defaultPreset
	}
	if strings.HasSuffix(u.Hostname(), ".azure.com") {
		return "azure"
	}
	for _, name := range names() {
		own := presets[name]
		if p, err := url.Parse(own.baseURL); err == nil && p.Host == u.Host || slices.Contains(own.alias, u.Host) {
			return name
		}
	}
	return defaultPreset
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func names() []string { return sorted(presets) }
