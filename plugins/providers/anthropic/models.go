package main

import (
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// rules are Anthropic's, from https://platform.claude.com/docs/en/api/errors as
// of November 2026: by type, and by message where the type says too little.
var rules = []provider.ErrorRule{
	{Status: 400, Code: "prompt is too long", Class: wire.ClassContextLength},
	{Status: 400, Code: "exceed context limit", Class: wire.ClassContextLength},
	{Status: 400, Code: "credit balance is too low", Class: wire.ClassQuota},
	{Code: "billing_error", Class: wire.ClassQuota},
	{Code: "not_found_error", Class: wire.ClassModelNotFound},
	{Code: "overloaded_error", Class: wire.ClassOverloaded},
	{Code: "rate_limit_error", Class: wire.ClassRateLimit},
	{Code: "authentication_error", Class: wire.ClassAuth},
	{Code: "permission_error", Class: wire.ClassAuth},
	{Code: "timeout_error", Class: wire.ClassTimeout},
	{Code: "api_error", Class: wire.ClassServer},
}

// models are the ones that can be asked for, newest first, from
// https://platform.claude.com/docs/en/models as of November 2026.
var models = []provider.Model{
	model("claude-fable-5-1", 1_000_000, 128_000),
	model("claude-opus-5-5", 1_000_000, 128_000),
	model("claude-sonnet-5-5", 1_000_000, 128_000),
	model("claude-haiku-5-5", 1_000_000, 128_000),
	model("claude-opus-5", 1_000_000, 128_000),
	model("claude-sonnet-5", 1_000_000, 128_000),
	model("claude-fable-5", 1_000_000, 128_000),
	model("claude-opus-4-8", 1_000_000, 128_000),
	model("claude-opus-4-7", 1_000_000, 128_000),
	model("claude-opus-4-6", 1_000_000, 128_000),
	model("claude-sonnet-4-6", 1_000_000, 64_000),
	model("claude-haiku-4-5", 200_000, 64_000),
	model("claude-opus-4-5", 200_000, 64_000),
	model("claude-sonnet-4-5", 200_000, 64_000), // 1M with a beta header
}

func model(name string, context, output int64) provider.Model {
	return provider.Model{
		Name: name, Ops: []wire.Op{wire.OpChat, wire.OpCountTokens}, Context: context, MaxOutput: output,
		Capabilities: []string{"tools", "images", "reasoning", "json_schema", "pdf", "prompt_cache"},
	}
}
