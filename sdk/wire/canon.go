package wire

import (
	"slices"
	"strings"
)

// The canonical form that requests and answers take between two dialects.
// Byte slices called raw hold the characters of a JSON string as they stand,
// escapes included, so that text is carried over without being decoded; they
// alias the body that was read.

type raw = []byte

// request is a chat request.
type request struct {
	stream      bool
	maxTokens   int64 // 0: not given
	temperature []byte
	topP        []byte // these three as they are written, nil: not given
	topK        []byte
	stop        []raw
	user        raw
	tier        tier

	params [numParams]given // what only some dialects have

	system   []part
	messages []message
	tools    []tool
	choice   toolChoice
	allowed  []raw // the tools that may be called, nil: all
	serial   bool  // at most one tool call an answer
	thinking thinking
	format   *outputFormat

	names   *paramNames
	dropped []string // what could not be carried, in the caller's words
	err     *Error   // what must not be dropped could not be carried
}

// paramNames are a dialect's words for what a writer may have to drop.
type paramNames struct {
	maxTokens, temperature, topP, topK, stop, tier string
	effort, thinking                               string
	content, document, audio, toolError, detail    string
	toolChoice, strict, cache                      string
	user, serial                                   string
}

// Bounds of a report: names come from the caller, and go into a header.
const (
	maxDropped     = 32
	maxDroppedName = 64
	droppedMore    = "and_more"
)

// drop reports that what the caller calls name could not be carried.
func (q *request) drop(name string) {
	name = plainName(name)
	if len(q.dropped) == maxDropped {
		name = droppedMore
	}
	if len(q.dropped) <= maxDropped && !slices.Contains(q.dropped, name) {
		q.dropped = append(q.dropped, name)
	}
}

// plainName is name in characters that are safe in a comma-separated header.
func plainName(name string) string {
	plain := func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' {
			return c
		}
		return '_'
	}
	return strings.Map(plain, name[:min(len(name), maxDroppedName)])
}

type role uint8

const (
	noRole role = iota
	userRole
	assistantRole
	systemRole // in the midst of a conversation
)

type message struct {
	role  role
	parts []part
}

type kind uint8

const (
	noPart kind = iota
	textPart
	imagePart
	filePart       // a document: its bytes in data, of type mime, at url, or plain text in text
	audioPart      // its bytes in data, of type mime: audio/wav, audio/mp3, …
	toolCallPart   // id, name, json
	toolResultPart // id, parts, failed
	thinkingPart   // text and seal
	sealedPart     // thinking that only its maker can read: seal alone. See sealGemini for signatures of tool calls
	refusalPart
)

// part is one piece of a message.
type part struct {
	kind   kind
	text   raw
	mime   raw
	data   raw // base64
	url    raw
	id     raw
	name   raw    // of the tool, or of the file
	json   []byte // arguments: an object
	parts  []part // of a tool's result
	failed bool   // the tool's result is an error
	seal   seal
	cache  []byte // cache_control, as it is written: the prompt up to here is worth caching
	detail raw    // of an image: low, high, …; see detailParam
	// logprobs of a text in an answer: an array in the form of choices[].logprobs.content
	logprobs []byte
}

// tool is a function that the caller runs.
type tool struct {
	name, description raw
	schema            []byte // JSON schema of the arguments, nil: none
	strict            bool
	cache             []byte
}

type toolChoice struct {
	mode choiceMode
	name raw // for chooseOne
}

type choiceMode uint8

const (
	chooseDefault choiceMode = iota
	chooseAuto
	chooseAny
	chooseOne
	chooseNone
)

// thinking is how much the model is asked to reason. At most one of effort,
// budget and off is set; on alone leaves it to the model.
type thinking struct {
	on, off bool
	effort  string // minimal, low, medium, high, xhigh, max
	budget  int64  // tokens
	show    showing
	asked   string // the caller's name of the parameter
}

// showing says whether the caller wants to see a summary of the reasoning.
type showing uint8

const (
	showDefault showing = iota
	shown
	hidden
)

func (t *thinking) set() bool { return t.on || t.off || t.effort != "" || t.budget > 0 }

// outputFormat is the JSON schema that the answer must match; without one it
// is any JSON object.
type outputFormat struct {
	name   raw
	schema []byte // nil: any
	asked  string
}

type tier uint8

const (
	noTier tier = iota
	autoTier
	standardTier
	flexTier
	priorityTier
)

// answer is a complete answer.
type answer struct {
	id       raw
	parts    []part
	stop     stopReason
	usage    Usage
	reported bool     // usage was
	others   []answer // further candidates: parts and stop alone
}

type stopReason uint8

const (
	noStop stopReason = iota
	stopEnd
	stopLength
	stopSequence
	stopTool
	stopRefusal // by the model, or by a filter of its content
)

// delta is one step of a streamed answer.
type delta struct {
	kind deltaKind
	tool int // which tool call, from 0
	text raw // or arguments: characters of a JSON text within a JSON string
	id   raw
	name raw
	stop stopReason
	seal seal
	// choice is the number of the candidate, 0 for the first. deltaStart and
	// deltaEnd are of the answer as a whole.
	choice   int
	logprobs []byte // of a text: see part
}

type deltaKind uint8

const (
	deltaStart deltaKind = iota // id
	deltaText
	deltaRefusal
	deltaThinking
	deltaSeal     // ends a thinking part: seal
	deltaSealed   // a whole sealed part
	deltaTool     // a tool call begins: tool, id, name
	deltaToolArgs // tool, text
	deltaToolEnd  // tool
	deltaStop     // stop
	deltaEnd      // the upstream's terminal event
)
