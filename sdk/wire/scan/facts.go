// Package scan reads the few facts that a gateway needs from a JSON request,
// in one strict pass and without allocating: what model is asked for, whether
// the answer streams, how large it may grow, which tools and kinds of content
// are involved. Everything else stays untouched bytes.
//
// The pass refuses what parsers disagree on (duplicate or look-alike names of
// the members it acts on, trailing data, invalid JSON), so that what policy
// decided on is what the upstream reads.
package scan

import "math"

// Span is a half-open range of byte offsets in the body. The zero Span is "absent".
type Span struct{ From, To int }

// Present reports whether the span refers to anything.
func (s Span) Present() bool { return s.To > s.From }

// Modality is a set of kinds of content.
type Modality uint8

// The kinds of content of a prompt.
const (
	Text Modality = 1 << iota
	Image
	Audio
	File
)

// Facts is what one pass over a request found. Byte slices alias the body or
// the Facts' own buffer and are valid as long as both.
type Facts struct {
	Model   []byte // decoded
	ModelAt Span   // the raw characters between the quotes

	Stream        bool
	IncludeUsage  bool // stream_options.include_usage is true
	StreamOptions Span // the object, braces included
	UsageAt       Span // the value of stream_options.include_usage

	MaxTokens   int64 // the largest of the members that cap an answer, 0: absent
	MaxTokensAt [2]Span
	ConfigAt    Span  // Gemini's generationConfig, braces included
	N           int64 // answers, or images, asked for, ≥ 1

	Tools    [][]byte // names of declared tools, in order of appearance
	In       Modality // kinds of content in the prompt
	Messages int      // or inputs of an embedding, prompts of a completion, documents to rerank

	Characters int64  // of the text to be spoken
	ImageSize  []byte // as asked, nil: absent
	Quality    []byte // of images, as asked, nil: absent

	// Unbounded: the prompt holds content whose size cannot be read from the
	// body: a remote URL, the id of a stored file or conversation, a tool that
	// the provider runs.
	Unbounded    bool
	CacheControl bool   // asks for prompt caching: writes may cost a premium
	ServiceTier  []byte // as asked, nil: absent

	// Refs are what the request names of what the provider keeps, in order of
	// appearance.
	Refs []Ref
	// Unstored: the caller wants the answer not to be kept at the provider.
	Unstored bool

	Size int // of the body in bytes
	End  int // offset of the closing brace of the body

	buf []byte // decoded strings that had escapes
}

// RefKind is a kind of object that providers keep.
type RefKind uint8

// The kinds of objects that requests name.
const (
	RefFile RefKind = iota
	RefResponse
	RefItem // of a response's input or output
	RefConversation
	RefContainer
)

// Ref names an object at the provider.
type Ref struct {
	Kind RefKind
	ID   []byte // decoded
}

// What Reset keeps at most: facts are pooled, and one request must not leave
// its size behind for good.
const (
	maxKeptTools = 1 << 10
	maxKeptRefs  = 1 << 6
	maxKeptBuf   = 64 << 10
)

// Longest is the most tokens that all answers together may have by what the
// request says, 0: it does not say.
func (f *Facts) Longest() int64 {
	n := max(f.N, 1)
	if f.MaxTokens > math.MaxInt64/n {
		return math.MaxInt64
	}
	return f.MaxTokens * n
}

// Reset forgets everything but keeps the buffers.
func (f *Facts) Reset() {
	kept := Facts{Tools: f.Tools[:0], Refs: f.Refs[:0], buf: f.buf[:0]}
	if cap(kept.Tools) > maxKeptTools {
		kept.Tools = nil
	}
	if cap(kept.Refs) > maxKeptRefs {
		kept.Refs = nil
	}
	if cap(kept.buf) > maxKeptBuf {
		kept.buf = nil
	}
	*f = kept
}
