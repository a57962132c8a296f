// Package wire names the dialects that AI APIs speak and translates between
// them: requests, answers, streams, errors and usage. Both sides of the
// gateway use it: the host to read what it must know and to answer in the
// caller's dialect, provider adapters to serve a dialect that their upstream
// does not speak.
package wire

// Op is what a request asks for, independent of the dialect it is written in.
type Op uint8

// The operations. Their names are stable: policies, ledger rows and leases use them.
const (
	OpNone Op = iota
	OpChat
	OpEmbeddings
	OpCompletions   // legacy: a prompt in, text out
	OpCountTokens   // of a chat request, in the chat's dialect
	OpImages        // generate
	OpImageEdits    // multipart
	OpSpeech        // text in, audio out
	OpTranscription // audio in (multipart), text out
	OpTranslation   // like transcription, into English
	OpModeration
	OpRerank
	OpFiles    // upload, list, get, delete, content
	OpBatches  // create, list, get, cancel
	OpRealtime // WebSocket
	OpPass     // the provider's own API as it is
	OpPipeline // several steps as one call; the gateway's own
	OpTool     // a call of an MCP server's tool; the gateway's own
	// OpCredential is a GET that costs nothing and that a good credential alone
	// is answered to: a list of models, say. The gateway asks it, no caller does.
	OpCredential
	NumOps // one past the last operation
)

var opNames = [NumOps]string{"", "chat", "embeddings", "completions", "count-tokens", "images", "image-edits", "speech",
	"transcription", "translation", "moderation", "rerank", "files", "batches", "realtime", "pass", "pipeline", "tool", "credential"}

// String returns the stable name, "" for OpNone.
func (o Op) String() string { return nameOf(opNames[:], int(o)) }

// ParseOp returns the operation called name, or OpNone.
func ParseOp(name string) Op { return Op(indexOf(opNames[:], name)) }

// Dialect is a wire format: how a request, its answer, its stream and its
// errors are written.
type Dialect uint8

// The dialects. Their names are stable.
const (
	NoDialect Dialect = iota
	OpenAIChat
	AnthropicMessages
	OpenAIEmbeddings
	OpenAIResponses
	GeminiGenerate
	BedrockConverse // of upstreams only
	CohereChat      // of upstreams only: v2
	OpenAICompletions
	OpenAIImages
	OpenAIImageEdits
	OpenAISpeech
	OpenAITranscription
	OpenAITranslation
	OpenAIModeration
	CohereRerank // v2, which Jina, Voyage and others follow
	OpenAIFiles
	OpenAIBatches
	OpenAIRealtime
	Raw         // whatever the provider's own API speaks
	NumDialects // one past the last dialect
)

var dialectNames = [NumDialects]string{"", "openai-chat", "anthropic-messages", "openai-embeddings", "openai-responses", "gemini-generate",
	"bedrock-converse", "cohere-chat", "openai-completions", "openai-images", "openai-image-edits", "openai-speech",
	"openai-transcription", "openai-translation", "openai-moderation", "cohere-rerank", "openai-files", "openai-batches",
	"openai-realtime", "raw"}

// String returns the stable name, "" for NoDialect.
func (d Dialect) String() string { return nameOf(dialectNames[:], int(d)) }

// ParseDialect returns the dialect called name, or NoDialect.
func ParseDialect(name string) Dialect { return Dialect(indexOf(dialectNames[:], name)) }

// Usage counts what a request consumed, in disjoint buckets: those of tokens
// add up to the total. (OpenAI and Gemini report cached tokens inside the
// prompt and OpenAI reasoning inside the completion, Anthropic reports cache
// reads and writes beside the input: all are taken apart here.) A bucket of a
// modality holds what the provider counts apart; what it does not is text.
type Usage struct {
	Input        int64 // prompt tokens of text that were neither read from nor written to a cache
	CacheRead    int64
	CacheWrite5m int64 // written to a cache that lives five minutes, or of unstated life
	CacheWrite1h int64
	Output       int64 // answer tokens of text without reasoning, as far as the dialect tells them apart
	Reasoning    int64
	AudioInput   int64 // tokens
	AudioOutput  int64 // tokens
	ImageInput   int64 // tokens
	ImageOutput  int64 // tokens

	// What was read from a cache of a prompt's audio and pictures, in tokens.
	CacheReadAudio int64
	CacheReadImage int64

	// What is not counted in tokens.
	Characters int64 // of text spoken
	Millis     int64 // of audio heard or made
	Images     int64 // made, at the size and quality asked for
	Pages      int64 // of documents read
	Searches   int64 // search units: rerank queries, web searches

	// Cost is the provider's own figure in nano-dollars, 0: it gave none.
	Cost int64
}

// Total is the sum of all buckets of tokens.
func (u Usage) Total() int64 { return u.Prompt() + u.Completion() }

// Prompt is the sum of the buckets of tokens on the way in.
func (u Usage) Prompt() int64 {
	return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.AudioInput + u.ImageInput + u.CacheReadAudio + u.CacheReadImage
}

// Completion is the sum of the buckets of tokens on the way out.
func (u Usage) Completion() int64 { return u.Output + u.Reasoning + u.AudioOutput + u.ImageOutput }

// Add adds the buckets of v to those of u.
func (u *Usage) Add(v *Usage) {
	to := u.Buckets()
	for i, n := range v.Buckets() {
		*to[i] += *n
	}
}

// NumBuckets is the number of buckets of a Usage.
const NumBuckets = 18

// BucketNames are the stable names of the buckets, in the order of Buckets:
// records and metrics use them.
var BucketNames = [NumBuckets]string{"input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning",
	"audio_input", "audio_output", "image_input", "image_output", "cache_read_audio", "cache_read_image",
	"characters", "millis", "images", "pages", "searches", "reported_cost"}

// TokenBuckets is how many of the buckets are tokens: they come first.
const TokenBuckets = 12

// Buckets are all fields of u in one order.
func (u *Usage) Buckets() [NumBuckets]*int64 {
	return [...]*int64{&u.Input, &u.CacheRead, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output, &u.Reasoning,
		&u.AudioInput, &u.AudioOutput, &u.ImageInput, &u.ImageOutput, &u.CacheReadAudio, &u.CacheReadImage,
		&u.Characters, &u.Millis, &u.Images, &u.Pages, &u.Searches, &u.Cost}
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return ""
}

// indexOf returns 0, which every table reserves for "none", when name is unknown.
func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return 0
}
