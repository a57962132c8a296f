package wire

import "testing"

const (
	benchGeminiText  = `{"candidates":[{"content":{"parts":[{"text":" a few words of an answer"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":73,"totalTokenCount":84,"promptTokensDetails":[{"modality":"TEXT","tokenCount":11}]},"modelVersion":"gemini-2.5-flash","responseId":"mWVnaP3tHN2Q"}`
	benchGeminiThink = `{"candidates":[{"content":{"parts":[{"text":"a few words of a thought","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":11,"thoughtsTokenCount":73,"totalTokenCount":84},"modelVersion":"gemini-2.5-flash","responseId":"mWVnaP3tHN2Q"}`
)

func BenchmarkGeminiStreamEvent(b *testing.B) {
	f := func(name string, from, to Dialect, begin []string, event, data string) {
		b.Run(name, func(b *testing.B) { benchStream(b, from, to, begin, event, data) })
	}
	f("text to openai", OpenAIChat, GeminiGenerate, nil, "", benchGeminiText)
	f("text to anthropic", AnthropicMessages, GeminiGenerate, nil, "", benchGeminiText)
	f("thinking to openai", OpenAIChat, GeminiGenerate, nil, "", benchGeminiThink)
	f("text from openai", GeminiGenerate, OpenAIChat, nil, "", openAIChunk)
	f("text from anthropic", GeminiGenerate, AnthropicMessages, []string{benchStart}, "content_block_delta", benchTextDelta)
}
