package main

import "github.com/signalbox-ai/signalbox/sdk/provider"

// preset is what sets a service apart from others that speak the same API.
type preset struct {
	source      string // of these facts, as read in November 2026
	baseURL     string // "": each customer's own
	root        string // path of base URLs that are a host alone
	authHeader  string // "": Authorization: Bearer
	maxTokens   string // member that caps an answer, "": max_tokens
	streamUsage bool   // usage of a stream must be asked for; others always report it
	serves      map[string]bool
	paths       map[string]string // of endpoints that are elsewhere, {model} and {path} in them; or whole URLs
	query       string            // of every URL
	alias       []string          // further hosts by which a base URL is known to be this service's
	pass        []string          // headers of the caller, beyond passed
	errors      []provider.ErrorRule
	rate        provider.RateHeaders
	models      []provider.Model

	headers []provider.Header // filled in by the configuration, as are the names of models
	names   map[string]string
}

// passed are the caller's headers that every service gets.
var passed = []string{"idempotency-key"}

// presets are the services.
var presets = map[string]preset{
	"openai": {
		source:  "https://platform.openai.com/docs/api-reference",
		baseURL: "https://api.openai.com/v1", maxTokens: "max_completion_tokens", streamUsage: true, models: openAIModels, rate: openAIRate,
		serves: has("chat responses completions embeddings images image_edits speech transcription translation moderation files batches realtime"),
		pass:   []string{"openai-organization", "openai-project", "openai-beta", "x-client-request-id"},
	},
	"azure": {
		source: "https://learn.microsoft.com/en-us/azure/foundry/openai/latest",
		root:   "/openai/v1", authHeader: "api-key", maxTokens: "max_completion_tokens", streamUsage: true, errors: azureErrors, rate: openAIRate,
		serves: has("chat responses completions embeddings images image_edits speech transcription translation files batches realtime"),
		pass:   []string{"x-ms-client-request-id"},
	},
	"azure-classic": {
		source: "https://learn.microsoft.com/en-us/azure/foundry/openai/reference",
		root:   "/openai", query: "api-version=2024-10-21",
		authHeader: "api-key", maxTokens: "max_completion_tokens", streamUsage: true, errors: azureErrors, rate: openAIRate,
		serves: has("chat completions embeddings images speech transcription translation files batches realtime"),
		paths: map[string]string{
			"chat": "/deployments/{model}/chat/completions", "completions": "/deployments/{model}/completions",
			"embeddings": "/deployments/{model}/embeddings", "images": "/deployments/{model}/images/generations",
			"speech": "/deployments/{model}/audio/speech", "transcription": "/deployments/{model}/audio/transcriptions",
			"translation": "/deployments/{model}/audio/translations", "realtime": "/realtime?deployment={model}",
		},
		pass: []string{"x-ms-client-request-id"},
	},
	"groq": {
		source:  "https://console.groq.com/docs/api-reference",
		baseURL: "https://api.groq.com/openai/v1", maxTokens: "max_completion_tokens", streamUsage: true, errors: groqErrors, rate: openAIRate,
		serves: has("chat responses speech transcription translation files batches"),
	},
	"together": {
		source:  "https://docs.together.ai/docs/inference/openai-compatibility",
		baseURL: "https://api.together.ai/v1", alias: []string{"api.together.xyz"}, streamUsage: true, errors: togetherErrors, rate: togetherRate,
		serves: has("chat completions embeddings images speech transcription translation rerank"),
	},
	"fireworks": {
		source:  "https://docs.fireworks.ai/tools-sdks/openai-compatibility",
		baseURL: "https://api.fireworks.ai/inference/v1", alias: []string{"us.api.fireworks.ai"}, rate: fireworksRate,
		serves: has("chat responses messages completions embeddings"), // streams report usage in their last chunk in any case
	},
	"mistral": { // refuses stream_options and reports usage in any case
		source:  "https://docs.mistral.ai/api",
		baseURL: "https://api.mistral.ai/v1", errors: mistralErrors, rate: mistralRate,
		serves: has("chat embeddings transcription moderation files"), // its batches are another API: by way of pass
	},
	"deepseek": {
		source:  "https://api-docs.deepseek.com",
		baseURL: "https://api.deepseek.com/v1", streamUsage: true,
		serves: has("chat messages completions"),
		paths: map[string]string{"messages": "https://api.deepseek.com/anthropic/v1/messages",
			"completions": "https://api.deepseek.com/beta/completions"},
	},
	"xai": {
		source:  "https://docs.x.ai/api-reference",
		baseURL: "https://api.x.ai/v1", streamUsage: true,
		serves: has("chat responses completions images"), // edits and batches take other bodies than OpenAI's
	},
	"openrouter": {
		source:  "https://openrouter.ai/docs/api/reference",
		baseURL: "https://openrouter.ai/api/v1", streamUsage: true, errors: openRouterErrors, rate: plainRate,
		serves: has("chat responses messages completions embeddings"),
		paths:  map[string]string{"credential": "/key"}, // models are listed to anybody
		pass:   []string{"http-referer", "x-title", "x-openrouter-title"},
	},
	"perplexity": { // Sonar's chat completions ended in September 2026
		source:  "https://docs.perplexity.ai/docs/agent-api/openai-compatibility",
		baseURL: "https://api.perplexity.ai/v1",
		serves:  has("responses"), // embeddings come as base64 of bytes, which OpenAI's clients do not read
	},
	"cerebras": {
		source:  "https://inference-docs.cerebras.ai/resources/openai",
		baseURL: "https://api.cerebras.ai/v1", maxTokens: "max_completion_tokens", streamUsage: true, rate: cerebrasRate,
		serves: has("chat completions"),
	},
	"aimlapi": {
		source:  "https://docs.aimlapi.com",
		baseURL: "https://api.aimlapi.com/v1", streamUsage: true,
		serves: has("chat responses messages embeddings images"), // speech and transcription are jobs to be polled
	},
	"moonshot": {
		source:  "https://platform.kimi.ai/docs/overview",
		baseURL: "https://api.moonshot.ai/v1", alias: []string{"api.moonshot.cn"}, streamUsage: true, errors: moonshotErrors,
		serves: has("chat files"),
	},
	"nvidia": {
		source:  "https://docs.api.nvidia.com/nim/reference",
		baseURL: "https://integrate.api.nvidia.com/v1", streamUsage: true,
		serves: has("chat completions embeddings"),
	},
	"sambanova": {
		source:  "https://docs.sambanova.ai/docs/en/features/openai-compatibility",
		baseURL: "https://api.sambanova.ai/v1", streamUsage: true, rate: openAIRate,
		serves: has("chat completions embeddings transcription translation"),
	},
	"deepinfra": {
		source:  "https://docs.deepinfra.com",
		baseURL: "https://api.deepinfra.com/v1/openai", streamUsage: true,
		serves: has("chat completions embeddings images image_edits speech transcription translation"),
	},
	"ollama": {
		source:  "https://docs.ollama.com/api/openai-compatibility",
		baseURL: "http://localhost:11434/v1", streamUsage: true, errors: localErrors,
		serves: has("chat responses messages completions embeddings"),
	},
	"vllm": {
		source:  "https://docs.vllm.ai/en/stable/serving/online_serving.html",
		baseURL: "http://localhost:8000/v1", streamUsage: true, errors: localErrors,
		serves: has("chat responses messages count_tokens completions embeddings transcription translation rerank"),
	},
	"lmstudio": {
		source:  "https://lmstudio.ai/docs/developer/openai-compat",
		baseURL: "http://localhost:1234/v1", streamUsage: true, errors: localErrors,
		serves: has("chat responses messages completions embeddings"),
	},
	"llamacpp": {
		source:  "https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
		baseURL: "http://localhost:8080/v1", streamUsage: true, errors: localErrors,
		serves: has("chat responses messages count_tokens completions embeddings rerank"),
	},
}
