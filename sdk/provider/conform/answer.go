package conform

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// What the mock says. Both halves of the text are one event each in a stream.
const (
	firstText  = "conform says "
	secondText = "hello"
	// usageTotal is the sum of tokens in every chat answer: 20 in the prompt, 4
	// of them from a cache, and 9 out.
	usageTotal = 29
)

// answer is what the mock upstream answers.
type answer struct {
	style       string // how its API writes errors
	status      int
	contentType string
	stream      bool
	body        string
	events      []string // of a stream
}

// known is one wire by the path of its requests.
type known struct {
	path   *regexp.Regexp
	file   string // in answers, without .json; or the body's kind
	style  string
	stream string // "body": by its stream member; "path": always; "": never
}

func path(pattern, file, style, stream string) known {
	return known{regexp.MustCompile(pattern), file, style, stream}
}

// wires are looked through in this order.
var wires = []known{
	path(`/chat/completions$`, "openai-chat", "openai", "body"),
	path(`/messages/count_tokens$`, "anthropic-count", "anthropic", ""),
	path(`/messages$`, "anthropic-messages", "anthropic", "body"),
	path(`/responses$`, "openai-responses", "openai", "body"),
	path(`:generateContent$`, "gemini-generate", "google", ""),
	path(`:streamGenerateContent$`, "gemini-generate", "google", "path"),
	path(`:countTokens$`, "gemini-count", "google", ""),
	path(`:embedContent$`, "gemini-embed", "google", ""),
	path(`:batchEmbedContents$`, "gemini-embeds", "google", ""),
	path(`/converse$`, "bedrock-converse", "aws", ""),
	path(`/converse-stream$`, "bedrock-converse", "aws", "path"),
	path(`embed[^/]*/invoke$`, "bedrock-embed", "aws", ""),
	path(`rerank[^/]*/invoke$`, "rerank", "aws", ""),
	path(`/v2/chat$`, "cohere-chat", "plain", "body"),
	path(`/v2/embed$`, "cohere-embed", "plain", ""),
	path(`/rerank$`, "rerank", "plain", ""),
	path(`/embeddings$`, "openai-embeddings", "openai", ""),
	path(`/completions$`, "openai-completions", "openai", "body"),
	path(`/images/(generations|edits)$`, "openai-images", "openai", ""),
	path(`/audio/(transcriptions|translations)$`, "openai-transcription", "openai", ""),
	path(`/moderations$`, "openai-moderation", "openai", ""),
	path(`/speech-to-text$`, "elevenlabs-transcription", "fastapi", ""),
	path(`/listen$`, "deepgram-transcription", "plain", ""),
	path(`/audio/speech$|/text-to-speech/|/speak$`, "audio", "openai", ""),
	path(`/stable-image/|/text-to-image$`, "stability-image", "plain", ""),
	path(`/async-invoke$`, "models", "aws", ""),
	path(`/models$|/auth/token$|/user/balance$`, "models", "plain", ""),
}

// answer finds what a request is answered with.
func (u *upstream) answer(r *http.Request, body string) (answer, bool) {
	streams := strings.Contains(strings.ReplaceAll(body, " ", ""), `"stream":true`)
	path := r.URL.Path
	if raw, err := url.PathUnescape(r.URL.EscapedPath()); err == nil {
		path = raw
	}
	for i, re := range u.paths {
		if e := u.extra[i]; re.MatchString(path) && (!e.Stream || streams) {
			a := answer{status: e.Status, contentType: or(e.ContentType, "application/json"), stream: e.Stream, body: e.Body}
			if e.Stream {
				a.contentType, a.events = or(e.ContentType, "text/event-stream"), events(e.Body)
			}
			return a, true
		}
	}
	for _, w := range wires {
		if w.path.MatchString(path) {
			return w.answer(w.stream == "path" || w.stream == "body" && streams), true
		}
	}
	return answer{style: "openai", stream: streams, contentType: "application/json"}, false
}

func (w *known) answer(stream bool) answer {
	a := answer{style: w.style, contentType: "application/json", stream: stream}
	switch {
	case w.file == "audio":
		a.contentType, a.body = "audio/mpeg", "ID3 conform says hello"
	case !stream:
		a.body = file(w.file + ".json")
	default:
		a.contentType, a.events = "text/event-stream", events(file(w.file+".sse"))
		if w.style == "aws" {
			a.contentType = "application/vnd.amazon.eventstream"
			for i, e := range a.events {
				a.events[i] = frame(e)
			}
		}
	}
	return a
}

func file(name string) string {
	raw, err := answers.ReadFile("answers/" + name)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return string(raw)
}

// events splits server-sent events, each with its empty line.
func events(text string) []string {
	list := strings.SplitAfter(text, "\n\n")
	if len(list) > 0 && list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	return list
}

// fail writes an error as an API of the given style does.
func fail(w http.ResponseWriter, style string, status int) {
	what := map[int][3]string{ // OpenAI's code, Anthropic's type, Google's status
		400: {"invalid_value", "invalid_request_error", "INVALID_ARGUMENT"},
		401: {"invalid_api_key", "authentication_error", "UNAUTHENTICATED"},
		403: {"forbidden", "permission_error", "PERMISSION_DENIED"},
		404: {"model_not_found", "not_found_error", "NOT_FOUND"},
		429: {"rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"},
		500: {"server_error", "api_error", "INTERNAL"},
		529: {"overloaded", "overloaded_error", "UNAVAILABLE"},
	}[status]
	aws := map[int]string{400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 404: "ResourceNotFoundException",
		429: "ThrottlingException", 500: "InternalServerException", 529: "ServiceUnavailableException"}[status]
	const message = "conform refuses this"
	body := map[string]any{
		"openai":    map[string]any{"error": map[string]any{"message": message, "type": what[1], "code": what[0], "param": nil}},
		"anthropic": map[string]any{"type": "error", "error": map[string]any{"type": what[1], "message": message}},
		"google":    map[string]any{"error": map[string]any{"code": status, "message": message, "status": what[2]}},
		"aws":       map[string]any{"message": message},
		"fastapi":   map[string]any{"detail": map[string]any{"status": what[0], "message": message}},
		"plain":     map[string]any{"message": message},
	}[or(style, "plain")]
	w.Header().Set("Content-Type", "application/json")
	if style == "aws" {
		w.Header().Set("X-Amzn-Errortype", aws)
	}
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// retryAfter is what the mock asks for with status 429, in seconds.
const retryAfter = 7
