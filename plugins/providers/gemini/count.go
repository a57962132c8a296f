package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// countTokens serves Anthropic's count_tokens: the request is translated like a
// chat's, and Google counts. Sources: https://ai.google.dev/api/tokens,
// https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens,
// https://platform.claude.com/docs/en/api/messages-count-tokens, November 2026.
func (s *service) countTokens(r *provider.Request, w *provider.Writer) error {
	asked := bytes.TrimLeft(r.Body(), " \t\r\n")
	if len(asked) == 0 || asked[0] != '{' {
		return wire.Errorf(http.StatusBadRequest, "invalid_json", "the body is not a JSON object")
	}
	// What is counted has no max_tokens, which a chat must have.
	chat := append([]byte(`{"max_tokens":1,`), asked[1:]...)
	c := s.caller(r)
	tr, _ := wire.Translate(wire.AnthropicMessages, wire.GeminiGenerate)
	body, dropped, err := tr.Request(nil, chat, c.model)
	if err != nil {
		return err
	}
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	var q map[string]json.RawMessage
	if err := json.Unmarshal(body, &q); err != nil {
		return err
	}
	var out struct {
		TotalTokens int64 `json:"totalTokens"`
	}
	if _, err := c.ask("countTokens", s.counted(q, c.model), &out); err != nil {
		return err
	}
	return w.JSON(append(strconv.AppendInt([]byte(`{"input_tokens":`), out.TotalTokens, 10), '}'))
}

// counted is what of a request is counted, in the API's form.
func (s *service) counted(q map[string]json.RawMessage, model string) any {
	if !s.vertex {
		delete(q, "generationConfig")
		q["model"], _ = json.Marshal("models/" + model) // a string always can be
		return map[string]any{"generateContentRequest": q}
	}
	out := map[string]json.RawMessage{}
	for _, name := range []string{"contents", "systemInstruction", "tools"} {
		if v, ok := q[name]; ok {
			out[name] = v
		}
	}
	return out
}
