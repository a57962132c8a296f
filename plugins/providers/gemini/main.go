// Gemini is the provider adapter for Google's models, by the Gemini API (Google
// AI Studio, with an API key) or by Vertex AI (with a Google Cloud identity).
// Gemini's own requests go straight to Google; other chat dialects are
// translated on the way, and embeddings, images and speech are served here.
package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(&gemini{now: time.Now}) }

type gemini struct {
	now     func() time.Time
	current atomic.Pointer[service] // of the last configuration, for Token
}

// service is Google's API as it is configured.
type service struct {
	vertex   bool
	base     string // of the API, without its version
	models   string // URL of the models, without a trailing slash
	metadata string // of the metadata server
	voices   map[string]string
	names    map[string]string // of models
	headers  []provider.Header
	client   *http.Client
	now      func() time.Time
}

// config is the adapter's configuration.
type config struct {
	API          string            `json:"api" doc:"studio: the Gemini API with an API key; vertex: Vertex AI with a Google Cloud identity; default studio" enum:"studio,vertex"`
	BaseURL      string            `json:"base_url" doc:"of the API, without its version; default the API's own, for vertex that of the location"`
	APIVersion   string            `json:"api_version" doc:"default v1beta for studio, v1 for vertex"`
	Project      string            `json:"project" doc:"Google Cloud project, for vertex"`
	Location     string            `json:"location" doc:"Google Cloud location, for vertex; default global"`
	QuotaProject string            `json:"quota_project" doc:"Google Cloud project that is billed, if it is not the identity's own"`
	MetadataURL  string            `json:"metadata_url" doc:"of the metadata server, for the credential \"metadata\"; default http://metadata.google.internal"`
	Voices       map[string]string `json:"voices" doc:"voice as asked for → as Google calls it"`
	Models       map[string]string `json:"models" doc:"model as asked for → as Google calls it"`
}

const (
	studioURL   = "https://generativelanguage.googleapis.com"
	metadataURL = "http://metadata.google.internal"
	tokenHost   = "oauth2.googleapis.com"
)

// Manifest implements provider.Provider.
func (*gemini) Manifest() provider.Manifest {
	m := provider.Manifest{
		Name: "gemini", Version: "1.0.0", Config: config{}, Credential: provider.CredentialRequired, Models: models,
		Operations: []provider.Operation{
			{Op: wire.OpChat, Dialect: wire.GeminiGenerate}, {Op: wire.OpChat, Dialect: wire.OpenAIChat},
			{Op: wire.OpChat, Dialect: wire.AnthropicMessages}, {Op: wire.OpChat, Dialect: wire.OpenAIResponses},
			{Op: wire.OpCountTokens, Dialect: wire.GeminiGenerate}, {Op: wire.OpCountTokens, Dialect: wire.AnthropicMessages},
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings}, {Op: wire.OpImages, Dialect: wire.OpenAIImages},
			{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech}, {Op: wire.OpCredential, Dialect: wire.Raw},
		},
	}
	m.Hosts = []string{strings.TrimPrefix(studioURL, "https://"), tokenHost}
	for _, l := range locations {
		m.Hosts = append(m.Hosts, vertexHost(l))
	}
	m.HostsBy = map[string]map[string][]string{"api": {"": m.Hosts[:1], "studio": m.Hosts[:1], "vertex": m.Hosts[1:]}}
	return m
}

// Configure implements provider.Provider.
func (g *gemini) Configure(cfg provider.Config) (*provider.Setup, error) {
	c := config{API: "studio", Location: "global", MetadataURL: metadataURL}
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	s := &service{vertex: c.API == "vertex", voices: c.Voices, names: c.Models, client: cfg.Client(), now: g.now, headers: []provider.Header{provider.Key("x-goog-api-key")}}
	if c.API != "studio" && c.API != "vertex" {
		return nil, fmt.Errorf("api %q is unknown; want studio or vertex", c.API)
	}
	if err := s.place(&c); err != nil {
		return nil, err
	}
	g.current.Store(s)
	lease := provider.Lease{Op: wire.OpChat, Dialect: wire.GeminiGenerate, Headers: s.headers, Models: c.Models, Errors: rules,
		URL: s.models + "/{model}:generateContent", StreamURL: s.models + "/{model}:streamGenerateContent?alt=sse"}
	count := lease
	count.Op, count.URL, count.StreamURL = wire.OpCountTokens, s.models+"/{model}:countTokens", ""
	return &provider.Setup{
		Leases: []provider.Lease{lease, count, s.tried()},
		Routes: []provider.Route{
			{Op: wire.OpCountTokens, Dialect: wire.AnthropicMessages, Handle: s.countTokens},
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Handle: s.embed},
			{Op: wire.OpImages, Dialect: wire.OpenAIImages, Handle: s.images},
			{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech, Handle: s.speech},
		},
	}, nil
}

// tried is the list of models. Vertex AI has one of all projects, which an
// identity may be good for without being allowed to see it.
func (s *service) tried() provider.Lease {
	l := provider.Lease{Op: wire.OpCredential, Dialect: wire.Raw, Headers: s.headers, Errors: rules, URL: s.models + "?pageSize=1"}
	if s.vertex {
		l.URL = s.base + "/v1beta1/publishers/google/models?pageSize=1"
		l.Errors = append([]provider.ErrorRule{{Status: http.StatusForbidden, Class: wire.ClassInvalid}}, rules...)
	}
	return l
}

// place decides where the API is.
func (s *service) place(c *config) error {
	base, version, own := c.BaseURL, c.APIVersion, studioURL
	if s.vertex {
		own = "https://" + vertexHost(c.Location)
	}
	if base == "" {
		base = own
	}
	base, err := media.Base(base, own, "")
	if err != nil {
		return err
	}
	if s.metadata, err = media.Base(c.MetadataURL, metadataURL, ""); err != nil {
		return fmt.Errorf("metadata_url: %w", err)
	}
	if version == "" {
		if version = "v1beta"; s.vertex {
			version = "v1"
		}
	}
	s.base, s.models = base, base+"/"+version+"/models"
	if c.QuotaProject != "" {
		s.headers = append(s.headers, provider.Static("x-goog-user-project", c.QuotaProject))
	}
	for _, p := range []struct{ name, value string }{
		{"api_version", version}, {"location", c.Location}, {"project", c.Project}, {"quota_project", c.QuotaProject},
	} {
		if !plain(p.value) {
			return fmt.Errorf("%s %q may hold letters, digits and -_.: alone", p.name, p.value)
		}
	}
	switch {
	case !s.vertex && c.Project != "":
		return fmt.Errorf(`project is of Vertex AI: set api to "vertex", or leave it out`)
	case !s.vertex:
		return nil
	case c.Project == "":
		return fmt.Errorf("project is missing: Vertex AI serves a Google Cloud project")
	}
	s.models = base + "/" + version + "/projects/" + c.Project + "/locations/" + c.Location + "/publishers/google/models"
	s.headers[0] = provider.Bearer()
	return nil
}

// plain reports whether s can be a part of a URL's path and of a header.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:", c)
	}) && strings.Trim(s, ".") == s
}

// vertexHost is where Vertex AI serves a location.
func vertexHost(location string) string {
	switch location {
	case "global":
		return "aiplatform.googleapis.com"
	case "us", "eu": // multi-regions
		return "aiplatform." + location + ".rep.googleapis.com"
	}
	return location + "-aiplatform.googleapis.com"
}

// locations are those where Gemini is served. Source: https://docs.cloud.google.com/
// vertex-ai/generative-ai/docs/learn/locations, November 2026. Another one
// needs its host among the provider's.
var locations = []string{
	"global", "us", "eu",
	"us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west4", "northamerica-northeast1", "southamerica-east1",
	"europe-central2", "europe-north1", "europe-southwest1", "europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6",
	"europe-west8", "europe-west9", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast3", "asia-south1", "asia-southeast1",
	"australia-southeast1", "me-central1", "me-central2", "me-west1",
}

// rules classify what the status and Google's own words leave open.
var rules = []provider.ErrorRule{
	{Status: 400, Code: "FAILED_PRECONDITION", Class: wire.ClassAuth},      // the account lacks billing, or is in a region without the API
	{Status: 400, Code: "API key", Class: wire.ClassAuth},                  // not valid, expired, not found
	{Status: 404, Code: "Publisher Model", Class: wire.ClassModelNotFound}, // Vertex AI
	{Status: 400, Code: "token count", Class: wire.ClassContextLength},     // "The input token count (…) exceeds the maximum …"
	{Status: 400, Code: "exceeds the maximum", Class: wire.ClassContextLength},
}
