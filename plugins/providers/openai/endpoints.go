package main

import (
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// endpoint is one kind of request and where OpenAI's API has it, below the
// base URL.
type endpoint struct {
	name    string // in the configuration
	op      wire.Op
	dialect wire.Dialect
	path    string
}

// endpoints are all that a service can have.
var endpoints = []endpoint{
	{"chat", wire.OpChat, wire.OpenAIChat, "/chat/completions"},
	{"responses", wire.OpChat, wire.OpenAIResponses, "/responses"},
	{"messages", wire.OpChat, wire.AnthropicMessages, "/messages"},
	{"count_tokens", wire.OpCountTokens, wire.AnthropicMessages, "/messages/count_tokens"},
	{"completions", wire.OpCompletions, wire.OpenAICompletions, "/completions"},
	{"embeddings", wire.OpEmbeddings, wire.OpenAIEmbeddings, "/embeddings"},
	{"images", wire.OpImages, wire.OpenAIImages, "/images/generations"},
	{"image_edits", wire.OpImageEdits, wire.OpenAIImageEdits, "/images/edits"},
	{"speech", wire.OpSpeech, wire.OpenAISpeech, "/audio/speech"},
	{"transcription", wire.OpTranscription, wire.OpenAITranscription, "/audio/transcriptions"},
	{"translation", wire.OpTranslation, wire.OpenAITranslation, "/audio/translations"},
	{"moderation", wire.OpModeration, wire.OpenAIModeration, "/moderations"},
	{"rerank", wire.OpRerank, wire.CohereRerank, "/rerank"},
	{"files", wire.OpFiles, wire.OpenAIFiles, "/files{path}"},
	{"batches", wire.OpBatches, wire.OpenAIBatches, "/batches{path}"},
	{"realtime", wire.OpRealtime, wire.OpenAIRealtime, "/realtime?model={model}"},
	{"pass", wire.OpPass, wire.Raw, "{path}"},
	{"credential", wire.OpCredential, wire.Raw, "/models"},
}

// find is the place of the endpoint called name, -1 if there is none.
func find(name string) int {
	for i, e := range endpoints {
		if e.name == name {
			return i
		}
	}
	return -1
}

// known lists the endpoints' names.
func known() string {
	names := make([]string, len(endpoints))
	for i, e := range endpoints {
		names[i] = e.name
	}
	return strings.Join(names, ", ")
}

// has are names of endpoints, in one word for the tables of presets. All list
// their models, if not all to a good credential alone.
func has(names string) map[string]bool {
	out := map[string]bool{"pass": true, "credential": true}
	for name := range strings.FieldsSeq(names) {
		if find(name) < 0 {
			panic("BUG: there is no endpoint called " + name)
		}
		out[name] = true
	}
	return out
}

// messageHeaders are what callers of Anthropic's dialect may send along.
var messageHeaders = []string{"anthropic-version", "anthropic-beta"}

// lease is the connection for one endpoint of the service.
func (p *preset) lease(e endpoint) provider.Lease {
	l := provider.Lease{
		Op: e.op, Dialect: e.dialect, URL: p.url(e),
		Headers: p.headers, PassHeaders: append(p.pass[:len(p.pass):len(p.pass)], passed...),
		Models: p.names, Errors: append(p.errors[:len(p.errors):len(p.errors)], errors...), Rate: p.rate,
	}
	switch e.dialect {
	case wire.OpenAIChat:
		l.MaxTokens, l.StreamUsage = p.maxTokens, p.streamUsage
	case wire.OpenAICompletions:
		l.StreamUsage = p.streamUsage
	case wire.OpenAIResponses:
		l.MaxTokens = "max_output_tokens"
	case wire.AnthropicMessages:
		l.PassHeaders = append(l.PassHeaders, messageHeaders...)
	}
	if e.op == wire.OpCredential {
		l.Errors = append([]provider.ErrorRule{mayNotList}, l.Errors...)
	}
	return l
}

// url is where an endpoint is, with the configuration's query.
func (p *preset) url(e endpoint) string {
	path := e.path
	if own := p.paths[e.name]; own != "" {
		path = own
	}
	at := p.baseURL + path
	if strings.Contains(path, "://") {
		at = path // another host's
	}
	if p.query == "" || e.op == wire.OpPass {
		return at
	}
	if strings.Contains(at, "?") {
		return at + "&" + p.query
	}
	return at + "?" + p.query
}
