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
	NumOps // one past the last operation
)

var opNames = [NumOps]string{"", "chat", "embeddings"}

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
	NumDialects // one past the last dialect
)

var dialectNames = [NumDialects]string{"", "openai-chat", "anthropic-messages", "openai-embeddings"}

// String returns the stable name, "" for NoDialect.
func (d Dialect) String() string { return nameOf(dialectNames[:], int(d)) }

// ParseDialect returns the dialect called name, or NoDialect.
func ParseDialect(name string) Dialect { return Dialect(indexOf(dialectNames[:], name)) }

// Usage counts what a request consumed, in disjoint buckets of tokens: their
// sum is the total. (OpenAI reports cached tokens inside the prompt and
// reasoning inside the completion, Anthropic reports cache reads and writes
// beside the input: both are taken apart here.)
type Usage struct {
	Input        int64 // prompt tokens that were neither read from nor written to a cache
	CacheRead    int64
	CacheWrite5m int64 // written to a cache that lives five minutes, or of unstated life
	CacheWrite1h int64
	Output       int64 // answer tokens without reasoning, as far as the dialect tells them apart
	Reasoning    int64
}

// Total is the sum of all buckets.
func (u Usage) Total() int64 { return u.Prompt() + u.Completion() }

// Prompt is the sum of the buckets on the way in.
func (u Usage) Prompt() int64 { return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h }

// Completion is the sum of the buckets on the way out.
func (u Usage) Completion() int64 { return u.Output + u.Reasoning }

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
