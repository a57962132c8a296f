// Openai is the provider adapter for OpenAI and for every service that speaks
// its API: what sets them apart is data, in presets.go. Requests in OpenAI's
// own dialects go straight from the gateway to the service; Anthropic's
// messages are translated here.
package main

import (
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(openai{}) }

type openai struct{}

// Manifest implements provider.Provider.
func (openai) Manifest() provider.Manifest {
	m := provider.Manifest{
		Name: "openai", Version: "1.0.0", Config: config{}, Credential: provider.CredentialOptional,
		Operations: []provider.Operation{
			{Op: wire.OpChat, Dialect: wire.OpenAIChat},
			{Op: wire.OpChat, Dialect: wire.AnthropicMessages},
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings},
		},
	}
	for _, name := range names() {
		if host, err := egress.OfURL(presets[name].baseURL); err == nil {
			m.Hosts = append(m.Hosts, host)
		}
	}
	return m
}

// Configure implements provider.Provider.
func (openai) Configure(cfg provider.Config) (*provider.Setup, error) {
	var c config
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	p, err := c.preset()
	if err != nil {
		return nil, err
	}
	lease := provider.Lease{
		Headers: p.headers, PassHeaders: append(p.pass, passed...), Models: c.Models, Errors: append(p.errors, errors...),
	}
	chat := lease
	chat.Op, chat.Dialect, chat.StreamUsage = wire.OpChat, wire.OpenAIChat, p.streamUsage
	chat.MaxTokens = p.maxTokens
	chat.URL = c.url(p, "/chat/completions")
	setup := &provider.Setup{Leases: []provider.Lease{chat}, Models: p.models}
	if p.embeddings {
		embeddings := lease
		embeddings.Op, embeddings.Dialect = wire.OpEmbeddings, wire.OpenAIEmbeddings
		embeddings.URL = c.url(p, "/embeddings")
		setup.Leases = append(setup.Leases, embeddings)
	}
	return setup, nil
}
