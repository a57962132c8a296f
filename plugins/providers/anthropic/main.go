// Anthropic is the provider adapter for Anthropic's Messages API and for the
// services that copy it. Requests to /v1/messages go straight from the gateway
// to the service; OpenAI's chat completions are translated here.
package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(anthropic{}) }

type anthropic struct{}

const (
	defaultBase    = "https://api.anthropic.com"
	defaultVersion = "2023-06-01"
)

// config is the adapter's configuration.
type config struct {
	BaseURL string            `json:"base_url" doc:"of the API, without /v1/messages; default https://api.anthropic.com"`
	Version string            `json:"version" doc:"anthropic-version of requests that name none; default 2023-06-01"`
	Beta    []string          `json:"beta" doc:"beta features of requests that name none: sent as anthropic-beta"`
	Bearer  bool              `json:"bearer" doc:"send the credential as Authorization: Bearer, as OAuth tokens and some services want it, in place of x-api-key"`
	Headers map[string]string `json:"headers" doc:"further headers with fixed values"`
	Models  map[string]string `json:"models" doc:"model as asked for → as the service calls it"`
	Batches *bool             `json:"batches" doc:"whether the service has batches of messages, which the gateway leaves batches to; default true of Anthropic's own API, else false"`
}

// Manifest implements provider.Provider.
func (anthropic) Manifest() provider.Manifest {
	return provider.Manifest{
		Name: "anthropic", Version: "1.0.0", Config: config{}, Credential: provider.CredentialRequired,
		Hosts:  []string{"api.anthropic.com"},
		Models: models,
		Operations: []provider.Operation{
			{Op: wire.OpChat, Dialect: wire.AnthropicMessages},
			{Op: wire.OpChat, Dialect: wire.OpenAIChat},
			{Op: wire.OpChat, Dialect: wire.OpenAIResponses},
			{Op: wire.OpChat, Dialect: wire.GeminiGenerate},
			{Op: wire.OpCountTokens, Dialect: wire.AnthropicMessages},
			{Op: wire.OpBatches, Dialect: wire.AnthropicMessages},
			{Op: wire.OpPass, Dialect: wire.Raw},
			{Op: wire.OpCredential, Dialect: wire.Raw},
		},
	}
}

// Configure implements provider.Provider.
func (anthropic) Configure(cfg provider.Config) (*provider.Setup, error) {
	c := config{BaseURL: defaultBase, Version: defaultVersion}
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	base, err := baseOf(c.BaseURL)
	if err != nil {
		return nil, err
	}
	lease := func(op wire.Op, d wire.Dialect, path string) provider.Lease {
		return provider.Lease{
			Op: op, Dialect: d, URL: base + path,
			Headers: c.headers(), PassHeaders: []string{"anthropic-version", "anthropic-beta"},
			Models: c.Models, Errors: rules, Rate: rate,
		}
	}
	setup := &provider.Setup{Leases: []provider.Lease{
		lease(wire.OpChat, wire.AnthropicMessages, "/v1/messages"),
		lease(wire.OpCountTokens, wire.AnthropicMessages, "/v1/messages/count_tokens"),
		lease(wire.OpPass, wire.Raw, "{path}"),
		lease(wire.OpCredential, wire.Raw, "/v1/models?limit=1"),
	}}
	if c.Batches == nil && base == defaultBase || c.Batches != nil && *c.Batches {
		setup.Leases = append(setup.Leases, lease(wire.OpBatches, wire.AnthropicMessages, "/v1/messages/batches{path}"))
	}
	if base != defaultBase {
		setup.Models = []provider.Model{} // another service, whose models are its own
	}
	return setup, nil
}

// rate are the headers of https://platform.claude.com/docs/en/api/rate-limits,
// November 2026; the resets are times.
var rate = provider.RateHeaders{
	RequestsLimit: "anthropic-ratelimit-requests-limit", RequestsRemaining: "anthropic-ratelimit-requests-remaining", RequestsReset: "anthropic-ratelimit-requests-reset",
	TokensLimit: "anthropic-ratelimit-tokens-limit", TokensRemaining: "anthropic-ratelimit-tokens-remaining", TokensReset: "anthropic-ratelimit-tokens-reset",
}

// baseOf takes the API's address with or without the /v1 that clients add.
func baseOf(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("base_url %q is not of the form https://host/path; Anthropic's is %s", s, defaultBase)
	}
	return strings.TrimSuffix(strings.TrimRight(s, "/"), "/v1"), nil
}

func (c *config) headers() []provider.Header {
	auth := provider.Key("x-api-key")
	if c.Bearer {
		auth = provider.Bearer()
	}
	out := []provider.Header{auth, provider.Static("anthropic-version", c.Version)}
	if len(c.Beta) > 0 {
		out = append(out, provider.Static("anthropic-beta", strings.Join(c.Beta, ",")))
	}
	names := make([]string, 0, len(c.Headers))
	for name := range c.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		out = append(out, provider.Static(name, c.Headers[name]))
	}
	return out
}
