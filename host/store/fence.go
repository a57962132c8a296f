package store

import (
	"context"
	"errors"
)

// Fencer is a store that several nodes share.
type Fencer interface {
	// Fence writes a node off: it may never spend again, and what it had leased
	// and not used, as it told last, goes back to the budgets. One that was seen
	// within half a minute is refused with ErrNodeLives, unless forced. It returns
	// of how many accounts something was handed back.
	Fence(ctx context.Context, node string, force bool) (accounts int, err error)
}

// The errors of fencing that callers tell apart.
var (
	ErrNodeUnknown = errors.New("there is no such node")
	ErrNodeLives   = errors.New("the node was seen within half a minute and may be spending: stop it first, or force it")
)
