// Cheapest sends a request to the target that costs least for its size, and
// falls back to the next cheapest.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o cheapest.wasm ./examples/routes/cheapest
package main

import "github.com/signalbox-ai/signalbox/sdk/route"

func init() { route.Handle(cheapest) }

func main() {}

func cheapest(req *route.Request, plan *route.Plan) {
	var rank route.Rank
	for i := range req.Len() {
		t := req.Target(i)
		cost := uint64(req.InTokens)*uint64(t.PriceIn) + uint64(req.OutTokens)*uint64(t.PriceOut)
		if route.Resting(t) {
			cost |= 1 << 63 // only when nothing else is left
		}
		rank.Add(cost, t.Weight)
	}
	rank.Draw(req.Rand)
	for place := range rank.Len() {
		plan.Try(rank.At(place))
	}
	plan.Because("cheapest first")
}
