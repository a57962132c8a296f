package server

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// form is how the body of an operation is read.
type form uint8

const (
	formJSON   form = iota
	formUpload      // multipart/form-data
	formAny         // not looked into
	formWhole       // JSON that is not looked into here
)

// endpoint is what a path means.
type endpoint struct {
	op      wire.Op
	dialect wire.Dialect
	form    form
}

var endpoints = map[string]endpoint{
	"/v1/chat/completions":      {op: wire.OpChat, dialect: wire.OpenAIChat},
	"/v1/responses":             {op: wire.OpChat, dialect: wire.OpenAIResponses},
	"/v1/messages":              {op: wire.OpChat, dialect: wire.AnthropicMessages},
	"/v1/messages/count_tokens": {op: wire.OpCountTokens, dialect: wire.AnthropicMessages},
	"/v1/completions":           {op: wire.OpCompletions, dialect: wire.OpenAICompletions},
	"/v1/embeddings":            {op: wire.OpEmbeddings, dialect: wire.OpenAIEmbeddings},
	"/v1/images/generations":    {op: wire.OpImages, dialect: wire.OpenAIImages},
	"/v1/images/edits":          {wire.OpImageEdits, wire.OpenAIImageEdits, formUpload},
	"/v1/audio/speech":          {op: wire.OpSpeech, dialect: wire.OpenAISpeech},
	"/v1/audio/transcriptions":  {wire.OpTranscription, wire.OpenAITranscription, formUpload},
	"/v1/audio/translations":    {wire.OpTranslation, wire.OpenAITranslation, formUpload},
	"/v1/moderations":           {op: wire.OpModeration, dialect: wire.OpenAIModeration},
	"/v1/rerank":                {op: wire.OpRerank, dialect: wire.CohereRerank},
	"/v2/rerank":                {op: wire.OpRerank, dialect: wire.CohereRerank},
}

// asked is a request with what its path says of it.
type asked struct {
	endpoint
	model    []byte // that the path names
	stream   bool   // the path asks for a stream
	path     string // beyond the operation's own
	provider string // that the caller names
}

// folder is an operation that has paths of its own below one.
type folder struct {
	prefix  string
	methods string
	endpoint
}

var folders = []folder{
	{"/v1/files", "GET POST DELETE", endpoint{wire.OpFiles, wire.OpenAIFiles, formUpload}},
	{"/v1/batches", "GET POST", endpoint{wire.OpBatches, wire.OpenAIBatches, formJSON}},
	{"/v1/messages/batches", "GET POST DELETE", endpoint{wire.OpBatches, wire.AnthropicMessages, formAny}},
	{"/v1/pipelines", "GET POST", endpoint{wire.OpPipeline, wire.Raw, formAny}},
}

// modelFolders are where Gemini's clients look for models.
var modelFolders = []string{"/v1beta/models", "/v1alpha/models", "/v1/models"}

// toolsPath is where tool servers are, by the Model Context Protocol.
const toolsPath = "/mcp"

// find tells what a request asks for beyond the plain endpoints.
func find(ctx *fasthttp.RequestCtx, path []byte) (a asked, err *wire.Error) {
	switch string(path) {
	case realtimePath:
		return findRealtime(ctx)
	case toolsPath:
		a.endpoint = endpoint{wire.OpTool, wire.Raw, formWhole}
		return a, methods(ctx, "GET POST DELETE")
	}
	for _, dir := range modelFolders {
		if rest, ok := bytes.CutPrefix(path, []byte(dir+"/")); ok && !ctx.IsGet() {
			return findGemini(ctx, rest)
		}
	}
	for _, f := range folders {
		rest, ok := bytes.CutPrefix(path, []byte(f.prefix))
		if !ok || len(rest) > 0 && rest[0] != '/' {
			continue
		}
		a.endpoint = f.endpoint
		if err := methods(ctx, f.methods); err != nil {
			return a, err
		}
		a.path, a.provider, err = below(ctx, rest, false)
		if len(rest) > 0 {
			a.form = formAny // a file's own requests have no form, a batch's no facts
		}
		return a, err
	}
	if rest, ok := bytes.CutPrefix(path, []byte("/v1/pass/")); ok {
		provider, rest := rest, []byte("/")
		if at := bytes.IndexByte(provider, '/'); at >= 0 {
			provider, rest = provider[:at], provider[at:]
		}
		a.endpoint = endpoint{wire.OpPass, wire.Raw, formAny}
		if err := methods(ctx, "GET POST PUT PATCH DELETE"); err != nil {
			return a, err
		}
		a.path, _, err = below(ctx, rest, true)
		a.provider = string(provider)
		return a, err
	}
	return a, wire.Errorf(404, "unknown_path", "there is no %s %q: GET /openapi.json lists what there is", ctx.Method(), path)
}

func methods(ctx *fasthttp.RequestCtx, list string) *wire.Error {
	for m := range strings.SplitSeq(list, " ") {
		if string(ctx.Method()) == m {
			return nil
		}
	}
	ctx.Response.Header.Set("Allow", strings.ReplaceAll(list, " ", ", "))
	return wire.Errorf(405, "method_not_allowed", "%s takes %s, not %s", ctx.Request.URI().PathOriginal(), strings.ReplaceAll(list, " ", ", "), ctx.Method())
}

// below reads what a path has beyond the operation's own, with the query but
// for what is the gateway's: a key, and the provider where the path has none.
func below(ctx *fasthttp.RequestCtx, rest []byte, pass bool) (path, provider string, err *wire.Error) {
	if !safePath(rest) {
		return "", "", wire.Errorf(400, "unsafe_path", "the path %q has dot segments, encoded separators or characters that are read differently by different servers: write it plainly", rest)
	}
	provider = string(ctx.Request.Header.Peek("X-Signalbox-Provider"))
	path = string(rest)
	sep := "?"
	for part := range strings.SplitSeq(string(ctx.URI().QueryString()), "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name = unescape(name); {
		case part == "" || name == "key":
		case name == "provider" && !pass:
			if provider == "" {
				provider = unescape(value)
			}
		case !visible(part):
			return "", "", wire.Errorf(400, "unsafe_path", "the query holds characters that must be encoded: %q", part)
		default:
			path += sep + part
			sep = "&"
		}
	}
	return path, provider, nil
}

func visible(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// safePath reports whether every server reads the path alike, and none as one
// that leads out of where it begins.
func safePath(path []byte) bool {
	if len(path) == 0 {
		return true
	}
	if path[0] != '/' || !visible(string(path)) || bytes.ContainsAny(path, "\\?") {
		return false
	}
	segments := strings.Split(string(path[1:]), "/")
	for i, seg := range segments {
		plain := unescape(seg)
		name, _, _ := strings.Cut(plain, ";") // some servers cut parameters off first
		switch {
		case seg == "" && i < len(segments)-1: // an empty one at the end is a trailing slash
			return false
		case name == ".", name == "..", strings.ContainsAny(plain, "/\\%"):
			return false
		case strings.ContainsFunc(plain, unicode.IsControl), !utf8.ValidString(plain): // overlong forms hide dots and slashes
			return false
		}
	}
	return true
}

// unescape decodes percent-encoding; what is not such stays as it is.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, hexOf(s[i+1])<<4|hexOf(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func hexOf(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// findGemini reads "{model}:{verb}", where the model may hold slashes, plain
// or encoded.
func findGemini(ctx *fasthttp.RequestCtx, rest []byte) (a asked, err *wire.Error) {
	a.endpoint = endpoint{op: wire.OpChat, dialect: wire.GeminiGenerate}
	model, verb, ok := cutVerb(string(rest))
	switch verb {
	case "generateContent":
	case "streamGenerateContent":
		a.stream = true
	case "countTokens":
		a.op = wire.OpCountTokens
	default:
		ok = false
	}
	if !ok {
		return a, wire.Errorf(404, "unknown_path", "there is no %q: of models there are POST {model}:generateContent, :streamGenerateContent and :countTokens", ctx.Path())
	}
	if err := methods(ctx, "POST"); err != nil {
		return a, err
	}
	if a.stream && string(ctx.QueryArgs().Peek("alt")) != "sse" {
		return a, wire.Errorf(400, "unsupported_stream", "streams are sent as server-sent events alone: add ?alt=sse to the URL, as Google's own clients do")
	}
	a.model = []byte(model)
	return a, nil
}

// cutVerb splits what follows "models/" of a path. The verb is behind the last
// colon; names of models may hold others.
func cutVerb(rest string) (model, verb string, ok bool) {
	at := strings.LastIndexByte(rest, ':')
	if at <= 0 {
		return "", "", false
	}
	model, verb = unescape(rest[:at]), rest[at+1:]
	for i := range len(model) {
		if model[i] < ' ' || model[i] == 0x7f {
			return "", "", false
		}
	}
	return model, verb, true
}

// apply fills the call with what the path says.
func (a *asked) apply(c *call.Call, ctx *fasthttp.RequestCtx) {
	c.Op, c.Dialect = a.op, a.dialect
	c.Path, c.Provider = a.path, a.provider
	if !ctx.IsPost() {
		c.Method = string(ctx.Method())
	}
	if v := ctx.Request.Header.Peek("X-Signalbox-Strict"); len(v) > 0 {
		c.Strict = string(v) == "true" || string(v) == "1"
	}
}

// complete adds to a call's facts what the body does not say.
func (a *asked) complete(c *call.Call) {
	if a.model != nil {
		c.Facts.Model = a.model
	}
	if a.stream {
		c.Facts.Stream = true
	}
	if a.op == wire.OpModeration && len(c.Facts.Model) == 0 {
		c.Facts.Model = []byte(defaultModeration)
	}
}

// defaultModeration is the model of moderations that name none, by OpenAI's
// API reference.
const defaultModeration = "omni-moderation-latest"
