// Elevenlabs is the provider adapter for ElevenLabs: OpenAI's requests for
// speech and transcription become its own, and audio streams through both ways.
package main

import (
	"net/http"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(elevenlabs{}) }

type elevenlabs struct{}

const (
	defaultBase  = "https://api.elevenlabs.io"
	defaultVoice = "JBFqnCBsd6RMkjVDRZzb" // George, the voice of the API reference's examples
)

// config is the adapter's configuration.
type config struct {
	BaseURL      string            `json:"base_url" doc:"of the API, without /v1; default https://api.elevenlabs.io"`
	Voices       map[string]string `json:"voices" doc:"voice as asked for → voice_id"`
	DefaultVoice string            `json:"default_voice" doc:"voice_id that speaks for those of OpenAI's voices that voices does not name; default George"`
	Formats      map[string]string `json:"formats" doc:"response_format → output_format, for example mp3: mp3_44100_192"`
}

// Manifest implements provider.Provider.
func (elevenlabs) Manifest() provider.Manifest {
	return provider.Manifest{
		Name: "elevenlabs", Version: "1.0.0", Config: config{}, Credential: provider.CredentialRequired,
		Hosts: []string{"api.elevenlabs.io"},
		Operations: []provider.Operation{
			{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech},
			{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription},
			{Op: wire.OpPass, Dialect: wire.Raw},
			{Op: wire.OpCredential, Dialect: wire.Raw},
		},
		Models: models,
	}
}

// models are from https://elevenlabs.io/docs/models, November 2026.
var models = []provider.Model{
	speaks("eleven_v3"), speaks("eleven_multilingual_v2"), speaks("eleven_flash_v2_5"), speaks("eleven_turbo_v2_5"),
	{Name: "scribe_v2", Ops: []wire.Op{wire.OpTranscription}}, {Name: "scribe_v1", Ops: []wire.Op{wire.OpTranscription}},
}

func speaks(name string) provider.Model {
	return provider.Model{Name: name, Ops: []wire.Op{wire.OpSpeech}}
}

// service is the configured adapter.
type service struct {
	config
	client *http.Client
}

// Configure implements provider.Provider.
func (elevenlabs) Configure(cfg provider.Config) (*provider.Setup, error) {
	s := &service{config: config{BaseURL: defaultBase, DefaultVoice: defaultVoice}, client: cfg.Client()}
	if err := cfg.Decode(&s.config); err != nil {
		return nil, err
	}
	base, err := media.Base(s.BaseURL, defaultBase, "/v1")
	if err != nil {
		return nil, err
	}
	s.BaseURL = base
	lease := func(op wire.Op, path string) provider.Lease {
		return provider.Lease{Op: op, Dialect: wire.Raw, URL: base + path, Headers: []provider.Header{provider.Key("xi-api-key")}, Errors: rules}
	}
	tried := lease(wire.OpCredential, "/v1/models")
	tried.Errors = append([]provider.ErrorRule{{Code: "missing_permissions", Class: wire.ClassInvalid}}, rules...) // a key that is good for something else
	return &provider.Setup{
		Leases: []provider.Lease{lease(wire.OpPass, "/v1{path}"), tried},
		Routes: []provider.Route{
			{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech, Handle: s.speak},
			{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Handle: s.transcribe},
		},
	}, nil
}

// rules are ElevenLabs's, by the status or code of an error's detail:
// https://elevenlabs.io/docs/developers/resources/error-messages and
// https://help.elevenlabs.io/hc/en-us/articles/19572237925521, November 2026.
// A used-up quota is a 401 there.
var rules = []provider.ErrorRule{
	{Code: "quota_exceeded", Class: wire.ClassQuota},
	{Code: "max_character_limit_exceeded", Class: wire.ClassContextLength},
	{Code: "text_too_long", Class: wire.ClassContextLength},
	{Code: "model_not_found", Class: wire.ClassModelNotFound},
	{Code: "voice_not_found", Class: wire.ClassInvalid},
	{Code: "system_busy", Class: wire.ClassOverloaded},
	{Code: "too_many_concurrent_requests", Class: wire.ClassRateLimit},
	{Code: "concurrent_limit_exceeded", Class: wire.ClassRateLimit},
	{Code: "content_against_policy", Class: wire.ClassContentFilter},
	{Code: "invalid_api_key", Class: wire.ClassAuth},
	{Code: "detected_unusual_activity", Class: wire.ClassAuth},
	{Status: http.StatusTooEarly, Class: wire.ClassServer},
}

// request begins a request to the service.
func (s *service) request(r *provider.Request, method, url string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(r.Context(), method, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if key := string(r.Credential()); key != "" {
		req.Header.Set("xi-api-key", key)
	}
	return req, nil
}
