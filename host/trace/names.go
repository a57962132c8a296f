package trace

import (
	"net"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Names by the GenAI conventions, which are in development: their schema has no
// version of its own yet.
const (
	genAIOperation   = "gen_ai.operation.name"
	genAIProvider    = "gen_ai.provider.name"
	genAIModel       = "gen_ai.request.model"
	genAIStream      = "gen_ai.request.stream"
	genAIMaxTokens   = "gen_ai.request.max_tokens"
	genAIChoices     = "gen_ai.request.choice.count"
	genAITemperature = "gen_ai.request.temperature"
	genAITopP        = "gen_ai.request.top_p"
	genAITopK        = "gen_ai.request.top_k"
	genAIFrequency   = "gen_ai.request.frequency_penalty"
	genAIPresence    = "gen_ai.request.presence_penalty"
	genAISeed        = "gen_ai.request.seed"
	genAIAnswerID    = "gen_ai.response.id"
	genAIAnswerModel = "gen_ai.response.model"
	genAIFinish      = "gen_ai.response.finish_reasons"
	genAIFirstChunk  = "gen_ai.response.time_to_first_chunk"
	genAIInput       = "gen_ai.usage.input_tokens"
	genAIOutput      = "gen_ai.usage.output_tokens"
	genAICacheRead   = "gen_ai.usage.cache_read.input_tokens"
	genAICacheWrite  = "gen_ai.usage.cache_write.input_tokens"
	genAIReasoning   = "gen_ai.usage.reasoning.output_tokens"
	genAIAudioIn     = "gen_ai.usage.audio.input_tokens"
	genAIAudioOut    = "gen_ai.usage.audio.output_tokens"
	genAIImageIn     = "gen_ai.usage.image.input_tokens"
	genAITool        = "gen_ai.tool.name"
	genAIWorkflow    = "gen_ai.workflow.name"

	errorType     = "error.type"
	httpStatus    = "http.response.status_code"
	serverAddress = "server.address"
	serverPort    = "server.port"
)

// Operation is what the conventions call op in that dialect.
func Operation(op wire.Op, d wire.Dialect) string {
	switch op {
	case wire.OpChat:
		if d == wire.GeminiGenerate {
			return "generate_content"
		}
		return "chat"
	case wire.OpCompletions:
		return "text_completion"
	case wire.OpTool:
		return "execute_tool"
	case wire.OpPipeline:
		return "invoke_workflow"
	case wire.OpNone:
		return "request"
	}
	return strings.ReplaceAll(op.String(), "-", "_")
}

// subject is what op is asked of, under which name: a model, or what is no model.
func subject(op wire.Op, name string) (key, value string) {
	switch op {
	case wire.OpTool:
		return genAITool, strings.TrimPrefix(name, "mcp/")
	case wire.OpPipeline:
		return genAIWorkflow, name
	}
	return genAIModel, name
}

// services are the names of the conventions by what hosts end with.
var services = []struct{ host, name string }{
	{"api.openai.com", "openai"},
	{".openai.azure.com", "azure.ai.openai"},
	{".services.ai.azure.com", "azure.ai.inference"},
	{".models.ai.azure.com", "azure.ai.inference"},
	{"api.anthropic.com", "anthropic"},
	{"generativelanguage.googleapis.com", "gcp.gemini"},
	{"aiplatform.googleapis.com", "gcp.vertex_ai"},
	{".amazonaws.com", "aws.bedrock"},
	{"api.cohere.com", "cohere"},
	{"api.deepseek.com", "deepseek"},
	{"api.groq.com", "groq"},
	{"api.mistral.ai", "mistral_ai"},
	{"api.moonshot.ai", "moonshot_ai"},
	{"api.moonshot.cn", "moonshot_ai"},
	{"api.perplexity.ai", "perplexity"},
	{"api.x.ai", "x_ai"},
	{".ml.cloud.ibm.com", "ibm.watsonx.ai"},
}

// known are those of providers whose adapters do not show where they ask.
var known = map[string]string{"bedrock": "aws.bedrock", "gemini": "gcp.gemini", "vertex": "gcp.vertex_ai", "azure": "azure.ai.openai",
	"mistral": "mistral_ai", "moonshot": "moonshot_ai", "xai": "x_ai", "watsonx": "ibm.watsonx.ai"}

// Provider is what the conventions call the service that t is at: by its host,
// or its name in the configuration.
func Provider(t *call.Target, host string) string {
	for _, s := range services {
		if host == s.host || strings.HasSuffix(host, s.host) && (s.host[0] == '.' || strings.HasSuffix(host, "-"+s.host) || strings.HasSuffix(host, "."+s.host)) {
			return s.name
		}
	}
	if name, ok := known[t.Provider.Name]; ok {
		return name
	}
	return t.Provider.Name
}

// Server is where op is asked for at t; "": an adapter asks.
func Server(t *call.Target, op wire.Op, d wire.Dialect) (host string, port int64) {
	ep := t.Provider.Endpoint(op, d)
	if ep == nil || !ep.Direct() {
		return "", 0
	}
	host = ep.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, text, _ := net.SplitHostPort(ep.Addr) // of no port there is nothing to tell
	port, _ = strconv.ParseInt(text, 10, 64)
	return strings.ToLower(host), port
}
