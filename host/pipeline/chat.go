package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Chat is what a chat completion request holds for a pipeline.
type Chat struct {
	text     string
	images   []any
	sound    *Media
	messages []any
	given    map[string]any // in pipeline_input
}

// FromChat reads the request of a chat in OpenAI's dialect.
func FromChat(body []byte) (*Chat, *wire.Error) {
	var req struct {
		Messages []json.RawMessage `json:"messages"`
		Input    map[string]any    `json:"pipeline_input"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, wire.Errorf(400, "invalid_json", "the request cannot be read as a chat: %v", err)
	}
	c := &Chat{given: req.Input}
	if len(req.Messages) > maxList {
		return nil, wire.Errorf(400, "too_many_messages", "the conversation has more than %d messages: shorten it", maxList)
	}
	for _, raw := range req.Messages {
		var m struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		}
		v, err := decode(raw)
		if err == nil {
			err = json.Unmarshal(raw, &m)
		}
		if err != nil {
			return nil, wire.Errorf(400, "invalid_messages", "a message cannot be read: %v", err)
		}
		c.messages = append(c.messages, v)
		if m.Role == "user" { // the last one counts
			if err := c.read(m.Content); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// read takes what the last message of the user holds.
func (c *Chat) read(content json.RawMessage) *wire.Error {
	c.text, c.images, c.sound = "", nil, nil
	if json.Unmarshal(content, &c.text) == nil {
		return nil
	}
	var parts []struct {
		Type  string `json:"type"`
		Text  string `json:"text"`
		Image struct {
			URL string `json:"url"`
		} `json:"image_url"`
		Sound struct {
			Data   string `json:"data"`
			Format string `json:"format"`
		} `json:"input_audio"`
	}
	if err := json.Unmarshal(content, &parts); err != nil {
		return wire.Errorf(400, "invalid_messages", "the content of a message is neither a text nor parts")
	}
	var texts []string
	for _, p := range parts {
		switch p.Type {
		case "text":
			texts = append(texts, p.Text)
		case "image_url":
			m, err := readMedia(p.Image.URL)
			if err != nil {
				return badInput("", "a picture of the chat: pipelines take pictures inline, as data URLs")
			}
			c.images = append(c.images, m)
		case "input_audio":
			b, err := base64.StdEncoding.DecodeString(p.Sound.Data)
			if err != nil {
				return badInput("", "the chat's audio is not base64")
			}
			c.sound = NewMedia(mediaOf(p.Sound.Format), "", b)
		}
	}
	c.text = strings.Join(texts, "\n")
	return nil
}

// mediaOf is the media type of a sound's format.
func mediaOf(format string) string {
	switch format {
	case "mp3":
		return "audio/mpeg"
	case "m4a":
		return "audio/mp4"
	}
	return "audio/" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, format)
}

// Inputs are those of p that c holds: those that are declared to come from it,
// and what pipeline_input names.
func (c *Chat) Inputs(p *Pipeline) (map[string]any, *wire.Error) {
	given := map[string]any{}
	for name, v := range c.given {
		given[name] = v
	}
	for _, in := range p.inputs {
		if _, has := given[in.name]; has {
			continue
		}
		switch in.spec.From {
		case "chat.text":
			if c.text != "" {
				given[in.name] = c.text
			}
		case "chat.image":
			if in.typ.Kind == List {
				given[in.name] = append([]any{}, c.images...)
			} else if len(c.images) > 0 {
				given[in.name] = c.images[len(c.images)-1]
			}
		case "chat.audio":
			if c.sound != nil {
				given[in.name] = c.sound
			}
		case "chat.messages":
			given[in.name] = c.messages
		}
	}
	return p.Inputs(given, false)
}

// Text is the output as what a model says: a text as it is, anything else as JSON.
func (r *Record) Text() (string, *wire.Error) {
	if s, ok := r.Output.(string); ok {
		return s, nil
	}
	b, err := appendJSON(nil, r.Output, maxRequest)
	if err != nil {
		return "", wire.Errorf(500, "output_too_large", "the output of pipeline %q cannot be written: %v", r.Pipeline, err)
	}
	return string(b), nil
}

// usageJSON is the usage of all steps, as chats have it.
func (r *Record) usageJSON() map[string]any {
	return map[string]any{"prompt_tokens": r.Usage.Input, "completion_tokens": r.Usage.Output, "total_tokens": r.Usage.Total}
}

// AppendChat appends r as a chat completion in OpenAI's dialect.
func (r *Record) AppendChat(dst []byte) ([]byte, *wire.Error) {
	text, err := r.Text()
	if err != nil {
		return nil, err
	}
	shown := *r
	shown.Output = nil // it is the message
	run, err := shown.Append(nil)
	if err != nil {
		return nil, err
	}
	return r.append(dst, map[string]any{"id": r.ID, "object": "chat.completion", "created": r.Began.Unix(), "model": "pipeline/" + r.Pipeline, "usage": r.usageJSON(),
		"choices":      []any{map[string]any{"index": 0, "message": map[string]any{"role": "assistant", "content": text, "refusal": nil}, "logprobs": nil, "finish_reason": "stop"}},
		"pipeline_run": json.RawMessage(run)})
}

// AppendChunks calls f with the chunks that a stream of r's output comes to.
func (r *Record) AppendChunks(f func(data []byte) error) *wire.Error {
	text, err := r.Text()
	if err != nil {
		return err
	}
	for _, choice := range []map[string]any{
		{"index": 0, "delta": map[string]any{"role": "assistant", "content": text}, "finish_reason": nil},
		{"index": 0, "delta": map[string]any{}, "finish_reason": "stop"},
	} {
		data, err := r.append(nil, map[string]any{"id": r.ID, "object": "chat.completion.chunk", "created": r.Began.Unix(), "model": "pipeline/" + r.Pipeline, "choices": []any{choice}})
		if err != nil {
			return err
		}
		if f(data) != nil {
			return wire.Errorf(499, "client_closed_request", "the caller closed the connection")
		}
	}
	return nil
}

// UsageChunk is the last chunk of a stream.
func (r *Record) UsageChunk() ([]byte, *wire.Error) {
	return r.append(nil, map[string]any{"id": r.ID, "object": "chat.completion.chunk", "created": r.Began.Unix(), "model": "pipeline/" + r.Pipeline, "choices": []any{}, "usage": r.usageJSON()})
}

func (r *Record) append(dst []byte, v map[string]any) ([]byte, *wire.Error) {
	out, err := appendJSON(dst, v, maxRequest)
	if err != nil {
		return nil, wire.Errorf(500, "output_too_large", "the output of pipeline %q cannot be written: %v", r.Pipeline, err)
	}
	return out, nil
}
