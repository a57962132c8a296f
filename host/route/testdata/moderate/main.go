// Moderate allocates a map and some slices at every decision, as many authors
// would.
package main

import (
	"cmp"
	"slices"

	"github.com/signalbox-ai/signalbox/sdk/route"
)

func init() { route.Handle(moderate) }

func main() {}

type scored struct {
	at    int
	score float64
}

func moderate(req *route.Request, plan *route.Plan) {
	regions := map[string][]int{}
	var list []scored
	for i := range req.Len() {
		t := req.Target(i)
		region := req.Text(t.Region)
		regions[region] = append(regions[region], i)
		list = append(list, scored{i, float64(t.PriceIn) * float64(len(regions[region]))})
	}
	slices.SortStableFunc(list, func(a, b scored) int { return cmp.Compare(a.score, b.score) })
	for _, s := range list {
		plan.Try(s.at)
	}
}
