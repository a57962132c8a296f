// Acme is a provider adapter by lease: the gateway talks to the service by
// itself, and the SDK translates the chat dialects that it does not speak.
package main

import (
	"fmt"
	"net/url"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(acme{}) }

type acme struct{}

type config struct {
	BaseURL string `json:"base_url" doc:"of the API; default https://api.acme.example/v1"`
}

func (acme) Manifest() provider.Manifest {
	return provider.Manifest{Name: "acme", Version: "1.0.0", Config: config{}, Hosts: []string{"api.acme.example"},
		Operations: []provider.Operation{{Op: wire.OpChat, Dialect: wire.OpenAIChat}, {Op: wire.OpChat, Dialect: wire.AnthropicMessages}},
		Models:     []provider.Model{{Name: "acme-large", Ops: []wire.Op{wire.OpChat}, Capabilities: []string{"tools"}, Context: 128_000}}}
}

func (acme) Configure(cfg provider.Config) (*provider.Setup, error) {
	c := config{BaseURL: "https://api.acme.example/v1"}
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("base_url %q is not of the form https://host/path", c.BaseURL)
	}
	return &provider.Setup{Leases: []provider.Lease{{
		Op: wire.OpChat, Dialect: wire.OpenAIChat, URL: c.BaseURL + "/chat/completions", StreamUsage: true,
		Headers: []provider.Header{provider.Bearer(), provider.Static("x-acme-client", "signalbox")},
		Errors:  []provider.ErrorRule{{Status: 429, Code: "out_of_credit", Class: wire.ClassQuota}},
	}}}, nil
}
