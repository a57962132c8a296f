package route

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm/guests"
	sdk "github.com/signalbox-ai/signalbox/sdk/route"
)

// cheapest is examples/routes/cheapest.
func cheapest(req *sdk.Request, plan *sdk.Plan) {
	var rank sdk.Rank
	for i := range req.Len() {
		t := req.Target(i)
		cost := uint64(req.InTokens)*uint64(t.PriceIn) + uint64(req.OutTokens)*uint64(t.PriceOut)
		if sdk.Resting(t) {
			cost |= 1 << 63
		}
		rank.Add(cost, t.Weight)
	}
	rank.Draw(req.Rand)
	for place := range rank.Len() {
		plan.Try(rank.At(place))
	}
	plan.Because("cheapest first")
}

// BenchmarkLanguages is a whole decision about 8 candidates, by the sample
// module in each language, against the same decision in native Go: the record
// made, decided on, and the plan read.
func BenchmarkLanguages(b *testing.B) {
	sdk.Handle(cheapest)
	folder := filepath.Join("..", "..", "examples", "routes", "cheapest")
	for _, lang := range guests.Languages {
		b.Run(lang, func(b *testing.B) {
			h := load(b, "cheapest", guests.Sample(b, folder, lang))
			c := someCall(rand.New(rand.NewPCG(1, 2)), 8)
			record := guests.Aligned(make([]byte, recordSize(c, 0)))
			var plan call.Plan
			b.ReportAllocs()
			guests.Compare(b, func() {
				encode(record, c, noon.UnixMilli(), 7, 0)
				if err := decode(sdk.Run(record), 8, &plan); err != nil {
					b.Fatal(err)
				}
			}, func() { h.Plan(c) })
			if c.Plan.Route == "builtin" {
				b.Fatal("the module failed")
			}
		})
	}
}
