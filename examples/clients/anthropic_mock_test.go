package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/shared"
)

// The mock of Anthropic reads requests by the types of Anthropic's own client,
// and checks what it answers by them.

func anthropicRoutes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Anthropic-Version") == "" {
			claude.fault("anthropic-version is missing")
		}
		anthropicChat(w, r)
	})
	m.HandleFunc("POST /v1/messages/count_tokens", anthropicCount)
	return m
}

func anthropicCount(w http.ResponseWriter, r *http.Request) {
	a, err := readAnthropic(r)
	if err != nil {
		claude.fault("a request to count cannot be read by Anthropic's types: %v", err)
		anthropicFail(w, unreadable)
		return
	}
	writeJSON(w, 200, checked[anthropic.MessageTokensCount](claude, fmt.Sprintf(`{"input_tokens":%d}`, tokens(a.text))))
}

func anthropicFail(w http.ResponseWriter, f failure) {
	writeJSON(w, f.status, checked[shared.ErrorResponse](claude, fmt.Sprintf(
		`{"type":"error","error":{"type":%q,"message":%q},"request_id":"req_mock"}`, f.anthropicType, f.message)))
}

// anthropicAsk is a request as the mock understands it.
type anthropicAsk struct {
	anthropic.MessageNewParams
	stream bool
	text   string // of the last message
	tools  []string
}

func readAnthropic(r *http.Request) (a anthropicAsk, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(body, &a.MessageNewParams); err != nil {
		return a, err
	}
	var more struct{ Stream bool }
	if err := json.Unmarshal(body, &more); err != nil {
		return a, err
	}
	a.stream = more.Stream
	for _, t := range a.Tools {
		if name := t.GetName(); name != nil {
			a.tools = append(a.tools, *name)
		}
	}
	if n := len(a.Messages); n > 0 {
		var b strings.Builder
		for _, block := range a.Messages[n-1].Content {
			b.WriteString(anthropicText(block))
		}
		a.text = b.String()
	}
	return a, nil
}

func anthropicText(b anthropic.ContentBlockParamUnion) (text string) {
	switch {
	case b.OfText != nil:
		return b.OfText.Text
	case b.OfToolResult != nil:
		for _, c := range b.OfToolResult.Content {
			if c.OfText != nil {
				text += c.OfText.Text
			}
		}
	}
	return text
}

func anthropicChat(w http.ResponseWriter, r *http.Request) {
	a, err := readAnthropic(r)
	f, scripted := failures[string(a.Model)]
	switch {
	case err != nil:
		claude.fault("a request cannot be read by Anthropic's types: %v", err)
		anthropicFail(w, unreadable)
	case scripted:
		anthropicFail(w, f)
	case len(a.Messages) == 0 || a.MaxTokens < 1:
		anthropicFail(w, noMessages)
	case a.Model != "claude-haiku-4-5" && a.Model != "cut":
		anthropicFail(w, noModel)
	case a.text == jsonPrompt && a.OutputConfig.Format.Schema == nil && len(a.Tools) == 0:
		anthropicFail(w, noSchema)
	case a.stream:
		a.play(newEvents(w, claude))
	default:
		writeJSON(w, 200, checked[anthropic.Message](claude, a.message(false)))
	}
}

// message is the answer; one that a stream starts with is empty.
func (a *anthropicAsk) message(start bool) string {
	content, reason, out := "", "null", 1
	if !start {
		out = tokens(a.text)
		content, reason = `{"type":"text","text":`+quoted(a.text)+`}`, `"end_turn"`
		if name, args, ok := toolCall(a.text, a.tools); ok {
			content, reason = fmt.Sprintf(`{"type":"tool_use","id":"toolu_1","name":%q,"input":%s}`, name, args), `"tool_use"`
		}
	}
	return fmt.Sprintf(`{"id":"msg_1","type":"message","role":"assistant","model":"echo-20260101","content":[%s],"stop_reason":%s,"stop_sequence":null,`+
		`"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":1,"output_tokens":%d,"service_tier":"standard"},"a_field_of_tomorrow":1}`,
		content, reason, tokens(a.text), out)
}

func (a *anthropicAsk) play(e events) {
	send := func(typ, rest string) {
		data := checked[anthropic.MessageStreamEventUnion](claude, fmt.Sprintf(`{"type":%q%s}`, typ, rest))
		e.raw("event: " + typ + "\ndata: " + data + "\n\n")
	}
	send("message_start", `,"message":`+a.message(true))
	reason := "end_turn"
	if name, args, ok := toolCall(a.text, a.tools); ok {
		reason = "tool_use"
		send("content_block_start", fmt.Sprintf(`,"index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":%q,"input":{}}`, name))
		e.raw("event: ping\ndata: {\"type\": \"ping\"}\n\n")
		for _, half := range halves(args) {
			send("content_block_delta", fmt.Sprintf(`,"index":0,"delta":{"type":"input_json_delta","partial_json":%s}`, quoted(half)))
		}
	} else {
		send("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
		e.raw("event: ping\ndata: {\"type\": \"ping\"}\n\n")
		for _, word := range words(a.text) {
			send("content_block_delta", fmt.Sprintf(`,"index":0,"delta":{"type":"text_delta","text":%s}`, quoted(word)))
		}
		if a.Model == "cut" {
			e.cut()
		}
	}
	send("content_block_stop", `,"index":0`)
	send("message_delta", fmt.Sprintf(`,"delta":{"stop_reason":%q,"stop_sequence":null},"usage":{"output_tokens":%d}`, reason, tokens(a.text)))
	send("message_stop", "")
}
