package migrate

// service is how this gateway reaches what LiteLLM calls by a prefix.
type service struct {
	adapter  string
	preset   string // of the openai adapter, "": its own
	variable string // where LiteLLM looks for the key, "": it needs none
	base     bool   // it is wherever api_base says
}

// services are the prefixes of litellm_params.model.
var services = map[string]service{
	"openai":                 {adapter: "openai", variable: "OPENAI_API_KEY"},
	"text-completion-openai": {adapter: "openai", variable: "OPENAI_API_KEY"},
	"azure":                  {adapter: "openai", preset: "azure-classic", variable: "AZURE_API_KEY", base: true},
	"azure_text":             {adapter: "openai", preset: "azure-classic", variable: "AZURE_API_KEY", base: true},
	"anthropic":              {adapter: "anthropic", variable: "ANTHROPIC_API_KEY"},
	"gemini":                 {adapter: "gemini", variable: "GEMINI_API_KEY"},
	"vertex_ai":              {adapter: "gemini"},
	"vertex_ai_beta":         {adapter: "gemini"},
	"bedrock":                {adapter: "bedrock"},
	"cohere":                 {adapter: "cohere", variable: "COHERE_API_KEY"},
	"cohere_chat":            {adapter: "cohere", variable: "COHERE_API_KEY"},
	"huggingface":            {adapter: "huggingface", variable: "HF_TOKEN"},
	"elevenlabs":             {adapter: "elevenlabs", variable: "ELEVENLABS_API_KEY"},
	"deepgram":               {adapter: "deepgram", variable: "DEEPGRAM_API_KEY"},
	"stability":              {adapter: "stability", variable: "STABILITY_API_KEY"},
	"groq":                   {adapter: "openai", preset: "groq", variable: "GROQ_API_KEY"},
	"mistral":                {adapter: "openai", preset: "mistral", variable: "MISTRAL_API_KEY"},
	"codestral":              {adapter: "openai", preset: "mistral", variable: "CODESTRAL_API_KEY"},
	"deepseek":               {adapter: "openai", preset: "deepseek", variable: "DEEPSEEK_API_KEY"},
	"xai":                    {adapter: "openai", preset: "xai", variable: "XAI_API_KEY"},
	"openrouter":             {adapter: "openai", preset: "openrouter", variable: "OPENROUTER_API_KEY"},
	"together_ai":            {adapter: "openai", preset: "together", variable: "TOGETHERAI_API_KEY"},
	"fireworks_ai":           {adapter: "openai", preset: "fireworks", variable: "FIREWORKS_AI_API_KEY"},
	"perplexity":             {adapter: "openai", preset: "perplexity", variable: "PERPLEXITYAI_API_KEY"},
	"cerebras":               {adapter: "openai", preset: "cerebras", variable: "CEREBRAS_API_KEY"},
	"nvidia_nim":             {adapter: "openai", preset: "nvidia", variable: "NVIDIA_NIM_API_KEY"},
	"sambanova":              {adapter: "openai", preset: "sambanova", variable: "SAMBANOVA_API_KEY"},
	"deepinfra":              {adapter: "openai", preset: "deepinfra", variable: "DEEPINFRA_API_KEY"},
	"moonshot":               {adapter: "openai", preset: "moonshot", variable: "MOONSHOT_API_KEY"},
	"aiml":                   {adapter: "openai", preset: "aimlapi", variable: "AIML_API_KEY"},
	"ollama":                 {adapter: "openai", preset: "ollama"},
	"ollama_chat":            {adapter: "openai", preset: "ollama"},
	"hosted_vllm":            {adapter: "openai", preset: "vllm", base: true},
	"lm_studio":              {adapter: "openai", preset: "lmstudio"},
	"llamafile":              {adapter: "openai", preset: "llamacpp", base: true},
	"openai_like":            {adapter: "openai", base: true},
	"custom_openai":          {adapter: "openai", base: true},
	"xinference":             {adapter: "openai", base: true},
	"litellm_proxy":          {adapter: "openai", base: true},
}

// bare are the models that LiteLLM knows without a prefix, by how they begin.
var bare = []struct{ begins, service string }{
	{"gpt-", "openai"}, {"chatgpt-", "openai"}, {"o1", "openai"}, {"o3", "openai"}, {"o4", "openai"}, {"text-embedding-", "openai"}, {"dall-e", "openai"},
	{"whisper", "openai"}, {"tts-", "openai"}, {"omni-moderation", "openai"}, {"text-moderation", "openai"}, {"ft:gpt-", "openai"},
	{"claude", "anthropic"}, {"command", "cohere"}, {"embed-", "cohere"}, {"rerank-", "cohere"}, {"gemini", "vertex_ai"},
}

// deployed are parameters of requests that LiteLLM adds at a deployment.
var deployed = []string{"temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop", "frequency_penalty", "presence_penalty", "n", "logit_bias",
	"response_format", "tools", "tool_choice", "user", "extra_body", "reasoning_effort", "thinking", "dimensions", "encoding_format", "stream"}

// elsewhere are sections that have another place here: why, and which.
var elsewhere = map[string][2]string{
	"environment_variables":  {"a configuration does not set the environment here", "set the variables where the gateway is started, and refer to them as ${env:NAME}"},
	"include":                {"files are not included here", "put them together into one and convert that"},
	"mcp_servers":            {"tool servers have a section of their own form", "list them under mcp.servers: docs/mcp.md"},
	"mcp_tools":              {"tool servers have a section of their own form", "list them under mcp.servers: docs/mcp.md"},
	"pass_through_endpoints": {"there are no paths of one's own here", "list the provider under pass_through and use /v1/pass/PROVIDER/…"},
	"vector_store_registry":  {"there are no vector stores here", "ask the provider's own by /v1/pass/PROVIDER/…"},
	"search_tools":           {"there are no search tools here", "list a tool server under mcp.servers: docs/mcp.md"},
	"prompts":                {"prompts are not kept here", "keep them with the programs that use them"},
	"callback_settings":      {"there are no callbacks here", "what is exported is set under telemetry: docs/telemetry.md"},
	"files_settings":         {"files are kept by the gateway, or by a provider that has files", "see docs/batches.md"},
	"finetune_settings":      {"fine-tuning is the provider's own", "use /v1/pass/PROVIDER/…"},
	"agent_list":             {"there are no such programs here", "reach them as you did before"},
	"policies":               {"what requests may do is written in Rego here", "see docs/policy-authors.md"},
	"policy_attachments":     {"what requests may do is written in Rego here", "see docs/policy-authors.md"},
}
