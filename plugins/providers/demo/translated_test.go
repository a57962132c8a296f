package main

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestOtherDialects: responses and Gemini are served, streams and their pieces too.
func TestOtherDialects(t *testing.T) {
	a := start(t)
	f := func(d wire.Dialect, model, body string, has ...string) {
		t.Helper()
		got := a.Do(t, providertest.Request{Op: wire.OpChat, Dialect: d, Model: model, Body: body})
		if got.Status != 200 || got.Cut != nil || got.Usage.Total() == 0 {
			t.Errorf("%s: got %d, %v, %+v", d, got.Status, got.Cut, got.Usage)
		}
		for _, want := range has {
			if !strings.Contains(got.Body, want) {
				t.Errorf("%s: got %s; want %s in it", d, got.Body, want)
			}
		}
	}
	f(wire.OpenAIResponses, "echo", `{"model":"echo","input":"hello there"}`, `"object":"response"`, "hello there")
	f(wire.OpenAIResponses, "echo", `{"model":"echo","input":"hello there","stream":true}`, "response.output_text.delta", `"delta":"hello "`, "response.completed")
	f(wire.GeminiGenerate, "echo", `{"contents":[{"role":"user","parts":[{"text":"hello there"}]}]}`, `"candidates"`, "hello there")
	cut := a.Do(t, providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIResponses, Model: "fixed?fault=cut_stream&tokens=10", Body: `{"model":"x","input":"x","stream":true}`})
	if cut.Cut == nil || strings.Contains(cut.Body, "response.completed") {
		t.Errorf("got %v %s", cut.Cut, cut.Body)
	}
}
