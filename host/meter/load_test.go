package meter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

// liteLLMSample and modelsDevSample have the shapes of those lists (of
// October 2026), with numbers of their own.
const liteLLMSample = `{
"sample_spec": {"litellm_provider": "one of https://…", "max_tokens": "LEGACY parameter", "input_cost_per_token": 0.0},
"gpt-x": {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 1050000, "max_output_tokens": "128000", "input_cost_per_token": 2.5e-06,
  "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 2.5e-07, "input_cost_per_token_above_272k_tokens": 5e-06, "output_cost_per_token_above_272k_tokens": 2.25e-05,
  "input_cost_per_token_priority": 5e-06, "output_cost_per_token_priority": 3e-05, "input_cost_per_token_batches": 1.25e-06, "output_cost_per_token_batches": 7.5e-06,
  "input_cost_per_token_flex": 1.25e-06, "supports_vision": true, "search_context_cost_per_query": {"search_context_size_low": 0.01}},
"gemini/gemini-x": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 3e-07, "input_cost_per_audio_token": 1e-06, "output_cost_per_token": 2.5e-06, "output_cost_per_reasoning_token": 2.5e-06, "max_input_tokens": 1048576, "max_tokens": 65535},
"anthropic.claude-x-v1:0": {"litellm_provider": "bedrock_converse", "mode": "chat", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06, "cache_read_input_token_cost": 3e-07},
"whisper-x": {"litellm_provider": "openai", "mode": "audio_transcription", "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001},
"tts-x": {"litellm_provider": "openai", "mode": "audio_speech", "input_cost_per_character": 1.5e-05},
"1024-x-1024/dall-x": {"litellm_provider": "openai", "mode": "image_generation", "output_cost_per_image": 0.02},
"hd/1024-x-1792/dall-x": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_pixel": 6.539e-08, "output_cost_per_pixel": 0.0},
"rerank-x": {"litellm_provider": "cohere", "mode": "rerank", "input_cost_per_query": 0.002, "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
"embed-x": {"litellm_provider": "cohere", "mode": "embedding", "input_cost_per_token": 1.2e-07, "max_input_tokens": 8192},
"together_ai/meta/llama-x": {"litellm_provider": "together_ai", "mode": "chat", "input_cost_per_token": 8.8e-07, "output_cost_per_token": 8.8e-07},
"free-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
"half-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06}}`

const modelsDevSample = `{
"openai": {"id": "openai", "name": "OpenAI", "env": ["OPENAI_API_KEY"], "models": {
  "gpt-x": {"id": "gpt-x", "reasoning": true, "modalities": {"input": ["text", "image", "pdf"], "output": ["text"]}, "limit": {"context": 400000, "output": 128000}, "cost": {"input": 1.25, "output": 10, "cache_read": 0.125}},
  "unpriced": {"id": "unpriced", "limit": {"context": 1, "output": 1}}}},
"google": {"models": {"gemini-x": {"limit": {"context": 1048576, "output": 65536}, "cost": {"input": 1.25, "output": 10, "cache_read": 0.31, "input_audio": 3, "context_over_200k": {"input": 2.5, "output": 15, "cache_read": 0.625}}}}},
"amazon-bedrock": {"models": {"anthropic.claude-x": {"cost": {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75}}}},
"x": {"models": {"free": {"cost": {"input": 0, "output": 0}}}}}`

// price is p with what was left out, the zeros, filled.
func price(p call.Price, rest ...func(*call.Price)) call.Price {
	for _, rate := range []*int64{&p.CacheRead, &p.CacheWrite5m, &p.CacheWrite1h, &p.Reasoning, &p.AudioInput, &p.AudioOutput,
		&p.ImageInput, &p.ImageOutput, &p.CacheReadAudio, &p.CacheReadImage} {
		if *rate == 0 {
			*rate = -1
		}
	}
	q := *p.Filled()
	for _, f := range rest {
		f(&q)
	}
	return q
}

func TestLoadLiteLLM(t *testing.T) {
	l, err := parseFile([]byte(liteLLMSample), "a file")
	if err != nil {
		t.Fatal(err)
	}
	f := func(target string, want call.Price) {
		t.Helper()
		m := l.Models[target]
		if m == nil {
			t.Errorf("%s is not there", target)
			return
		}
		got := *m.Price
		got.Long, got.Batch, got.Flex, got.Priority, got.Sizes = nil, nil, nil, nil, nil
		if got != want {
			t.Errorf("%s = %+v; want %+v", target, got, want)
		}
	}
	f("openai/gpt-x", price(call.Price{Input: 25e8, Output: 15e9, CacheRead: 25e7, Context: 1_050_000, MaxOutput: 128_000, LongFrom: 272_000}))
	f("gemini/gemini-x", price(call.Price{Input: 3e8, Output: 25e8, AudioInput: 1e9, Context: 1_048_576, MaxOutput: 65_535}))
	f("bedrock/anthropic.claude-x-v1:0", price(call.Price{Input: 3e9, Output: 15e9, CacheRead: 3e8, CacheWrite5m: 375e7, CacheWrite1h: 6e9}))
	f("openai/whisper-x", call.Price{Hour: 36e7})
	f("openai/tts-x", call.Price{Characters: 15e9})
	f("openai/dall-x", call.Price{Image: 119_991_173}) // 1024 × 1792 × 6.539e-8, the dearest of two
	f("cohere/rerank-x", call.Price{Searches: 2e9})
	f("cohere/embed-x", price(call.Price{Input: 12e7}))
	f("together/meta/llama-x", price(call.Price{Input: 88e7, Output: 88e7}))
	if len(l.Models) != 9 || l.Skipped != 2 || l.Shape != "litellm" {
		t.Errorf("%d models, %d skipped, shape %s; want 9, 2, litellm", len(l.Models), l.Skipped, l.Shape)
	}
	p := l.Models["openai/gpt-x"].Price
	if p.Long == nil || p.Long.Input != 5e9 || p.Long.Output != 225e8 || p.Priority.Output != 30e9 || p.Batch.Input != 125e7 || p.Flex.Output != 15e9 {
		t.Errorf("variants are %+v %+v %+v %+v", p.Long, p.Priority, p.Batch, p.Flex)
	}
	d := l.Models["openai/dall-x"].Price
	if got := d.PerImage([]byte("1024x1024"), nil); got != 2e7 {
		t.Errorf("the small image costs %d; want %d", got, int64(2e7))
	}
}

func TestLoadModelsDev(t *testing.T) {
	l, err := parseFile([]byte(modelsDevSample), "a file")
	if err != nil {
		t.Fatal(err)
	}
	if want := price(call.Price{Input: 125e7, Output: 10e9, CacheRead: 125e6, Context: 400_000, MaxOutput: 128_000}); *l.Models["openai/gpt-x"].Price != want {
		t.Errorf("got %+v; want %+v", *l.Models["openai/gpt-x"].Price, want)
	}
	p := l.Models["gemini/gemini-x"].Price
	if p.AudioInput != 3e9 || p.LongFrom != 200_000 || p.Long == nil || p.Long.Input != 25e8 || p.Long.CacheRead != 625e6 {
		t.Errorf("got %+v, long %+v", p, p.Long)
	}
	if l.Models["bedrock/anthropic.claude-x"] == nil || len(l.Models) != 3 || l.Skipped != 2 || l.Shape != "models.dev" {
		t.Errorf("%d models, %d skipped, shape %s", len(l.Models), l.Skipped, l.Shape)
	}
	if in := l.Models["openai/gpt-x"].In; strings.Join(in, " ") != "text image file" {
		t.Errorf("modalities are %q", in)
	}
}

func TestBadFilesNameModelAndField(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		if _, err := parseFile([]byte(raw), "f"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", raw, err, want)
		}
	}
	lite := func(members string) string {
		return `{"m": {"litellm_provider": "openai", "mode": "chat", "output_cost_per_token": 1e-6, ` + members + `}}`
	}
	f(lite(`"input_cost_per_token": "1e-6"`), `m: input_cost_per_token: "1e-6" is no number`)
	f(lite(`"input_cost_per_token": -1e-6`), `m: input_cost_per_token: -1e-6`)
	f(lite(`"input_cost_per_token": 1e999999999`), `m: input_cost_per_token: `)
	f(lite(`"input_cost_per_token": 1e-999999999`), `is no price`)
	f(lite(`"input_cost_per_token": [1]`), `m: input_cost_per_token: [1] is no number`)
	f(lite(`"input_cost_per_token": 2.5`), `more than 1000 dollars`) // per million, not per token
	f(lite(`"input_cost_per_token": 1e-6, "max_input_tokens": "many"`), `m: max_input_tokens: many is no number of tokens`)
	f(lite(`"input_cost_per_token": 1e-6, "input_cost_per_token_priority": true`), `m: input_cost_per_token_priority: true is no number`)
	f(`{"openai": {"models": {"m": {"cost": {"input": 1, "output": 2000}}}}}`, `openai/m: output: 2000: more than 1000 dollars`)
	f(`{"openai": {"models": {"m": {"cost": {"input": 1, "output": 2, "context_over_200k": {"input": "x"}}}}}}`, `openai/m: context_over_200k: input`)
	f(`{"openai": {"models": {"m": {"limit": {"context": -1}, "cost": {"input": 1, "output": 2}}}}}`, `openai/m: context: -1`)
	f(`{"openai": {"models": []}}`, `openai: it is no provider`)
	f(`{"a": 1}`, `neither LiteLLM's shape`)
	f(`{}`, `neither LiteLLM's shape`)
	f(`[]`, `cannot unmarshal`)
	f(``, `unexpected end`)
}

func TestFilesLieBetweenListsAndConfiguration(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := write("first.json", `{"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
		"gpt-4o-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}}`)
	second := write("second.json", `{"openai": {"models": {"gpt-4o-mini": {"cost": {"input": 2, "output": 2}}, "o3": {"cost": {"input": 2, "output": 2}}}}}`)
	own := &call.Price{Input: 3e9}
	c, err := NewCatalog(map[string]*call.Price{"openai/o3": own}, first, second)
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int64{"openai/gpt-4o": 1e9, "openai/gpt-4o-mini": 2e9, "openai/o3": 3e9, "openai/gpt-4.1": 2e9} {
		if got := c.Price(target).Input; got != want {
			t.Errorf("%s costs %d; want %d", target, got, want)
		}
	}
	if m := c.Model("openai/gpt-4o"); m.Source != first || m.AsOf.IsZero() {
		t.Errorf("its source is %q of %s", m.Source, m.AsOf)
	}
	if _, err := NewCatalog(nil, filepath.Join(dir, "nowhere.json")); err == nil {
		t.Error("a file that is not there is none to miss")
	}
	large := filepath.Join(dir, "large.json")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadFile(large); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v; want an error that names the limit", err)
	}
}

func TestDiff(t *testing.T) {
	c := shipped(t, nil)
	l, err := parseFile([]byte(`{"openai": {"models": {"gpt-5": {"limit": {"context": 400000, "output": 1}, "cost": {"input": 1.25, "output": 11, "cache_read": 0.125}}, "new": {"cost": {"input": 1, "output": 1}}}},
		"google": {"models": {"gemini-2.5-pro": {"cost": {"input": 1.25, "output": 10, "cache_read": 0.125, "context_over_200k": {"input": 2.5, "output": 16, "cache_read": 0.25}}}}}}`), "f")
	if err != nil {
		t.Fatal(err)
	}
	want := map[Difference]bool{
		{"gemini/gemini-2.5-pro", "long.output", 15e9, 16e9}: true,
		{"openai/gpt-5", "output", 10e9, 11e9}:               true, {"openai/gpt-5", "max_output", 128_000, 1}: true,
		{"openai/new", "", -1, 1e9}: true,
	}
	alone := 0
	for _, d := range c.Diff(l) {
		switch {
		case want[d]:
			delete(want, d)
		case d.Field == "" && d.Theirs == -1:
			alone++
		default:
			t.Errorf("unexpected: %+v", d)
		}
	}
	if len(want) > 0 || alone < 50 {
		t.Errorf("not found: %+v; %d of ours alone", want, alone)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(liteLLMSample))
	f.Add([]byte(modelsDevSample))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := parseFile(raw, "f")
		if err != nil {
			return
		}
		for name, m := range l.Models {
			plausible(t, name, m.Price)
			if m.Price.Free() {
				t.Fatalf("%s is free", name)
			}
		}
	})
}
