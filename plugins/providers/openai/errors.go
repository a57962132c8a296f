package main

import (
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// errors are the codes that the services share, OpenAI's first
// (https://platform.openai.com/docs/guides/error-codes, November 2026). What no
// code names, the status decides: 402 is a matter of money everywhere.
var errors = []provider.ErrorRule{
	{Code: "context_length_exceeded", Class: wire.ClassContextLength},
	{Code: "string_above_max_length", Class: wire.ClassContextLength},
	{Code: "model_not_found", Class: wire.ClassModelNotFound},
	{Code: "model_not_available", Class: wire.ClassModelNotFound},
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

// mayNotList is of keys that are good for something else than listing models:
// https://platform.openai.com/docs/api-reference/authentication, November 2026.
var mayNotList = provider.ErrorRule{Status: 403, Code: "Missing scopes", Class: wire.ClassInvalid}

// Azure calls a deployment what others call a model, and its filter has a code
// of its own for what the prompt's image shows.
var azureErrors = []provider.ErrorRule{
	{Code: "DeploymentNotFound", Class: wire.ClassModelNotFound},
	{Code: "ResponsibleAIPolicyViolation", Class: wire.ClassContentFilter},
	{Code: "NoCapacity", Class: wire.ClassOverloaded},
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

// OpenRouter writes the status as the code; its 403 is a moderation's flag,
// and its 502 says that the model's own provider is down.
var openRouterErrors = []provider.ErrorRule{
	{Code: "token_limit_exceeded", Class: wire.ClassQuota},
	{Status: 403, Class: wire.ClassContentFilter},
	{Status: 502, Class: wire.ClassOverloaded},
}

var moonshotErrors = []provider.ErrorRule{
	{Code: "exceeded_current_quota_error", Class: wire.ClassQuota},
	{Code: "rate_limit_reached_error", Class: wire.ClassRateLimit},
	{Code: "engine_overloaded_error", Class: wire.ClassOverloaded},
	{Code: "resource_not_found_error", Class: wire.ClassModelNotFound},
}

// Together tells its own shortage (503) from a caller's haste (429).
var togetherErrors = []provider.ErrorRule{
	{Code: "dynamic_request_limited", Class: wire.ClassRateLimit},
	{Code: "dynamic_token_limited", Class: wire.ClassRateLimit},
}

// Services on one's own machines answer 404 for models that are not loaded.
var localErrors = []provider.ErrorRule{
	{Status: 404, Class: wire.ClassModelNotFound},
	{Code: "exceed_context_size_error", Class: wire.ClassContextLength},
	{Code: "maximum context length", Class: wire.ClassContextLength},
}
