// Stability is the provider adapter for Stability AI's Stable Image API:
// OpenAI's requests for images and edits become its own.
package main

import (
	"net/http"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(stability{}) }

type stability struct{}

const defaultBase = "https://api.stability.ai"

// config is the adapter's configuration.
type config struct {
	BaseURL  string  `json:"base_url" doc:"of the API, without /v2beta; default https://api.stability.ai"`
	Strength float64 `json:"strength" doc:"how far an edit without a mask may go from its image, 0 to 1; default 0.7"`
}

// Manifest implements provider.Provider.
func (stability) Manifest() provider.Manifest {
	return provider.Manifest{
		Name: "stability", Version: "1.0.0", Config: config{}, Credential: provider.CredentialRequired,
		Hosts: []string{"api.stability.ai"},
		Operations: []provider.Operation{
			{Op: wire.OpImages, Dialect: wire.OpenAIImages},
			{Op: wire.OpImageEdits, Dialect: wire.OpenAIImageEdits},
			{Op: wire.OpPass, Dialect: wire.Raw},
			{Op: wire.OpCredential, Dialect: wire.Raw},
		},
		Models: models(),
	}
}

func models() (list []provider.Model) {
	for _, name := range []string{"ultra", "core", "sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash"} {
		list = append(list, provider.Model{Name: name, Ops: []wire.Op{wire.OpImages, wire.OpImageEdits}})
	}
	return append(list, provider.Model{Name: "inpaint", Ops: []wire.Op{wire.OpImageEdits}})
}

// service is the configured adapter.
type service struct {
	config
	client *http.Client
}

// Configure implements provider.Provider.
func (stability) Configure(cfg provider.Config) (*provider.Setup, error) {
	s := &service{config: config{BaseURL: defaultBase, Strength: 0.7}, client: cfg.Client()}
	if err := cfg.Decode(&s.config); err != nil {
		return nil, err
	}
	base, err := media.Base(s.BaseURL, defaultBase, "/v2beta")
	if err != nil {
		return nil, err
	}
	if !(s.Strength >= 0 && s.Strength <= 1) {
		return nil, media.Bad("strength", "is %g; want 0 to 1", s.Strength)
	}
	s.BaseURL = base
	lease := func(op wire.Op, path string, rules []provider.ErrorRule) provider.Lease {
		return provider.Lease{Op: op, Dialect: wire.Raw, URL: base + path, Headers: []provider.Header{provider.Bearer()}, Errors: rules}
	}
	return &provider.Setup{
		Leases: []provider.Lease{lease(wire.OpPass, "{path}", rules), lease(wire.OpCredential, "/v1/user/balance", nil)},
		Routes: []provider.Route{
			{Op: wire.OpImages, Dialect: wire.OpenAIImages, Handle: s.generate},
			{Op: wire.OpImageEdits, Dialect: wire.OpenAIImageEdits, Handle: s.edit},
		},
	}, nil
}

// rules are Stability's, by the name of an error:
// https://platform.stability.ai/docs/api-reference, November 2026. A 403 is
// about what the request shows, not about the key.
var rules = []provider.ErrorRule{
	{Code: "content_moderation", Class: wire.ClassContentFilter},
	{Code: "unauthorized", Class: wire.ClassAuth},
	{Code: "permission_denied", Class: wire.ClassAuth},
	{Code: "payment_required", Class: wire.ClassQuota},
	{Code: "insufficient_balance", Class: wire.ClassQuota},
	{Code: "rate_limit_exceeded", Class: wire.ClassRateLimit},
	{Code: "service_unavailable", Class: wire.ClassOverloaded},
	{Status: http.StatusForbidden, Class: wire.ClassContentFilter},
}
