// Hungry allocates at every decision, as a careless author's module would.
package main

import "github.com/signalbox-ai/signalbox/sdk/route"

func init() { route.Handle(hungry) }

func main() {}

var last map[string][]byte

func hungry(req *route.Request, plan *route.Plan) {
	seen := map[string][]byte{}
	for i := range req.Len() {
		id := []byte(req.Text(req.Target(i).ID))
		seen[string(id)] = append(id, make([]byte, 256)...)
		plan.Try(i)
	}
	last = seen
}
