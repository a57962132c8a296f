package main

import (
	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var openAIModels = []provider.Model{
	chat("gpt-5", 400_000, 128_000), chat("gpt-5-mini", 400_000, 128_000), chat("gpt-5-nano", 400_000, 128_000),
	chat("gpt-4.1", 1_047_576, 32_768), chat("gpt-4.1-mini", 1_047_576, 32_768), chat("gpt-4.1-nano", 1_047_576, 32_768),
	chat("gpt-4o", 128_000, 16_384), chat("gpt-4o-mini", 128_000, 16_384),
	chat("o3", 200_000, 100_000), chat("o4-mini", 200_000, 100_000),
	{Name: "text-embedding-3-small", Ops: []wire.Op{wire.OpEmbeddings}, Context: 8192},
	{Name: "text-embedding-3-large", Ops: []wire.Op{wire.OpEmbeddings}, Context: 8192},
	{Name: "gpt-3.5-turbo-instruct", Ops: []wire.Op{wire.OpCompletions}, Context: 4096, MaxOutput: 4096},
	only("gpt-image-1", wire.OpImages, wire.OpImageEdits), only("gpt-image-1-mini", wire.OpImages, wire.OpImageEdits), only("dall-e-3", wire.OpImages),
	only("gpt-4o-mini-tts", wire.OpSpeech), only("tts-1", wire.OpSpeech), only("tts-1-hd", wire.OpSpeech),
	only("gpt-4o-transcribe", wire.OpTranscription), only("gpt-4o-mini-transcribe", wire.OpTranscription),
	only("whisper-1", wire.OpTranscription, wire.OpTranslation),
	only("omni-moderation-latest", wire.OpModeration),
	only("gpt-realtime", wire.OpRealtime), only("gpt-realtime-mini", wire.OpRealtime),
}

func chat(name string, context, output int64) provider.Model {
	return provider.Model{
		Name: name, Ops: []wire.Op{wire.OpChat}, Context: context, MaxOutput: output,
		Capabilities: []string{"tools", "images", "json_schema"},
	}
}

func only(name string, ops ...wire.Op) provider.Model { return provider.Model{Name: name, Ops: ops} }
