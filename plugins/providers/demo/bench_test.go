package main

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
)

// What the demo costs counts in every benchmark of the gateway.

func benchmark(b *testing.B, config string, r providertest.Request) {
	a := providertest.Start(b, &demo{}, config)
	b.ReportAllocs()
	for b.Loop() {
		if got := a.Do(b, r); got.Status != 200 {
			b.Fatal(got.Body)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	benchmark(b, "{}", openAIChat(`{"model":"fixed","messages":[{"role":"user","content":"`+strings.Repeat("x ", 512)+`"}]}`))
}

func BenchmarkStream50(b *testing.B) {
	benchmark(b, "{}", openAIChat(`{"model":"fixed?tokens=50&chunks=50","stream":true,"messages":[{"role":"user","content":"x"}]}`))
}

// BenchmarkAnswer is the demo's own part, without the socket.
func BenchmarkAnswer(b *testing.B) {
	d := &demo{}
	if _, err := d.Configure(provider.Config{}); err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"model":"fixed","messages":[{"role":"user","content":"` + strings.Repeat("x ", 512) + `"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		a, err := d.parse(body, "fixed", openAI{})
		if err != nil {
			b.Fatal(err)
		}
		if out := (openAI{}).whole(nil, "id", a, a.answer()); len(out) == 0 {
			b.Fatal("no answer")
		}
	}
}

func BenchmarkScript50(b *testing.B) {
	a := &ask{model: "fixed", name: "fixed", n: 1, controls: controls{Tokens: 50, Chunks: 50}}
	b.ReportAllocs()
	for b.Loop() {
		(openAI{}).events("id", a, a.answer())
	}
}
