// Package text finds the text in requests, answers and the events of streams:
// whose it is, and which bytes of the body hold it, so that it can be looked at
// and replaced where it stands. Bodies are walked once, without a tree.
//
// Members are known that hold no text, as ids, kinds and pictures do. Every
// other string within a message is taken for text: what an API adds tomorrow is
// seen, not passed over. Names are compared as lenient parsers do, without
// regard to case and underscores.
package text

import (
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// Channel says whose text a part is. The numbers are those of package abi.
type Channel uint8

// The channels: four of prompts, three of answers.
const (
	ChannelUnknown       Channel = iota
	ChannelSystem                // instructions
	ChannelUser                  // what users wrote
	ChannelAssistant             // earlier answers, their reasoning and their tool calls
	ChannelToolResult            // what tools said
	ChannelAnswer                // its text
	ChannelReasoning             // thinking that the caller sees
	ChannelToolArguments         // JSON, of streams in pieces
	NumChannels                  // one past the last channel
)

// Kind is what the span of a part is.
type Kind uint8

// The kinds.
const (
	KindText   Kind = iota // the characters of a JSON string, without its quotes
	KindJSON               // a JSON value that is text as it stands
	KindVoid               // a value that repeats text in pieces, as logprobs do: see Blank
	KindOpaque             // text in a form that cannot be looked into: an array of tokens
	KindLabel              // no span: an event tells the Label of its Key
	KindEnd                // no span: what an event ends
)

// Part is a stretch of text and where it stands.
type Part struct {
	Kind    Kind
	Channel Channel // of a KindEnd: ChannelUnknown for all that the numbers name
	Track   uint8   // tells apart what goes side by side in a channel, as a refusal
	Delta   bool    // of an event: a piece, to be joined with those of the same Key; else a text of its own
	Index   int32   // which message, block, item or tool call; of a KindEnd: -1 for all
	Piece   int32   // which part of a message or summary
	Choice  int32   // which of several answers; of a KindEnd: -1 for all
	Label   []byte  // the tool's name, where it is told
	From    int     // of the span
	To      int
}

// Key names what pieces are joined.
type Key struct {
	Channel Channel
	Track   uint8
	Index   int32
	Piece   int32
	Choice  int32
}

// Key of the text that p is a part of.
func (p *Part) Key() Key { return Key{p.Channel, p.Track, p.Index, p.Piece, p.Choice} }

// Ends reports whether p, a KindEnd, ends the text of k.
func (p *Part) Ends(k Key) bool {
	return (p.Choice < 0 || p.Choice == k.Choice) && (p.Index < 0 || p.Index == k.Index) &&
		(p.Channel == ChannelUnknown || p.Channel == k.Channel && p.Track == k.Track && p.Piece == k.Piece)
}

// Raw is what the part's span holds.
func (p *Part) Raw(body []byte) []byte { return body[p.From:p.To] }

// Tracks beside the main one, which is 0.
const (
	trackRefusal = 1 + iota
	trackContent // reasoning_content, and the content of Responses' reasoning
	trackDetails // reasoning_details
	trackOther   // what is not known by name: a text of its own; and what audio says
	trackCall    // the arguments of OpenAI's function_call
	trackCustom  // the input of a custom tool
)

// Request appends the texts of a JSON request of op in dialect d, in order of
// appearance. ok is false when body is not one valid JSON value.
func Request(dst []Part, op wire.Op, d wire.Dialect, body []byte) (parts []Part, ok bool) {
	w := walker{r: lex.New(body), out: dst}
	w.request(op, d)
	return w.out, w.r.Done()
}

// Answer appends the texts of a complete JSON answer in dialect d. ok is false
// when body is not one valid JSON value.
func Answer(dst []Part, d wire.Dialect, body []byte) (parts []Part, ok bool) {
	w := walker{r: lex.New(body), out: dst, answer: true}
	w.at.Channel = ChannelAnswer
	w.top(d)
	return w.out, w.r.Done()
}

// Event appends the texts of an event's data in a stream in dialect d, and what
// the event ends: ends stand before texts that come again as a whole. ok is
// false when data is neither one valid JSON value nor the word that ends
// OpenAI's streams.
func Event(dst []Part, d wire.Dialect, data []byte) (parts []Part, ok bool) {
	if string(data) == "[DONE]" {
		return append(dst, endAll), true
	}
	w := walker{r: lex.New(data), out: dst, answer: true, stream: true}
	w.at.Channel = ChannelAnswer
	switch d {
	case wire.AnthropicMessages:
		w.anthropicEvent()
	case wire.OpenAIChat, wire.OpenAICompletions, wire.GeminiGenerate:
		w.at.Delta = true
		w.top(d)
	default:
		w.typedEvent()
	}
	return w.out, w.r.Done()
}

var endAll = Part{Kind: KindEnd, Index: -1, Choice: -1}

// Blank is what a value of KindVoid can be replaced by.
func Blank(raw []byte) string {
	if len(raw) > 0 && raw[0] == '[' {
		return "[]"
	}
	return "null"
}

// Unescape appends raw, the characters of a JSON string, decoded.
func Unescape(dst, raw []byte) []byte { return lex.Unescape(dst, raw) }

// Escape appends s as it stands within a JSON string. What is not UTF-8 becomes
// U+FFFD.
func Escape(dst, s []byte) []byte { return lex.AppendEscaped(dst, s) }

// Valid reports whether b is one valid JSON value.
func Valid(b []byte) bool {
	r := lex.New(b)
	return r.Done()
}

// Readable reports what of op holds text that Request and Answer find. What
// neither side of is readable holds text in other forms: uploads, sessions,
// what a provider's own API says.
func Readable(op wire.Op) (request, answer bool) {
	switch op {
	case wire.OpChat, wire.OpCountTokens, wire.OpCompletions, wire.OpEmbeddings, wire.OpImages, wire.OpSpeech,
		wire.OpModeration, wire.OpRerank:
		return true, true
	case wire.OpImageEdits, wire.OpTranscription, wire.OpTranslation:
		return false, true
	}
	return false, false
}
