package meter

import (
	"encoding/json"
	"fmt"

	"github.com/signalbox-ai/signalbox/host/call"
)

// modelsDev takes in one provider of a file in the shape of models.dev.
func (l *Loaded) modelsDev(id string, raw json.RawMessage) error {
	var provider struct {
		Models map[string]struct {
			Cost  map[string]json.RawMessage `json:"cost"`
			Limit map[string]json.RawMessage `json:"limit"`
			Modes struct {
				Input  []string `json:"input"`
				Output []string `json:"output"`
			} `json:"modalities"`
		} `json:"models"`
	}
	if err := json.Unmarshal(raw, &provider); err != nil {
		return fmt.Errorf("%s: it is no provider: %w", id, err)
	}
	for _, name := range sortedNames(provider.Models) {
		entry := provider.Models[name]
		f := fields{model: id + "/" + name, members: entry.Cost}
		p, err := f.modelsDevPrice()
		if err != nil {
			return err
		}
		limit := fields{model: f.model, members: entry.Limit}
		if p != nil {
			p.Context, p.MaxOutput = limit.count("context"), limit.count("output")
			if p.Output == 0 {
				p.Context = 0 // embeddings take many inputs
			}
		}
		if limit.err != nil {
			return limit.err
		}
		l.put(ourProvider(id), name, p, &Model{In: modelsDevModes(entry.Modes.Input), Out: modelsDevModes(entry.Modes.Output)})
	}
	return nil
}

func modelsDevModes(modes []string) []string {
	for i := range modes {
		if modes[i] == "pdf" {
			modes[i] = "file"
		}
	}
	return modes
}

func (f *fields) modelsDevPrice() (*call.Price, error) {
	if len(f.members) == 0 {
		return nil, nil
	}
	p := wholePrice(f.modelsDevRates())
	if raw := f.members["context_over_200k"]; p != nil && len(raw) > 0 && string(raw) != "null" {
		over := fields{model: f.model + ": context_over_200k"}
		if err := json.Unmarshal(raw, &over.members); err != nil {
			return nil, fmt.Errorf("%s: it is no object", over.model)
		}
		p.Long, p.LongFrom = wholePrice(over.modelsDevRates()), 200_000
		if over.err != nil {
			return nil, over.err
		}
	}
	return p, f.err
}

// modelsDevRates are already for a million tokens.
func (f *fields) modelsDevRates() *call.Price {
	return &call.Price{
		Input: f.rate("input", 1, -1), Output: f.rate("output", 1, -1), CacheRead: f.rate("cache_read", 1, -1),
		CacheWrite5m: f.rate("cache_write", 1, -1), CacheWrite1h: -1, Reasoning: f.rate("reasoning", 1, -1),
		AudioInput: f.rate("input_audio", 1, -1), AudioOutput: f.rate("output_audio", 1, -1),
		ImageInput: -1, ImageOutput: -1, CacheReadAudio: -1, CacheReadImage: -1,
	}
}
