package meter

import (
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var (
	errTokens = policyError(402, "content_unbounded",
		"the request holds content whose tokens cannot be bounded (a remote URL, a stored file, an image for a model of unknown context, a session or a batch), and a budget of tokens applies to the key: send text, or ask for a model whose context is known", "messages")
	errNoLongest = policyError(402, "max_tokens_required",
		"the longest answer of this model is not known, and a budget of tokens applies to the key: send max_tokens", "max_tokens")
)

// Tokens is the most that one attempt can take at a model of price p, nil if
// that is not known: at most one for each byte of the body or as many as the
// context takes, and an answer as long as the caller, the policy or the model
// allows, each as often as answers are asked for. The errors are shared.
func Tokens(p *call.Price, a *Ask) (int64, *wire.Error) {
	switch a.Op {
	case wire.OpCountTokens, wire.OpFiles:
		return 0, nil
	case wire.OpRealtime, wire.OpBatches, wire.OpPass:
		return 0, errTokens
	}
	counted := call.Price{}
	if p != nil {
		counted = *p
	}
	counted.Output = 1 // whatever it costs
	if silent(a.Op) {
		counted.Output, counted.AudioOutput, counted.ImageOutput, counted.Reasoning = 0, 0, 0, 0
	}
	out, err := longestAnswer(&counted, a)
	if err != nil {
		return 0, errNoLongest
	}
	in, bounded := longestPrompt(&counted, a)
	if a.Facts.Unbounded && counted.Context == 0 || !bounded {
		return 0, errTokens
	}
	if a.Facts.Unbounded {
		in = max(in, counted.Context)
	}
	n := max(a.Facts.N, 1)
	if a.Op == wire.OpRerank {
		n += documents(a.Facts)
	}
	return min(multiple(in, n)+multiple(out, n), maxBound), nil
}

// silent reports whether answers of op have no tokens.
func silent(op wire.Op) bool {
	return op == wire.OpEmbeddings || op == wire.OpModeration || op == wire.OpRerank
}
