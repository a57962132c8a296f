package call

import "github.com/signalbox-ai/signalbox/sdk/abi"

// Wants is what tells requests for the same model apart when it is chosen where
// they go. Tags are read of each request; what is behind a need is there once
// somebody has asked for it, as Filled says.
type Wants struct {
	NeedTags uint64 // targets have all of these
	DenyTags uint64 // and none of these
	Priority uint32 // 0: normal, 1: high, 2: low

	Filled    Needs
	Session   uint64 // NeedSession: hash of what ties requests together, 0: nothing does
	Prefix    uint64 // NeedSession: hash of the prompt's beginning, 0: there is none
	Last      string // NeedSession: the target that answered the session last, "" if none is known
	Budget    int64  // NeedBudget: nano-dollars left, 0: nothing limits them
	BudgetMax int64  // NeedBudget: of so many
	Meta      []byte // NeedMetadata: lines "name=value", sorted
	Features  abi.Features
}

// Needs is a set of what costs something to find out about a request.
type Needs uint8

// The needs, as manifests of modules name them.
const (
	NeedSession Needs = 1 << iota
	NeedBudget
	NeedIdentity
	NeedMetadata
	NeedFeatures
)

// Need sees to it that what n names is in c.Wants. It works until the answer
// begins: the request's body is gone then.
func (c *Call) Need(n Needs) {
	if n &^= c.Wants.Filled; n == 0 {
		return
	}
	c.Wants.Filled |= n
	if c.Find != nil {
		c.Find(c, n)
	}
}

// Reset forgets all but the room for metadata.
func (w *Wants) Reset() {
	meta := w.Meta[:0]
	Poison(meta)
	*w = Wants{Meta: meta}
}
