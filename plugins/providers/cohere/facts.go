package main

import (
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// rules are Cohere's, by status and by message: its errors have no codes. From
// https://docs.cohere.com/reference/errors as of November 2026.
var rules = []provider.ErrorRule{
	{Status: 400, Code: "too many tokens", Class: wire.ClassContextLength},
	{Status: 400, Code: "maximum context length", Class: wire.ClassContextLength},
	{Status: 404, Code: "model", Class: wire.ClassModelNotFound},
	{Status: 402, Class: wire.ClassQuota},
	{Status: 429, Code: "/ month", Class: wire.ClassQuota},
	{Status: 429, Code: "per month", Class: wire.ClassQuota},
	{Status: 429, Class: wire.ClassRateLimit},
	{Status: 401, Class: wire.ClassAuth},
	{Status: 403, Class: wire.ClassAuth},
	{Status: 498, Class: wire.ClassContentFilter}, // "blocked": input or output
	{Status: 499, Class: wire.ClassServer},
	{Status: 503, Class: wire.ClassOverloaded},
	{Status: 504, Class: wire.ClassTimeout},
}

// rate has the headers that answers to trial keys carry; there are none for
// production keys.
var rate = provider.RateHeaders{RequestsLimit: "x-trial-endpoint-call-limit", RequestsRemaining: "x-trial-endpoint-call-remaining"}

// models are the ones that can be asked for, from https://docs.cohere.com/docs/models
// as of November 2026.
var models = []provider.Model{
	chat("command-a-plus-05-2026", 256_000, 32_000, "tools", "json_schema", "reasoning", "images"),
	chat("command-a-reasoning-08-2025", 256_000, 32_000, "tools", "json_schema", "reasoning"),
	chat("command-a-03-2025", 256_000, 8000, "tools", "json_schema"),
	chat("command-a-vision-07-2025", 128_000, 8000, "images", "json_schema"),
	chat("command-a-translate-08-2025", 8000, 8000, "json_schema"),
	chat("command-r7b-12-2024", 128_000, 4000, "tools", "json_schema"),
	chat("command-r-08-2024", 128_000, 4000, "tools", "json_schema"),
	chat("command-r-plus-08-2024", 128_000, 4000, "tools", "json_schema"),
	{Name: "embed-v4.0", Ops: []wire.Op{wire.OpEmbeddings}, Context: 128_000},
	{Name: "embed-english-v3.0", Ops: []wire.Op{wire.OpEmbeddings}, Context: 512},
	{Name: "embed-multilingual-v3.0", Ops: []wire.Op{wire.OpEmbeddings}, Context: 512},
	{Name: "rerank-v4.0-pro", Ops: []wire.Op{wire.OpRerank}, Context: 32_000},
	{Name: "rerank-v4.0-fast", Ops: []wire.Op{wire.OpRerank}, Context: 32_000},
	{Name: "rerank-v3.5", Ops: []wire.Op{wire.OpRerank}, Context: 4096},
}

func chat(name string, context, output int64, capabilities ...string) provider.Model {
	return provider.Model{Name: name, Ops: []wire.Op{wire.OpChat}, Context: context, MaxOutput: output, Capabilities: capabilities}
}
