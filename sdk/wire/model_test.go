package wire

import "testing"

func TestClaudeOf(t *testing.T) {
	f := func(model string, thinks thinkingForm, sampling, structured bool, maxOutput int64) {
		t.Helper()
		c := claudeOf(model)
		if c.thinks != thinks || c.sampling != sampling || c.structured != structured || c.maxOutput != maxOutput {
			t.Errorf("claudeOf(%q) = %+v", model, c)
		}
	}
	f("claude-3-haiku-20240307", noThinking, true, false, 4096)
	f("claude-3-5-sonnet-20241022", noThinking, true, false, 8192)
	f("claude-3-7-sonnet-latest", budgetThinking, true, false, 64_000)
	f("claude-opus-4-20250514", budgetThinking, true, false, 32_000)
	f("claude-opus-4-1-20250805", budgetThinking, true, true, 32_000)
	f("claude-sonnet-4", budgetThinking, true, false, 64_000)
	f("claude-haiku-4-5-20251001", budgetThinking, true, true, 64_000)
	f("claude-opus-4-5", budgetThinking, true, true, 64_000)
	f("claude-sonnet-4-6", adaptiveThinking, true, true, 64_000)
	f("claude-opus-4-6", adaptiveThinking, true, true, 128_000)
	f("anthropic.claude-opus-4-7-20260416-v1:0", adaptiveThinking, false, true, 128_000)
	f("claude-haiku-5-5", adaptiveThinking, false, true, 128_000)
	f("claude-mythos-preview", adaptiveThinking, false, true, 128_000)
	f("glm-4.7", budgetThinking, true, false, 8192)
}

func TestClaudeThinkingCanBeOff(t *testing.T) {
	f := func(model string, byDefault, always bool) {
		t.Helper()
		if c := claudeOf(model); c.byDefault != byDefault || c.always != always {
			t.Errorf("claudeOf(%q) = %+v", model, c)
		}
	}
	f("claude-opus-4-8", false, false)
	f("claude-sonnet-5", true, false)
	f("claude-fable-5", true, true)
	f("claude-opus-5-5", true, true)
	f("claude-haiku-5-5", true, false)
}

func TestOpenAIModelOf(t *testing.T) {
	f := func(model string, want openAIModel) {
		t.Helper()
		if got := openAIModelOf(model); got != want {
			t.Errorf("openAIModelOf(%q) = %+v; want %+v", model, got, want)
		}
	}
	plain := openAIModel{maxTokens: "max_tokens"}
	f("gpt-4o-mini", openAIModel{maxTokens: "max_tokens", noEffort: true})
	f("openai/gpt-4.1", openAIModel{maxTokens: "max_tokens", noEffort: true})
	f("chatgpt-4o-latest", openAIModel{maxTokens: "max_tokens", noEffort: true})
	f("gpt-5-nano", openAIModel{maxTokens: "max_completion_tokens", fixed: true})
	f("o4-mini", openAIModel{maxTokens: "max_completion_tokens", fixed: true})
	f("gpt-oss-120b", plain)
	f("olmo-2", plain)
	f("llama3.2", plain)
	f("", plain)
}

func TestTranslatePairs(t *testing.T) {
	for d := range NumDialects {
		if _, ok := Translate(d, d); ok {
			t.Errorf("a translation from %s to itself", d)
		}
		if _, ok := Translate(OpenAIEmbeddings, d); ok {
			t.Errorf("a translation from embeddings to %s", d)
		}
	}
}
