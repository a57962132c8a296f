package main

import (
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// preset is what sets a service apart from others that speak the same API.
type preset struct {
	baseURL     string
	authHeader  string // "": Authorization: Bearer
	maxTokens   string // member that caps an answer
	streamUsage bool   // usage of a stream must be asked for; others always report it
	embeddings  bool
	pass        []string             // headers of the caller, beyond passed
	errors      []provider.ErrorRule // before the shared ones
	models      []provider.Model

	headers []provider.Header // filled in by the configuration
}

// presets are the services, from their API references as of October 2026.
var presets = map[string]preset{
	"openai": {
		baseURL: "https://api.openai.com/v1", maxTokens: "max_completion_tokens", streamUsage: true, embeddings: true, models: openAIModels,
		pass: []string{"openai-organization", "openai-project", "openai-beta", "x-client-request-id"},
	},
	"azure":     {authHeader: "api-key", maxTokens: "max_completion_tokens", streamUsage: true, embeddings: true}, // https://NAME.openai.azure.com/openai/v1
	"cerebras":  {baseURL: "https://api.cerebras.ai/v1", streamUsage: true},
	"deepseek":  {baseURL: "https://api.deepseek.com/v1", streamUsage: true},
	"fireworks": {baseURL: "https://api.fireworks.ai/inference/v1", streamUsage: true, embeddings: true},
	"groq":      {baseURL: "https://api.groq.com/openai/v1", streamUsage: true, errors: groqErrors},
	"lmstudio":  {baseURL: "http://localhost:1234/v1", streamUsage: true, embeddings: true, errors: localErrors},
	// Mistral refuses stream_options and reports usage in any case.
	"mistral": {baseURL: "https://api.mistral.ai/v1", embeddings: true, errors: mistralErrors},
	"ollama":  {baseURL: "http://localhost:11434/v1", streamUsage: true, embeddings: true, errors: localErrors},
	"openrouter": {
		baseURL: "https://openrouter.ai/api/v1", streamUsage: true, embeddings: true, errors: openRouterErrors,
		pass: []string{"http-referer", "x-title", "x-openrouter-title"},
	},
	"perplexity": {baseURL: "https://api.perplexity.ai"},
	"together":   {baseURL: "https://api.together.xyz/v1", streamUsage: true, embeddings: true},
	"vllm":       {baseURL: "http://localhost:8000/v1", streamUsage: true, embeddings: true, errors: localErrors},
	"xai":        {baseURL: "https://api.x.ai/v1", streamUsage: true},
}

// passed are the caller's headers that every service gets.
var passed = []string{"idempotency-key"}

// errors are the codes that the services share, OpenAI's first.
var errors = []provider.ErrorRule{
	{Code: "context_length_exceeded", Class: wire.ClassContextLength},
	{Code: "string_above_max_length", Class: wire.ClassContextLength},
	{Code: "model_not_found", Class: wire.ClassModelNotFound},
	{Code: "model_not_available", Class: wire.ClassModelNotFound},
	{Code: "DeploymentNotFound", Class: wire.ClassModelNotFound},
	{Code: "insufficient_quota", Class: wire.ClassQuota},
	{Code: "billing_hard_limit_reached", Class: wire.ClassQuota},
	{Code: "billing_not_active", Class: wire.ClassQuota},
	{Code: "insufficient_balance", Class: wire.ClassQuota},
	{Code: "content_filter", Class: wire.ClassContentFilter},
	{Code: "content_policy_violation", Class: wire.ClassContentFilter},
	{Code: "moderation_blocked", Class: wire.ClassContentFilter},
	{Code: "rate_limit_exceeded", Class: wire.ClassRateLimit},
	{Code: "invalid_api_key", Class: wire.ClassAuth},
	{Code: "server_overloaded", Class: wire.ClassOverloaded},
	{Code: "engine_overloaded", Class: wire.ClassOverloaded},
}

var groqErrors = []provider.ErrorRule{
	{Code: "model_decommissioned", Class: wire.ClassModelNotFound},
	{Status: 413, Code: "rate_limit_exceeded", Class: wire.ClassContextLength}, // larger than a minute's tokens: waiting does not help
	{Status: 498, Class: wire.ClassOverloaded},                                 // flex tier at capacity
}

var mistralErrors = []provider.ErrorRule{
	{Code: "invalid_model", Class: wire.ClassModelNotFound},
	{Code: "service_tier_capacity_exceeded", Class: wire.ClassOverloaded},
}

// OpenRouter writes the status as the code; its 403 is a moderation's flag.
var openRouterErrors = []provider.ErrorRule{
	{Status: 403, Class: wire.ClassContentFilter},
	{Status: 502, Class: wire.ClassOverloaded},
}

// Services on one's own machines answer 404 for models that are not loaded.
var localErrors = []provider.ErrorRule{
	{Status: 404, Class: wire.ClassModelNotFound},
	{Code: "exceed_context_size_error", Class: wire.ClassContextLength},
}

var openAIModels = []provider.Model{
	chat("gpt-5", 400_000, 128_000), chat("gpt-5-mini", 400_000, 128_000), chat("gpt-5-nano", 400_000, 128_000),
	chat("gpt-4.1", 1_047_576, 32_768), chat("gpt-4.1-mini", 1_047_576, 32_768), chat("gpt-4.1-nano", 1_047_576, 32_768),
	chat("gpt-4o", 128_000, 16_384), chat("gpt-4o-mini", 128_000, 16_384),
	chat("o3", 200_000, 100_000), chat("o4-mini", 200_000, 100_000),
	embedding("text-embedding-3-small"), embedding("text-embedding-3-large"),
}

func chat(name string, context, output int64) provider.Model {
	return provider.Model{
		Name: name, Ops: []wire.Op{wire.OpChat}, Context: context, MaxOutput: output,
		Capabilities: []string{"tools", "images", "json_schema"},
	}
}

func embedding(name string) provider.Model {
	return provider.Model{Name: name, Ops: []wire.Op{wire.OpEmbeddings}, Context: 8192}
}
