package main

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestParrot(t *testing.T) {
	a := providertest.Start(t, parrot{}, "{}")
	f := func(body string, status int, want string) {
		t.Helper()
		got := a.Do(t, providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: "green", Body: body})
		if got.Status != status || !strings.Contains(got.Body, want) || got.Cut != nil {
			t.Errorf("%s: %d %s %v; want %d %s", body, got.Status, got.Body, got.Cut, status, want)
		}
	}
	f(`{"messages":[{"role":"system","content":"be quiet"},{"role":"user","content":"hello"}]}`, 200, `"message":{"role":"assistant","content":"hello"}`)
	f(`{"messages":[{"role":"user","content":"hello"}],"stream":true}`, 200, `"delta":{"role":"assistant","content":"hello"}`)
	f(`{"messages":[{"role":"user","content":"hello"}],"stream":true}`, 200, "data: [DONE]")
	f(`{"messages":[]}`, 400, "invalid_request")
}
