// Chasing follows numbers through a table that no near cache holds, and never ends.
package main

import "github.com/signalbox-ai/signalbox/sdk/route"

func init() { route.Handle(chasing) }

func main() {}

const size = 1 << 20 // 4 MiB: half of what a Go guest may have

var (
	table = make([]uint32, size)
	at    uint32
)

func chasing(req *route.Request, plan *route.Plan) {
	if len(req.Text(req.Tenant)) == 0 {
		plan.Try(0)
		return
	}
	for {
		at = (at*1103515245 + 12345 + table[at]) % size
	}
}
