package config

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// OllamaAddr is where an Ollama listens unless it was told otherwise.
const OllamaAddr = "127.0.0.1:11434"

// Detected is a provider that was added without being asked for.
type Detected struct {
	Name string
	Why  string // "OPENAI_API_KEY is set"
}

// services are the providers that a key in the environment stands for. A
// preset is the openai adapter's data on a service that speaks OpenAI's API.
var services = []struct{ variable, name, adapter, preset string }{
	{"OPENAI_API_KEY", "openai", "openai", ""},
	{"ANTHROPIC_API_KEY", "anthropic", "anthropic", ""},
	{"GEMINI_API_KEY", "gemini", "gemini", ""},
	{"AWS_BEARER_TOKEN_BEDROCK", "bedrock", "bedrock", ""},
	{"COHERE_API_KEY", "cohere", "cohere", ""},
	{"GROQ_API_KEY", "groq", "openai", "groq"},
	{"MISTRAL_API_KEY", "mistral", "openai", "mistral"},
	{"DEEPSEEK_API_KEY", "deepseek", "openai", "deepseek"},
	{"XAI_API_KEY", "xai", "openai", "xai"},
	{"OPENROUTER_API_KEY", "openrouter", "openai", "openrouter"},
	{"TOGETHER_API_KEY", "together", "openai", "together"},
	{"FIREWORKS_API_KEY", "fireworks", "openai", "fireworks"},
	{"PERPLEXITY_API_KEY", "perplexity", "openai", "perplexity"},
	{"CEREBRAS_API_KEY", "cerebras", "openai", "cerebras"},
	{"ELEVENLABS_API_KEY", "elevenlabs", "elevenlabs", ""},
	{"DEEPGRAM_API_KEY", "deepgram", "deepgram", ""},
	{"STABILITY_API_KEY", "stability", "stability", ""},
	{"HF_TOKEN", "huggingface", "huggingface", ""},
}

// Detect adds the providers whose key is in the environment, and an Ollama
// that answers at addr ("": none is looked for). What is defined stays.
func (c *Config) Detect(environ map[string]string, addr string) {
	for _, s := range services {
		key := environ[s.variable]
		if key == "" || !printable(key) {
			continue
		}
		p := Provider{Adapter: Adapter{Name: s.adapter}, Credentials: []Credential{{Name: "main", Value: Secret(key)}}}
		if s.preset != "" {
			p.Config = Settings{"preset": s.preset}
		}
		c.detected(s.name, s.variable+" is set", p)
	}
	if addr != "" && isOllama(addr) {
		c.detected("ollama", "it answers at "+addr, Provider{
			Adapter: Adapter{Name: "openai"},
			Config:  Settings{"base_url": "http://" + addr + "/v1"},
			Hosts:   []string{addr},
		})
		free := USD(0)
		if c.Prices == nil {
			c.Prices = map[string]Price{}
		}
		c.Prices["ollama/*"] = Price{Input: &free, Output: &free}
	}
}

func (c *Config) detected(name, why string, p Provider) {
	if _, ok := c.Providers[name]; ok {
		return
	}
	if c.Providers == nil {
		c.Providers = map[string]Provider{}
	}
	c.Providers[name] = p
	c.Detected = append(c.Detected, Detected{Name: name, Why: why})
}

// isOllama asks for the version, so that another program on the port is not
// taken for one. Nobody listening answers at once.
func isOllama(addr string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/api/version", http.NoBody)
	if err != nil {
		return false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var answer struct{ Version string }
	err = json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&answer)
	return err == nil && resp.StatusCode == http.StatusOK && answer.Version != ""
}
