package main

import (
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// models are Google's current ones. Source: https://ai.google.dev/gemini-api/docs/models, November 2026.
var models = []provider.Model{
	chat("gemini-4-argon", 1_048_576),
	chat("gemini-3.8-flash", 65_536),
	chat("gemini-3.6-flash", 65_536),
	chat("gemini-3.5-flash-lite", 65_536),
	chat("gemini-3.1-pro-preview", 65_536),
	chat("gemini-3.1-flash-lite", 65_536),
	chat("gemini-2.5-pro", 65_536),
	chat("gemini-2.5-flash", 65_536),
	chat("gemini-2.5-flash-lite", 65_536),
	{Name: "gemini-3.1-flash-image", Ops: []wire.Op{wire.OpImages, wire.OpChat}, Capabilities: []string{"images"}, Context: 131_072, MaxOutput: 32_768},
	{Name: "gemini-2.5-flash-image", Ops: []wire.Op{wire.OpImages, wire.OpChat}, Capabilities: []string{"images"}, Context: 65_536, MaxOutput: 32_768},
	{Name: "gemini-3.8-flash-tts", Ops: []wire.Op{wire.OpSpeech}, Context: 8192, MaxOutput: 16_384},
	{Name: "gemini-3.8-flash-lite-tts", Ops: []wire.Op{wire.OpSpeech}, Context: 8192, MaxOutput: 16_384},
	{Name: "gemini-embedding-001", Ops: []wire.Op{wire.OpEmbeddings}, Context: 2048},
}

func chat(name string, maxOutput int64) provider.Model {
	return provider.Model{Name: name, Ops: []wire.Op{wire.OpChat, wire.OpCountTokens}, Capabilities: []string{"tools", "images", "reasoning", "json_schema"},
		Context: 1_048_576, MaxOutput: maxOutput}
}
