// Parrot is a provider adapter that says back what it hears.
package main

import (
	"encoding/json"
	"errors"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func main() { provider.Serve(parrot{}) }

type parrot struct{}

func (parrot) Manifest() provider.Manifest {
	return provider.Manifest{Name: "parrot", Version: "1.0.0", Credential: provider.CredentialNone,
		Operations: []provider.Operation{{Op: wire.OpChat, Dialect: wire.OpenAIChat}}}
}

func (parrot) Configure(cfg provider.Config) (*provider.Setup, error) {
	return &provider.Setup{Routes: []provider.Route{{Op: wire.OpChat, Dialect: wire.OpenAIChat, Handle: say}}}, cfg.Decode(&struct{}{})
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func say(r *provider.Request, w *provider.Writer) error {
	var ask struct {
		Messages []message
		Stream   bool
	}
	if err := json.Unmarshal(r.Body(), &ask); err != nil || len(ask.Messages) == 0 {
		return wire.Errorf(400, "invalid_request", "messages must be a list of texts")
	}
	heard := message{"assistant", ask.Messages[len(ask.Messages)-1].Content}
	object, part := "chat.completion", "message"
	if ask.Stream {
		object, part = "chat.completion.chunk", "delta"
	}
	said := map[string]any{"index": 0, part: heard, "finish_reason": "stop"}
	answer, err := json.Marshal(map[string]any{"id": r.ID(), "object": object, "model": r.Model(), "choices": []any{said},
		"usage": map[string]int{"prompt_tokens": len(heard.Content), "completion_tokens": len(heard.Content)}})
	if err != nil || !ask.Stream {
		return errors.Join(err, w.JSON(answer))
	}
	return w.Stream(func(s *provider.Stream) error { return errors.Join(s.Event("", answer), s.Event("", []byte("[DONE]"))) })
}
