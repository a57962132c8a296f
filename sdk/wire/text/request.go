package text

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// request takes the texts of a request: prompts, and what describes tools and
// the form of the answer. Members that are not known count as the user's.
func (w *walker) request(op wire.Op, d wire.Dialect) {
	w.at.Channel = ChannelUser
	if w.r.Kind() != '{' {
		w.other()
		return
	}
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		at := w.at
		w.asked(op, d)
		w.at = at
	}
}

// asked takes one member of a request.
func (w *walker) asked(op wire.Op, d wire.Dialect) {
	var buf [longest]byte
	name := w.r.Name()
	if len(name) > longest {
		w.value()
		return
	}
	switch string(canonical(buf[:0], name)) {
	case "messages", "contents", "items":
		w.messages()
	case "input", "prompt", "texts":
		if op == wire.OpChat || op == wire.OpCountTokens {
			w.messages()
		} else {
			w.inputs()
		}
	case "documents":
		w.inputs()
	case "system", "instructions", "systeminstruction":
		w.at.Channel = ChannelSystem
		w.value()
	case "tools", "functions", "responseformat", "outputconfig", "outputformat", "generationconfig", "toolconfig", "toolchoice":
		w.at.Channel = ChannelSystem
		w.described(0, false)
	case "text": // Responses: the form of the answer; of others it may be the prompt
		if d == wire.OpenAIResponses {
			w.at.Channel = ChannelSystem
			w.described(0, false)
		} else {
			w.value()
		}
	case "model", "user", "safetyidentifier", "promptcachekey", "metadata", "stop", "stopsequences", "servicetier", "voice",
		"reasoningeffort", "reasoning", "thinking", "include", "truncation", "verbosity", "modalities", "size", "quality", "style",
		"background", "outputfmt", "encodingformat", "inputtype", "embeddingtypes", "inferencegeo", "betas", "mcpservers",
		"previousresponseid", "conversation", "container", "cachedcontent", "safetysettings", "responsemodalities", "labels",
		"streamformat", "moderation", "images", "inputfidelity", "tasktype", "truncate", "contextmanagement", "promptcacheretention":
		w.r.Skip()
	default:
		w.member(classify(name), &traits{})
	}
}

// messages takes one message, or an array of them; a bare string is the user's.
func (w *walker) messages() {
	if w.r.Kind() != '[' {
		w.message(0)
		return
	}
	for n := int32(0); n == 0 && w.r.Array() && w.r.Elem() || n > 0 && w.r.Elem(); n++ {
		w.message(n)
	}
}

// message takes message number n, or an item of that number.
func (w *walker) message(n int32) {
	saved := w.at
	w.at.Index = n
	switch w.r.Kind() {
	case '{':
		t := w.peek()
		w.at.Channel = channelOf(&t)
		if w.at.Channel == ChannelToolResult {
			w.at.Label = t.name
		}
		w.object()
	default:
		w.value()
	}
	w.at = saved
}

// channelOf is whose message it is, by its role or what kind of item it is.
func channelOf(t *traits) Channel {
	switch string(t.role) {
	case "system", "developer":
		return ChannelSystem
	case "assistant", "model":
		return ChannelAssistant
	case "tool", "function":
		return ChannelToolResult
	case "":
	default:
		return ChannelUser
	}
	switch {
	case bytes.HasSuffix(t.typ, []byte("_output")):
		return ChannelToolResult
	case bytes.HasSuffix(t.typ, []byte("_call")), string(t.typ) == "reasoning":
		return ChannelAssistant
	}
	return ChannelUser
}

// inputs takes one text, an array of them, or arrays of tokens.
func (w *walker) inputs() {
	if w.r.Kind() != '[' {
		w.value()
		return
	}
	r := w.r
	if r.Array() && r.Elem() && r.Kind() == '0' {
		w.whole(KindOpaque)
		return
	}
	at := w.at
	for n := int32(0); n == 0 && w.r.Array() && w.r.Elem() || n > 0 && w.r.Elem(); n++ {
		w.at.Index = n
		if r := w.r; r.Kind() == '[' && r.Array() && r.Elem() && r.Kind() == '0' {
			w.whole(KindOpaque)
		} else {
			w.value()
		}
		w.at = at
	}
}

// maxDescribed is how deep descriptions are looked for in tools and schemas.
const maxDescribed = 64

// described takes what is written for the model in tools and schemas; written
// says that the value at hand is.
func (w *walker) described(depth int, written bool) {
	switch kind := w.r.Kind(); {
	case kind == '"' && written:
		w.text()
	case depth > maxDescribed && (kind == '[' || kind == '{'):
		w.value()
	case kind == '[':
		for ok := w.r.Array() && w.r.Elem(); ok; ok = w.r.Elem() {
			w.described(depth+1, written)
		}
	case kind == '{':
		for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
			w.described(depth+1, written || prose(w.r.Name()))
		}
	default:
		w.r.Skip()
	}
}

// prose reports whether a member of tools and schemas is written for the model.
// A property of that name has a schema, all of whose strings count then.
func prose(name []byte) bool {
	if len(name) > longest {
		return false
	}
	var buf [longest]byte
	switch name := canonical(buf[:0], name); string(name) {
	default:
		return bytes.HasSuffix(name, []byte("description"))
	case "$comment", "title", "instructions", "definition", "enum", "const", "default", "examples", "example", "inputexamples":
		return true
	}
}
