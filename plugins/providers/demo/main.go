// Demo is a provider adapter that answers by itself: the same answer to the
// same request, with the latency, the chunks and the faults that the request
// asks for. Examples, tests and benchmarks run on it without an outside
// service. README.md lists what can be asked for.
package main

import (
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(&demo{}) }

// demo is the adapter.
type demo struct {
	defaults atomic.Pointer[controls]
	requests atomic.Int64 // to the flaky model
}

// Manifest implements provider.Provider.
func (*demo) Manifest() provider.Manifest {
	return provider.Manifest{
		Name: "demo", Version: "1.0.0", Credential: provider.CredentialNone, Config: controls{},
		Operations: []provider.Operation{
			{Op: wire.OpChat, Dialect: wire.OpenAIChat},
			{Op: wire.OpChat, Dialect: wire.AnthropicMessages},
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings},
		},
		Models: models(),
	}
}

func models() (list []provider.Model) {
	for _, name := range chatModels {
		list = append(list, provider.Model{
			Name: name, Ops: []wire.Op{wire.OpChat}, Capabilities: []string{"tools", "images", "reasoning"},
			Context: 128_000, MaxOutput: 16_384,
		})
	}
	return append(list, provider.Model{Name: embedModel, Ops: []wire.Op{wire.OpEmbeddings}, Context: 8192})
}

// Configure implements provider.Provider. The configuration holds the controls
// of requests that name none.
func (d *demo) Configure(cfg provider.Config) (*provider.Setup, error) {
	var c controls
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	d.defaults.Store(&c)
	return &provider.Setup{Routes: []provider.Route{
		{Op: wire.OpChat, Dialect: wire.OpenAIChat, Handle: d.chat(openAI{})},
		{Op: wire.OpChat, Dialect: wire.AnthropicMessages, Handle: d.chat(anthropic{})},
		{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Handle: d.embed},
	}}, nil
}
