package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/guests"
	"github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/route"
)

// TestLanguagesAgree: the same module in each language, and in the test's own
// process, gives the same bytes for every request of a corpus.
func TestLanguagesAgree(t *testing.T) {
	requests := guests.Requests(7, 3000)
	want := make([][]byte, len(requests))
	for i, r := range requests {
		want[i] = bytes.Clone(route.Run(guests.Aligned(r)))
	}
	for _, lang := range guests.Languages {
		t.Run(lang, func(t *testing.T) {
			g := guests.Load(t, module.Route, guests.Sample(t, ".", lang))
			for i, r := range requests {
				got, err := g.Call(nil, r)
				if err != nil || !bytes.Equal(got, want[i]) {
					t.Fatalf("request %d: got  %x, %v\nwant %x", i, got, err, want[i])
				}
			}
		})
	}
}

// BenchmarkCheapest is a decision on a record that is there, in a module of each
// language with all that the gateway's call of it takes, against the same in the
// test's own process.
func BenchmarkCheapest(b *testing.B) {
	for _, lang := range guests.Languages {
		for _, n := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/%d", lang, n), func(b *testing.B) {
				r := guests.Aligned(guests.Request(rand.New(rand.NewPCG(1, 2)), n))
				g := guests.Load(b, module.Route, guests.Sample(b, ".", lang))
				var answer []byte
				var err error
				b.ReportAllocs()
				guests.Compare(b, func() { route.Run(r) }, func() {
					if answer, err = g.Call(answer[:0], r); err != nil {
						b.Fatal(err)
					}
				})
				b.ReportMetric(float64(g.Spent(b, r)), "fuel")
			})
		}
	}
}
