// Deepgram is the provider adapter for Deepgram: OpenAI's requests for
// transcription and speech become its own.
package main

import (
	"fmt"
	"net/http"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(deepgram{}) }

type deepgram struct{}

const (
	defaultBase = "https://api.deepgram.com"
	defaultMost = 512 // MB of an upload
)

// config is the adapter's configuration.
type config struct {
	BaseURL string            `json:"base_url" doc:"of the API, without /v1; default https://api.deepgram.com"`
	Voices  map[string]string `json:"voices" doc:"voice as asked for → Deepgram's voice model, for example alloy: aura-2-thalia-en"`
	Listen  map[string]string `json:"listen" doc:"further query of transcriptions, for example {numerals: \"true\"}; a caller's own fields win"`
	MaxMB   int64             `json:"max_upload_mb" doc:"largest audio file in MB; default 512"`
}

// Manifest implements provider.Provider.
func (deepgram) Manifest() provider.Manifest {
	return provider.Manifest{
		Name: "deepgram", Version: "1.0.0", Config: config{}, Credential: provider.CredentialRequired,
		Hosts: []string{"api.deepgram.com"},
		Operations: []provider.Operation{
			{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription},
			{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech},
			{Op: wire.OpPass, Dialect: wire.Raw},
			{Op: wire.OpCredential, Dialect: wire.Raw},
		},
		Models: models,
	}
}

// models are from https://developers.deepgram.com/docs/models-languages-overview
// and https://developers.deepgram.com/docs/tts-models, November 2026.
var models = []provider.Model{
	{Name: "nova-3", Ops: []wire.Op{wire.OpTranscription}}, {Name: "nova-3-medical", Ops: []wire.Op{wire.OpTranscription}},
	{Name: "nova-2", Ops: []wire.Op{wire.OpTranscription}}, {Name: "whisper-large", Ops: []wire.Op{wire.OpTranscription}},
	{Name: "aura-2", Ops: []wire.Op{wire.OpSpeech}}, {Name: "aura-2-thalia-en", Ops: []wire.Op{wire.OpSpeech}},
}

// service is the configured adapter.
type service struct {
	config
	client *http.Client
}

// Configure implements provider.Provider.
func (deepgram) Configure(cfg provider.Config) (*provider.Setup, error) {
	s := &service{config: config{BaseURL: defaultBase, MaxMB: defaultMost}, client: cfg.Client()}
	if err := cfg.Decode(&s.config); err != nil {
		return nil, err
	}
	base, err := media.Base(s.BaseURL, defaultBase, "/v1")
	if err != nil {
		return nil, err
	}
	if s.MaxMB < 1 || s.MaxMB > 1<<20 {
		return nil, fmt.Errorf("max_upload_mb is %d; want 1 to %d", s.MaxMB, 1<<20)
	}
	for name := range s.Listen {
		if !listenOptions[name] {
			return nil, fmt.Errorf("listen: %q is no option of transcriptions, or one that sends them elsewhere", name)
		}
	}
	s.BaseURL = base
	lease := func(op wire.Op, path string) provider.Lease {
		return provider.Lease{Op: op, Dialect: wire.Raw, URL: base + path, Errors: rules,
			Headers: []provider.Header{{Name: "Authorization", Prefix: "Token ", Credential: true}}}
	}
	return &provider.Setup{
		// https://developers.deepgram.com/docs/authenticating has /auth/token tell of the key.
		Leases: []provider.Lease{lease(wire.OpPass, "/v1{path}"), lease(wire.OpCredential, "/v1/auth/token")},
		Routes: []provider.Route{
			{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Handle: s.listen},
			{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech, Handle: s.speak},
		},
	}, nil
}

// rules are Deepgram's, from https://developers.deepgram.com/docs/errors,
// November 2026.
var rules = []provider.ErrorRule{
	{Status: http.StatusPaymentRequired, Class: wire.ClassQuota},
	{Code: "ASR_PAYMENT_REQUIRED", Class: wire.ClassQuota},
	{Status: http.StatusForbidden, Code: "does not have access to the requested model", Class: wire.ClassModelNotFound},
	{Code: "INSUFFICIENT_PERMISSIONS", Class: wire.ClassAuth},
	{Code: "INVALID_AUTH", Class: wire.ClassAuth},
	{Code: "TOO_MANY_REQUESTS", Class: wire.ClassRateLimit},
	{Code: "No such model/language/tier combination found", Class: wire.ClassModelNotFound},
	{Code: "exceeds the maximum", Class: wire.ClassContextLength},
	{Status: http.StatusGatewayTimeout, Class: wire.ClassTimeout},
}

// request begins a POST to the service.
func (s *service) request(r *provider.Request, url string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if key := string(r.Credential()); key != "" {
		req.Header.Set("Authorization", "Token "+key)
	}
	return req, nil
}

// failure reads an error in either of Deepgram's forms.
func failure(resp *http.Response) error { return media.Failure(resp, rules) }
