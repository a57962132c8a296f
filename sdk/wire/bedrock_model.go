package wire

import "strings"

// bedrock is what the id of a model on Bedrock says about what it takes.
// Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/ structured-output,
// prompt-caching, conversation-inference-supported-models-features, as of
// November 2026.
type bedrock struct {
	isClaude bool
	claude   claude
	format   formatForm
	thinks   bedrockThinking
	topK     string // name of the parameter, "": none
	caches   bool
	tools    bool // tools can be cached too
	hour     bool // caches can live an hour
	strict   bool
}

type formatForm uint8

const (
	noFormat     formatForm = iota
	nativeFormat            // outputConfig.textFormat
	toolFormat              // a tool that the model must call
)

type bedrockThinking uint8

const (
	noBedrockThinking     bedrockThinking = iota
	claudeBedrockThinking                 // thinking, and outputConfig.effort
	novaThinking                          // reasoningConfig
	effortThinking                        // reasoning_effort
)

// bedrockOf knows models by their maker: "anthropic.claude-…", with or without
// the region of an inference profile before it ("us."), or as an ARN. What an
// ARN hides is taken for a model that has everything.
func bedrockOf(id string) bedrock {
	id = id[strings.LastIndexByte(id, '/')+1:]
	has := func(maker string) bool { return strings.HasPrefix(id, maker) || strings.Contains(id, "."+maker) }
	switch {
	case has("anthropic.") || strings.Contains(id, "claude-"):
		c := claudeOf(id)
		m := bedrock{isClaude: true, claude: c, format: toolFormat, topK: "top_k", thinks: claudeBedrockThinking,
			caches: true, tools: true, hour: c.structured, strict: c.structured}
		if c.structured {
			m.format = nativeFormat
		}
		return m
	case has("amazon.nova-2"):
		return bedrock{format: toolFormat, thinks: novaThinking, topK: "topK", caches: true}
	case has("amazon.nova"):
		return bedrock{format: toolFormat, topK: "topK", caches: true}
	case has("openai."):
		return bedrock{format: nativeFormat, thinks: effortThinking, strict: true}
	case has("cohere."):
		return bedrock{topK: "k"}
	case has("meta."), has("ai21."), has("amazon."), has("writer."):
		return bedrock{}
	case has("mistral."):
		return bedrock{format: nativeFormat, topK: "top_k", strict: true}
	case has("deepseek."), has("qwen."), has("google."), has("minimax."), has("moonshot"), has("nvidia."), has("zai."):
		return bedrock{format: nativeFormat, strict: true}
	}
	return bedrock{format: nativeFormat, topK: "top_k", caches: true, tools: true, hour: true, strict: true}
}
