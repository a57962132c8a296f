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
	shelf    shelf
}

// Manifest implements provider.Provider.
func (*demo) Manifest() provider.Manifest {
	return provider.Manifest{
		Name: "demo", Version: "1.0.0", Credential: provider.CredentialNone, Config: controls{},
		Operations: operations(new(demo).routes()),
		Models:     models(),
	}
}

func models() (list []provider.Model) {
	for _, name := range chatModels {
		list = append(list, provider.Model{
			Name: name, Ops: []wire.Op{wire.OpChat, wire.OpCompletions, wire.OpCountTokens}, Capabilities: []string{"tools", "images", "reasoning"},
			Context: 128_000, MaxOutput: 16_384,
		})
	}
	for _, m := range []struct {
		name string
		ops  []wire.Op
	}{
		{embedModel, []wire.Op{wire.OpEmbeddings}},
		{imageModel, []wire.Op{wire.OpImages, wire.OpImageEdits}},
		{speechModel, []wire.Op{wire.OpSpeech}},
		{transcribeModel, []wire.Op{wire.OpTranscription, wire.OpTranslation}},
		{moderateModel, []wire.Op{wire.OpModeration}},
		{rerankModel, []wire.Op{wire.OpRerank}},
	} {
		list = append(list, provider.Model{Name: m.name, Ops: m.ops, Context: 8192})
	}
	return list
}

func operations(routes []provider.Route) (list []provider.Operation) {
	for _, r := range routes {
		list = append(list, provider.Operation{Op: r.Op, Dialect: r.Dialect})
	}
	return list
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
	return &provider.Setup{Routes: d.routes()}, nil
}

func (d *demo) routes() []provider.Route {
	list := []provider.Route{
		{Op: wire.OpChat, Dialect: wire.OpenAIChat, Handle: d.chat(openAI{})},
		{Op: wire.OpChat, Dialect: wire.AnthropicMessages, Handle: d.chat(anthropic{})},
		{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Handle: d.embed},
		{Op: wire.OpCompletions, Dialect: wire.OpenAICompletions, Handle: d.complete},
		{Op: wire.OpCountTokens, Dialect: wire.AnthropicMessages, Handle: d.count},
		{Op: wire.OpCountTokens, Dialect: wire.GeminiGenerate, Handle: d.count},
		{Op: wire.OpImages, Dialect: wire.OpenAIImages, Handle: d.images},
		{Op: wire.OpImageEdits, Dialect: wire.OpenAIImageEdits, Handle: d.edits},
		{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech, Handle: d.speak},
		{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Handle: d.hear},
		{Op: wire.OpTranslation, Dialect: wire.OpenAITranslation, Handle: d.hear},
		{Op: wire.OpModeration, Dialect: wire.OpenAIModeration, Handle: d.moderate},
		{Op: wire.OpRerank, Dialect: wire.CohereRerank, Handle: d.rerank},
		{Op: wire.OpFiles, Dialect: wire.OpenAIFiles, Handle: d.keepFiles},
		{Op: wire.OpBatches, Dialect: wire.OpenAIBatches, Handle: d.runBatches},
	}
	for _, dialect := range []wire.Dialect{wire.OpenAIResponses, wire.GeminiGenerate} {
		if handle := d.translated(dialect); handle != nil {
			list = append(list, provider.Route{Op: wire.OpChat, Dialect: dialect, Handle: handle})
		}
	}
	return list
}
