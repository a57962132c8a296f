package main

import (
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// models are well known ones, from
// https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html and
// inference-profiles-support.html as of November 2026. Others, profiles of
// other regions and ARNs can be asked for all the same.
var models = []provider.Model{
	claude("us.anthropic.claude-opus-4-6-v1", 200_000, 128_000),
	claude("us.anthropic.claude-sonnet-4-6", 200_000, 64_000),
	claude("us.anthropic.claude-opus-4-5-20251101-v1:0", 200_000, 64_000),
	claude("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000, 64_000),
	claude("us.anthropic.claude-haiku-4-5-20251001-v1:0", 200_000, 64_000),
	claude("us.anthropic.claude-sonnet-4-20250514-v1:0", 200_000, 64_000),
	chat("us.amazon.nova-2-lite-v1:0", 1_000_000, 65_535, "tools", "images", "pdf", "reasoning", "json_schema", "prompt_cache"),
	chat("us.amazon.nova-premier-v1:0", 1_000_000, 10_000, "tools", "images", "pdf", "json_schema", "prompt_cache"),
	chat("us.amazon.nova-pro-v1:0", 300_000, 10_000, "tools", "images", "pdf", "json_schema", "prompt_cache"),
	chat("us.amazon.nova-lite-v1:0", 300_000, 10_000, "tools", "images", "pdf", "json_schema", "prompt_cache"),
	chat("us.amazon.nova-micro-v1:0", 128_000, 10_000, "tools", "json_schema", "prompt_cache"),
	chat("us.meta.llama4-maverick-17b-instruct-v1:0", 1_000_000, 8192, "tools", "images"),
	chat("us.meta.llama3-3-70b-instruct-v1:0", 128_000, 8192, "tools"),
	chat("openai.gpt-oss-120b-1:0", 128_000, 16_384, "tools", "reasoning", "json_schema"),
	chat("openai.gpt-oss-20b-1:0", 128_000, 16_384, "tools", "reasoning", "json_schema"),
	chat("us.deepseek.r1-v1:0", 128_000, 32_768, "reasoning"),
	chat("mistral.mistral-large-3-675b-instruct", 256_000, 8192, "tools", "images", "json_schema"),
	{Name: "amazon.titan-embed-text-v2:0", Ops: []wire.Op{wire.OpEmbeddings}, Context: 8192},
	{Name: "cohere.embed-v4:0", Ops: []wire.Op{wire.OpEmbeddings}, Context: 128_000},
	{Name: "cohere.embed-multilingual-v3", Ops: []wire.Op{wire.OpEmbeddings}, Context: 512},
	{Name: "cohere.rerank-v3-5:0", Ops: []wire.Op{wire.OpRerank}, Context: 4096},
}

func claude(name string, context, output int64) provider.Model {
	return chat(name, context, output, "tools", "images", "reasoning", "json_schema", "pdf", "prompt_cache")
}

func chat(name string, context, output int64, capabilities ...string) provider.Model {
	return provider.Model{Name: name, Ops: []wire.Op{wire.OpChat}, Context: context, MaxOutput: output, Capabilities: capabilities}
}
