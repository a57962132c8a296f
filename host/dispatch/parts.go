package dispatch

import (
	"encoding/json"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// said is a text that may be null, a string, or something else that counts.
type said json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (s *said) UnmarshalJSON(b []byte) error { *s = append((*s)[:0], b...); return nil }

// text is what is said; other tells that it is no string.
func (s said) text() (text []byte, other bool) {
	var str string
	if len(s) == 0 || string(s) == "null" || string(s) == "[]" {
		return nil, false
	}
	if json.Unmarshal(s, &str) != nil {
		return nil, true
	}
	return []byte(str), false
}

// message is an answer of the chat dialect, whole or a delta.
type message struct {
	Content   said   `json:"content"`
	Refusal   string `json:"refusal"`
	Audio     said   `json:"audio"`
	ToolCalls []struct {
		Function *struct {
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	FunctionCall said `json:"function_call"`
}

type chat struct {
	Choices []struct {
		Message message `json:"message"`
		Delta   message `json:"delta"`
		Text    string  `json:"text"`
		Finish  string  `json:"finish_reason"`
	} `json:"choices"`
}

func chatParts(body []byte) (parts []part, ok bool) {
	var a chat
	if json.Unmarshal(body, &a) != nil {
		return nil, false
	}
	for i := range a.Choices {
		c := &a.Choices[i]
		p := part{finish: ended(c.Finish)}
		m := &c.Message
		if len(c.Delta.Content)+len(c.Delta.Refusal)+len(c.Delta.Audio)+len(c.Delta.ToolCalls)+len(c.Delta.FunctionCall) > 0 {
			m = &c.Delta
		}
		p.text, p.other = m.Content.text()
		p.text = append(p.text, c.Text...)
		audio, something := m.Audio.text()
		call, calls := m.FunctionCall.text()
		p.other = p.other || m.Refusal != "" || something || calls || len(audio)+len(call)+len(m.ToolCalls) > 0
		for _, t := range m.ToolCalls {
			if t.Function != nil && !validArguments(t.Function.Arguments) {
				p.badTool = true
			}
		}
		parts = append(parts, p)
	}
	return parts, true
}

// validArguments reports whether a tool can be called so. No arguments at all
// are what some send for a tool that takes none.
func validArguments(args string) bool { return args == "" || json.Valid([]byte(args)) }

type response struct {
	Status     string `json:"status"`
	Incomplete struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Output []struct {
		Type      string `json:"type"`
		Arguments string `json:"arguments"`
		Content   []struct {
			Text    string `json:"text"`
			Refusal string `json:"refusal"`
		} `json:"content"`
	} `json:"output"`
}

func responseParts(body []byte) (parts []part, ok bool) {
	var a response
	if json.Unmarshal(body, &a) != nil {
		return nil, false
	}
	p := part{finish: ended(a.Status)}
	if a.Status == "incomplete" {
		p.finish = or(ended(a.Incomplete.Reason), flawLength)
	}
	for i := range a.Output {
		switch o := &a.Output[i]; o.Type {
		case "reasoning":
		case "message":
			for _, c := range o.Content {
				p.text = append(p.text, c.Text...)
				p.other = p.other || c.Refusal != ""
			}
		case "function_call":
			p.badTool = p.badTool || !validArguments(o.Arguments)
			p.other = true
		default:
			p.other = true
		}
	}
	return []part{p}, true
}

type messages struct {
	Stop    string `json:"stop_reason"`
	Content []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"content"`
}

func messageParts(body []byte) (parts []part, ok bool) {
	var a messages
	if json.Unmarshal(body, &a) != nil {
		return nil, false
	}
	p := part{finish: ended(a.Stop)}
	for _, c := range a.Content {
		switch c.Type {
		case "thinking", "redacted_thinking":
		case "text":
			p.text = append(p.text, c.Text...)
		default:
			p.other = true
		}
	}
	return []part{p}, true
}

type gemini struct {
	Candidates []struct {
		Finish  string `json:"finishReason"`
		Content struct {
			Parts []map[string]json.RawMessage `json:"parts"`
		} `json:"content"`
	} `json:"candidates"`
	Feedback struct {
		Block string `json:"blockReason"`
	} `json:"promptFeedback"`
}

func geminiParts(body []byte) (parts []part, ok bool) {
	var a gemini
	if json.Unmarshal(body, &a) != nil {
		return nil, false
	}
	if a.Feedback.Block != "" {
		return []part{{finish: flawFiltered}}, true
	}
	for i := range a.Candidates {
		c := &a.Candidates[i]
		p := part{finish: ended(c.Finish)}
		for _, piece := range c.Content.Parts {
			if string(piece["thought"]) == "true" {
				continue
			}
			text, _ := said(piece["text"]).text()
			p.text = append(p.text, text...)
			delete(piece, "text")
			delete(piece, "thought")
			delete(piece, "thoughtSignature")
			p.other = p.other || len(piece) > 0
		}
		parts = append(parts, p)
	}
	return parts, true
}

// note takes what an event of a stream says of its content and its end.
func (h *held) note(d wire.Dialect, ev event) {
	content, finish := false, ""
	switch d {
	case wire.OpenAIResponses:
		content, finish = responseEvent(ev)
	case wire.AnthropicMessages:
		content, finish = messageEvent(ev)
	default:
		parts, _ := partsOf(d, ev.data)
		for i := range parts {
			content = content || parts[i].other || len(parts[i].text) > 0
			finish = or(finish, parts[i].finish)
		}
	}
	h.content = h.content || content
	h.finish = or(h.finish, finish)
}

func responseEvent(ev event) (content bool, finish string) {
	var e struct {
		Delta string `json:"delta"`
		Item  struct {
			Type string `json:"type"`
		} `json:"item"`
		Response response `json:"response"`
	}
	if json.Unmarshal(ev.data, &e) != nil {
		return false, ""
	}
	switch string(ev.kind()) {
	case "response.output_text.delta", "response.refusal.delta":
		return e.Delta != "", ""
	case "response.output_item.added":
		return e.Item.Type != "message" && e.Item.Type != "reasoning", ""
	case "response.incomplete":
		return false, or(ended(e.Response.Incomplete.Reason), flawLength)
	case "response.failed":
		return false, flawFailed
	}
	return false, ""
}

func messageEvent(ev event) (content bool, finish string) {
	var e struct {
		Block struct {
			Type string `json:"type"`
		} `json:"content_block"`
		Delta struct {
			Type string `json:"type"`
			Text string `json:"text"`
			Stop string `json:"stop_reason"`
		} `json:"delta"`
	}
	if json.Unmarshal(ev.data, &e) != nil {
		return false, ""
	}
	switch string(ev.kind()) {
	case "content_block_start":
		switch e.Block.Type {
		case "text", "thinking", "redacted_thinking", "":
			return false, ""
		}
		return true, ""
	case "content_block_delta":
		return e.Delta.Type == "text_delta" && e.Delta.Text != "", ""
	case "message_delta":
		return false, ended(e.Delta.Stop)
	}
	return false, ""
}
