package migrate

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write what the samples become")

// TestSamples compares what becomes of testdata's files, notes included, with
// what lies beside them.
func TestSamples(t *testing.T) {
	f := func(name string, convert func([]byte) (*Result, error), lost int) {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		r, err := convert(raw)
		if err != nil {
			t.Fatal(err)
		}
		if r.Lost() != lost {
			t.Errorf("%s: %d settings are lost; want %d", name, r.Lost(), lost)
		}
		var got bytes.Buffer
		got.Write(r.Config)
		for _, n := range r.Notes {
			fmt.Fprintf(&got, "# lost=%v %s: %s. %s.\n", n.Lost, n.Where, n.Why, n.Remedy)
			if n.Why == "" || n.Remedy == "" {
				t.Errorf("%s: the note about %s says not why, or not what to do", name, n.Where)
			}
		}
		base, _, _ := strings.Cut(name, ".")
		path := filepath.Join("testdata", base+".want.yaml")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s becomes\n%s\nwant\n%s", name, got.Bytes(), want)
		}
	}
	f("small.yaml", LiteLLM, 0)
	f("large.yaml", LiteLLM, 13)
	f("bifrost.json", Bifrost, 8)
}

// convert converts text and reads what came of it.
func convert(t *testing.T, text string) (*Result, map[string]any) {
	t.Helper()
	r, err := LiteLLM([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := yaml.Unmarshal(r.Config, &out); err != nil {
		t.Fatal(err)
	}
	return r, out
}

// TestModels tells which target a model of LiteLLM's becomes.
func TestModels(t *testing.T) {
	f := func(params, want string) {
		t.Helper()
		_, out := convert(t, "model_list: [{model_name: m, litellm_params: {"+params+"}}]")
		got := "none"
		if m, ok := out["models"].(map[string]any)["m"].(map[string]any); ok {
			target := m["targets"].([]any)[0].(map[string]any)["model"].(string)
			name, _, _ := strings.Cut(target, "/")
			got = target + " " + fmt.Sprint(out["providers"].(map[string]any)[name])
		}
		if got != want {
			t.Errorf("%s becomes\n%s; want\n%s", params, got, want)
		}
	}
	f("model: gpt-4o", "openai/gpt-4o map[adapter:openai credentials:[map[name:main value:${env:OPENAI_API_KEY}]]]")
	f("model: openai/gpt-4o, api_key: sk-1", "openai/gpt-4o map[adapter:openai credentials:[map[name:main value:sk-1]]]")
	f("model: claude-3-5-sonnet, api_key: 'a${b}'", "anthropic/claude-3-5-sonnet map[adapter:anthropic credentials:[map[name:main value:a$${b}]]]")
	f("model: llama3, custom_llm_provider: ollama", "ollama/llama3 map[adapter:openai config:map[preset:ollama]]")
	f("model: together_ai/meta/llama, api_key: k", "together-ai/meta/llama map[adapter:openai config:map[preset:together] credentials:[map[name:main value:k]]]")
	f("model: my-model, api_base: 'http://10.1.2.3:8000/v1', api_key: none", "openai/my-model map[adapter:openai config:map[base_url:http://10.1.2.3:8000/v1] hosts:[10.1.2.3:8000]]")
	f("model: azure/d1, api_base: 'https://r.openai.azure.com', api_key: k, api_version: '2024-06-01'",
		"azure/d1 map[adapter:openai config:map[base_url:https://r.openai.azure.com preset:azure-classic query:api-version=2024-06-01] credentials:[map[name:main value:k]]]")
	f("model: bedrock/converse/us.anthropic.claude, aws_region_name: eu-central-1",
		"bedrock/us.anthropic.claude map[adapter:bedrock config:map[region:eu-central-1] credentials:[map[name:main value:${env:AWS_ACCESS_KEY_ID}:${env:AWS_SECRET_ACCESS_KEY}]]]")
	f("model: azure/d1", "none")
	f("model: hosted_vllm/x", "none")
	f("model: watsonx/granite", "none")
	f("model: gpt-4o, litellm_credential_name: nobody", "none")
}

// TestCaches tells what becomes of LiteLLM's caches.
func TestCaches(t *testing.T) {
	f := func(params, want string, lost int) {
		t.Helper()
		r, out := convert(t, "model_list: [{model_name: embed, litellm_params: {model: text-embedding-3-small}}]\nlitellm_settings: {cache: true, cache_params: {"+params+"}}")
		if got := fmt.Sprint(out["cache"], out["counters"]); got != want || r.Lost() != lost {
			t.Errorf("%s becomes %s, %d lost; want %s, %d: %+v", params, got, r.Lost(), want, lost, r.Notes)
		}
	}
	f("", "map[exact:map[]] <nil>", 0)
	f("type: local, ttl: 90", "map[exact:map[ttl:90s]] <nil>", 0)
	f("type: redis, host: r, port: 6380, password: os.environ/P, ttl: 600", "map[exact:map[ttl:600s]] map[url:redis://:${env:P}@r:6380]", 0)
	f("type: disk, disk_cache_dir: /x, ttl: 1, mode: default_off", "map[exact:map[disk:1GiB models:listed ttl:1s]] <nil>", 0)
	f("type: s3, s3_bucket_name: b, s3_region_name: r, ttl: 1", "map[exact:map[ttl:1s]] <nil>", 0)
	f("type: local, ttl: 1, supported_call_types: [acompletion, aembedding, atranscription]", "map[exact:map[operations:[chat embeddings] ttl:1s]] <nil>", 1)
	f("type: redis-semantic, ttl: 60, similarity_threshold: 0.8, redis_semantic_cache_embedding_model: embed", "map[semantic:map[model:embed threshold:0.8 ttl:60s]] <nil>", 0)
	f("type: qdrant-semantic, ttl: 60, qdrant_api_base: x, qdrant_semantic_cache_embedding_model: nobody", "<nil> <nil>", 2)
	f("type: local, ttl: 1, made_up: 3", "map[exact:map[ttl:1s]] <nil>", 1)
}

func TestRefusals(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := LiteLLM([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
	f("providers: {}", "it has none of model_list")
	f("[", "cannot read the configuration")
	f("", "it has none of model_list")
	for text, want := range map[string]string{"[]": "cannot read the configuration", `{"providers": 1}`: "it has no providers", "": "cannot read"} {
		if _, err := Bifrost([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

func FuzzBifrost(f *testing.F) {
	raw, err := os.ReadFile("testdata/bifrost.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"providers": {"openai": {"keys": [1, {"aliases": {"a": 1}, "models": "x"}], "network_config": {"base_url": "::"}}, "x": 1}, "governance": [], "mcp": {"client_configs": [{}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Bifrost(raw)
		if err != nil {
			return
		}
		var out any
		if err := yaml.Unmarshal(r.Config, &out); err != nil {
			t.Errorf("what is written is no YAML: %v\n%s", err, r.Config)
		}
	})
}

func TestWindows(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, ok := windowOf(text)
		if fmt.Sprintf("%v %v", got, ok) != want {
			t.Errorf("%q is %v %v; want %s", text, got, ok, want)
		}
	}
	f("30d", "month true")
	f("1mo", "month true")
	f("7d", "week true")
	f("1d", "day true")
	f("24h", "day true")
	f("1h", "hour true")
	f("3d", "map[size:3 unit:day] true")
	f("", "total true")
	f("10m", "total false")
	f("soon", "total false")
}

func FuzzLiteLLM(f *testing.F) {
	for _, name := range []string{"small", "large"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("model_list: [1, {model_name: [], litellm_params: {model: {}}}, {litellm_params: 7}]"))
	f.Add([]byte("router_settings: {fallbacks: [[], {a: 1}], model_group_alias: {a: [b]}, provider_budget_config: {x: 1}}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := LiteLLM(raw)
		if err != nil {
			return
		}
		var out any
		if err := yaml.Unmarshal(r.Config, &out); err != nil {
			t.Errorf("what is written is no YAML: %v\n%s", err, r.Config)
		}
	})
}
