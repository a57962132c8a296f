package routes_test

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// candidates of a decision that is timed.
const candidates = 8

// BenchmarkPlan is a whole decision of each module: encode, call, decide, decode.
// BenchmarkNative is the priority order in Go.
func BenchmarkPlan(b *testing.B) {
	for _, name := range shipped(b) {
		b.Run(name, func(b *testing.B) {
			h := load(b, name, sample(name))
			c := request(1, crowd(candidates)...)
			c.Wants.Session, c.Wants.Budget, c.Wants.BudgetMax = 42, 3, 10
			c.Wants.Features = abi.Features{Messages: 1, UserBytes: 90, Words: 15, Sentences: 1, Lines: 1, Hard: 1}
			b.ReportAllocs()
			before, calls := h.Stats().Fuel, 0
			for b.Loop() {
				h.Plan(c)
				calls++
			}
			b.ReportMetric(float64(h.Stats().Fuel-before)/float64(calls), "fuel/op")
		})
	}
}

func BenchmarkNative(b *testing.B) {
	c := request(1, crowd(candidates)...)
	for b.Loop() {
		route.Builtin(c)
	}
}
