package main

import "github.com/signalbox-ai/signalbox/sdk/provider"

// Where services tell how much of a rate limit is left.

// openAIRate are OpenAI's names, which Groq, Azure and others took over:
// https://platform.openai.com/docs/guides/rate-limits and
// https://console.groq.com/docs/rate-limits, November 2026.
var openAIRate = provider.RateHeaders{
	RequestsLimit: "x-ratelimit-limit-requests", RequestsRemaining: "x-ratelimit-remaining-requests", RequestsReset: "x-ratelimit-reset-requests",
	TokensLimit: "x-ratelimit-limit-tokens", TokensRemaining: "x-ratelimit-remaining-tokens", TokensReset: "x-ratelimit-reset-tokens",
}

// plainRate has requests alone: OpenRouter's and SambaNova's kin.
var plainRate = provider.RateHeaders{
	RequestsLimit: "x-ratelimit-limit", RequestsRemaining: "x-ratelimit-remaining", RequestsReset: "x-ratelimit-reset",
}

// https://inference-docs.cerebras.ai/support/rate-limits, November 2026.
var cerebrasRate = provider.RateHeaders{
	RequestsLimit: "x-ratelimit-limit-requests-day", RequestsRemaining: "x-ratelimit-remaining-requests-day", RequestsReset: "x-ratelimit-reset-requests-day",
	TokensLimit: "x-ratelimit-limit-tokens-minute", TokensRemaining: "x-ratelimit-remaining-tokens-minute", TokensReset: "x-ratelimit-reset-tokens-minute",
}

// https://support.together.ai/en/articles/8988956-rate-limits, November 2026;
// the tokens' names are those that its clients read.
var togetherRate = provider.RateHeaders{
	RequestsLimit: "x-ratelimit-limit", RequestsRemaining: "x-ratelimit-remaining", RequestsReset: "x-ratelimit-reset",
	TokensLimit: "x-tokenlimit-limit", TokensRemaining: "x-tokenlimit-remaining",
}

// Mistral's reference names X-RateLimit-Remaining without saying of what; these
// are the names that its service sends, as public clients read them.
var mistralRate = provider.RateHeaders{
	RequestsLimit: "x-ratelimit-limit-req-minute", RequestsRemaining: "x-ratelimit-remaining-req-minute",
	TokensLimit: "x-ratelimit-limit-tokens-minute", TokensRemaining: "x-ratelimit-remaining-tokens-minute",
}

// https://docs.fireworks.ai/serverless/rate-limits, November 2026: the limits
// are adaptive and what is left of them is not told.
var fireworksRate = provider.RateHeaders{TokensLimit: "x-ratelimit-limit-tokens-prompt"}
