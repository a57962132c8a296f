// Priority is the module plugins/routes/priority in Go: it proves the Go SDK
// and is what the shipped one is measured against.
package main

import "github.com/signalbox-ai/signalbox/sdk/route"

func init() { route.Handle(priority) }

func main() {}

var rank route.Rank

func priority(req *route.Request, plan *route.Plan) {
	rank.Reset()
	for i := range req.Len() {
		t := req.Target(i)
		rank.Add(route.Class(t.Priority, route.Resting(t)), t.Weight)
	}
	rank.Draw(req.Rand)
	for place := range rank.Len() {
		plan.Try(rank.At(place))
	}
}
