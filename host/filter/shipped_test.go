package filter

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// TestShippedFilters: each of them, with its manifest, in streams of all
// dialects however they are cut.
func TestShippedFilters(t *testing.T) {
	files, err := filepath.Glob("../../plugins/filters/*/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are none: %v", err)
	}
	s := newSet(t)
	say := texts{answer: "Write to jo.doe@mail.example.com or call +49 170 1234567, card 4111 1111 1111 1111, IBAN DE89370400440532013000. " + strings.Repeat("😀 wörds ", 40),
		reasoning: "the user asks for jo.doe@mail.example.com", args: `{"to":"jo.doe@mail.example.com"}`}
	for _, file := range files {
		code, m, err := wasm.Open(file, module.Filter, trust.Keys{})
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".wasm")
		var config []byte
		if name == "words" {
			config = []byte(`{"words":["unheard"]}`)
		}
		if err := s.Load(name, lane.Source{Code: code, Manifest: m, Config: config}, ""); err != nil {
			t.Fatal(err)
		}
		chain := []Link{{Handle: s.Handle(name), Answer: true}}
		for d, write := range writers {
			var first texts
			for seed := range uint64(6) {
				r := rand.New(rand.NewPCG(seed, 5))
				got, _ := gather(t, d, pass(t, s, chain, d, write(r, say, 1+r.IntN(30)), r))
				switch {
				case seed == 0:
					first = got
				case got != first:
					t.Errorf("%s, %s, seed %d: got %+v; want %+v", name, d, seed, got, first)
				}
			}
			if leaks := strings.Contains(first.answer+first.reasoning+first.args, "jo.doe@"); leaks == (name == "pii") {
				t.Errorf("%s, %s: got %+v", name, d, first)
			}
		}
	}
}
