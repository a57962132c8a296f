// Endless never decides; the request's flags choose how.
package main

import (
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/route"
)

func init() { route.Handle(endless) }

func main() {}

var (
	sink  [][]byte
	total uint64
)

func endless(req *route.Request, plan *route.Plan) {
	switch req.Flags {
	case abi.FlagStream: // loops
		for {
			total = total*3 + 1
		}
	case abi.FlagTools: // makes garbage
		for {
			sink = append(sink[:0], make([]byte, 1000))
		}
	case abi.FlagImages: // hoards
		for {
			sink = append(sink, make([]byte, 1<<20))
		}
	case abi.FlagAudio: // recurses
		total += deep(1)
	case abi.FlagFiles: // panics
		plan.Try(req.Len() + 1<<20).Weight = uint32(req.Target(1 << 20).Weight)
	default:
		plan.Try(0)
	}
}

func deep(n uint64) uint64 {
	var pad [64]uint64
	pad[n%64] = n
	return deep(n+1) + pad[(n+1)%64]
}
