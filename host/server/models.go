package server

import (
	"encoding/json"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

type openAIModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type anthropicModel struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

type geminiModel struct {
	Name        string   `json:"name"`
	DisplayName string   `json:"displayName"`
	Methods     []string `json:"supportedGenerationMethods"`
}

func appendModels(dst []byte, d wire.Dialect, list []Model) []byte {
	var page any
	switch d {
	case wire.GeminiGenerate:
		out := make([]geminiModel, 0, len(list))
		for _, m := range list {
			out = append(out, geminiModel{"models/" + m.ID, m.ID, []string{"generateContent", "streamGenerateContent", "countTokens"}})
		}
		page = struct {
			Models []geminiModel `json:"models"`
		}{out}
	case wire.AnthropicMessages:
		out := make([]anthropicModel, 0, len(list))
		for _, m := range list {
			out = append(out, anthropicModel{"model", m.ID, m.ID, m.Created.UTC().Format(time.RFC3339)})
		}
		var first, last *string
		if len(out) > 0 {
			first, last = &out[0].ID, &out[len(out)-1].ID
		}
		page = struct {
			Data    []anthropicModel `json:"data"`
			HasMore bool             `json:"has_more"`
			FirstID *string          `json:"first_id"`
			LastID  *string          `json:"last_id"`
		}{out, false, first, last}
	default:
		out := make([]openAIModel, 0, len(list))
		for _, m := range list {
			out = append(out, openAIModel{m.ID, "model", m.Created.Unix(), m.OwnedBy})
		}
		page = struct {
			Object string        `json:"object"`
			Data   []openAIModel `json:"data"`
		}{"list", out}
	}
	b, err := json.Marshal(page)
	if err != nil {
		panic("BUG: cannot marshal the list of models; got " + err.Error())
	}
	return append(dst, b...)
}
