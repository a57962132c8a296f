// Huggingface is the provider adapter for Hugging Face's inference providers:
// chat goes straight to the router, which speaks OpenAI's dialects; embeddings,
// images and transcription become requests to HF Inference.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(huggingface{}) }

type huggingface struct{}

const (
	defaultBase = "https://router.huggingface.co"
	defaultMost = 64 // MB of an upload
)

// config is the adapter's configuration.
type config struct {
	BaseURL string            `json:"base_url" doc:"of the router, without /v1; default https://router.huggingface.co"`
	Models  map[string]string `json:"models" doc:"model as asked for → as the Hub calls it, with :provider or a policy such as :fastest if wanted"`
	MaxMB   int64             `json:"max_upload_mb" doc:"largest audio file in MB; default 64"`
}

// Manifest implements provider.Provider.
func (huggingface) Manifest() provider.Manifest {
	return provider.Manifest{
		Name: "huggingface", Version: "1.0.0", Config: config{}, Credential: provider.CredentialRequired,
		Hosts: []string{"router.huggingface.co"},
		Operations: []provider.Operation{
			{Op: wire.OpChat, Dialect: wire.OpenAIChat}, {Op: wire.OpChat, Dialect: wire.OpenAIResponses},
			{Op: wire.OpChat, Dialect: wire.AnthropicMessages}, {Op: wire.OpChat, Dialect: wire.GeminiGenerate},
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings},
			{Op: wire.OpImages, Dialect: wire.OpenAIImages},
			{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription},
			{Op: wire.OpPass, Dialect: wire.Raw},
		},
	}
}

// service is the configured adapter.
type service struct {
	config
	client *http.Client
}

// Configure implements provider.Provider.
func (huggingface) Configure(cfg provider.Config) (*provider.Setup, error) {
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
	s.BaseURL = base
	lease := func(op wire.Op, d wire.Dialect, path string) provider.Lease {
		return provider.Lease{Op: op, Dialect: d, URL: base + path, Headers: []provider.Header{provider.Bearer()},
			PassHeaders: []string{"x-hf-bill-to"}, Models: s.Models, Errors: rules}
	}
	chat := lease(wire.OpChat, wire.OpenAIChat, "/v1/chat/completions")
	chat.StreamUsage = true
	responses := lease(wire.OpChat, wire.OpenAIResponses, "/v1/responses")
	responses.MaxTokens = "max_output_tokens"
	return &provider.Setup{
		Leases: []provider.Lease{chat, responses, lease(wire.OpPass, wire.Raw, "{path}")},
		Routes: []provider.Route{
			{Op: wire.OpEmbeddings, Dialect: wire.OpenAIEmbeddings, Handle: s.embed},
			{Op: wire.OpImages, Dialect: wire.OpenAIImages, Handle: s.draw},
			{Op: wire.OpTranscription, Dialect: wire.OpenAITranscription, Handle: s.transcribe},
		},
	}, nil
}

// rules are Hugging Face's: https://huggingface.co/docs/inference-providers and
// the messages that its router answers with, November 2026.
var rules = []provider.ErrorRule{
	{Code: "exceeded your monthly included credits", Class: wire.ClassQuota},
	{Code: "is currently loading", Class: wire.ClassOverloaded},
	{Code: "model_not_supported", Class: wire.ClassModelNotFound},
	{Code: "not supported by provider", Class: wire.ClassModelNotFound},
	{Code: "is not supported", Class: wire.ClassModelNotFound},
	{Status: http.StatusNotFound, Class: wire.ClassModelNotFound},
	{Code: "context_length_exceeded", Class: wire.ClassContextLength},
}

// model is the model as the Hub calls it: a handler's may still be the caller's.
func (s *service) model(r *provider.Request) string {
	if name := s.Models[r.Model()]; name != "" {
		return name
	}
	return r.Model()
}

// task begins a request to HF Inference for a task of a model.
func (s *service) task(r *provider.Request, task string) (*http.Request, error) {
	segments := strings.Split(s.model(r), "/")
	for i, part := range segments {
		if part == "" || part == "." || part == ".." || len(segments) > 2 {
			return nil, media.Bad("model", "%q is no name of a model on the Hub; want owner/name", r.Model())
		}
		segments[i] = url.PathEscape(part)
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, s.BaseURL+"/hf-inference/models/"+strings.Join(segments, "/")+task, http.NoBody)
	if err != nil {
		return nil, err
	}
	if key := string(r.Credential()); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return req, nil
}

// post sends v as JSON.
func (s *service) post(req *http.Request, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return s.do(req)
}

func (s *service) do(req *http.Request) ([]byte, error) {
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, media.Failure(resp, rules)
	}
	return media.All(resp.Body)
}

func badAnswer(want string) error {
	return wire.Errorf(http.StatusBadGateway, "invalid_answer", "the upstream's answer is not %s", want)
}
