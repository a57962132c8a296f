package limit

import (
	"context"
	_ "embed" // the scripts
	"strconv"
)

// Remote runs a script, in Lua, where nodes share their counters, as one step
// that nobody sees a part of.
type Remote interface {
	// Run returns the numbers that the script does.
	Run(ctx context.Context, script string, keys, args []string) ([]int64, error)
	// Up reports whether asking is worth the time.
	Up() bool
}

//go:embed window.lua
var windowLua string

//go:embed round.lua
var roundLua string

//go:embed exact.lua
var exactLua string

var (
	// round carries out what a node's banker wants of many counters.
	round = windowLua + roundLua
	// exact takes from all counters of a request, or from none.
	exact = windowLua + exactLua
)

// remoteCells are the cells that shared counters keep: one more than a node's
// own, since what is leased is taken up to a cell later than it was counted.
const remoteCells = cells + 2

// prefix is that of all keys. Its braces keep them on one node of a cluster.
const prefix = "{signalbox}:rate:"

// order is what a script is asked to do: keys, each with its arguments.
type order struct {
	keys []string
	args []string
}

// add appends a key with what is to be done.
func (o *order) add(key string, args ...int64) {
	o.keys = append(o.keys, prefix+key)
	for _, n := range args {
		o.args = append(o.args, strconv.FormatInt(n, 10))
	}
}

// What a round can do, as round.lua knows it.
const (
	opLease   = 1 // step ms, least, demand, ahead, limit
	opCorrect = 2 // step ms, cell (-1: now's, -2: the one before), amount
	opSlots   = 3 // ttl ms, needed, ahead, limit, running

	opResults = 4 // and as many of the nodes come first

	unsettled = -1 // in place of what is granted: this node's part is to decide
)

const (
	nodesKey = "nodes"  // all that there are
	stateKey = "state"  // of the memory: its name, and until when nothing is granted
	roundKey = "round:" // and the node: what its last round has brought
)
