package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Chunks takes a streamed chat completion as it comes, hands on its events and
// keeps its text.
type Chunks struct {
	send   func(data []byte) error
	line   []byte
	said   []byte
	finish string
	sent   int
	failed string // why it broke off, as it says itself
}

// maxEvent bounds an event.
const maxEvent = 4 << 20

// begun reports whether something has left, which cannot be taken back.
func (c *Chunks) begun() bool { return c != nil && c.sent > 0 }

func (c *Chunks) text() string { return string(c.said) }

// again readies c for another try, of which nothing has left.
func (c *Chunks) again() { c.line, c.failed = c.line[:0], "" }

// Write implements io.Writer.
func (c *Chunks) Write(p []byte) (int, error) {
	n := len(p)
	for {
		at := bytes.IndexByte(p, '\n')
		if at < 0 {
			break
		}
		line := p[:at]
		if len(c.line) > 0 {
			line = append(c.line, line...)
			c.line = c.line[:0]
		}
		if err := c.event(bytes.TrimSuffix(line, []byte{'\r'})); err != nil {
			return 0, err
		}
		p = p[at+1:]
	}
	if c.line = append(c.line, p...); len(c.line) > maxEvent {
		return 0, errors.New("an event of the stream is too long")
	}
	return n, nil
}

// event takes a line: the events of chat completions have one each.
func (c *Chunks) event(line []byte) error {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	data = bytes.TrimSpace(data)
	if !ok || len(data) == 0 || string(data) == "[DONE]" {
		return nil
	}
	var chunk struct {
		Choices []struct {
			Delta struct {
				Content string `json:"content"`
			} `json:"delta"`
			Finish string `json:"finish_reason"`
		} `json:"choices"`
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &chunk); err != nil {
		return errors.New("an event of the stream is not JSON")
	}
	if chunk.Error != nil { // the run tells of it, as its own
		c.failed = "broke off: " + chunk.Error.Message
		return nil
	}
	for i := range chunk.Choices {
		c.said = append(c.said, chunk.Choices[i].Delta.Content...)
		if chunk.Choices[i].Finish != "" {
			c.finish = chunk.Choices[i].Finish
		}
	}
	if len(c.said) > maxAnswerText {
		return errors.New("the answer is too long")
	}
	c.sent++
	return c.send(data)
}

// ChunkText is what a chunk adds to the text.
func ChunkText(data []byte) string {
	var c Chunks
	c.send = func([]byte) error { return nil }
	_ = c.event(append([]byte("data: "), data...)) // it has been read before
	return c.text()
}

// Chunk is one of a stream's in OpenAI's dialect, in the run's name.
type Chunk struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created"`
	Model   string          `json:"model"`
	Choices json.RawMessage `json:"choices"`
}

// Of makes a step's chunk one of c's stream, without its usage: that of all
// steps comes at the end. Nil: it held nothing else.
func (c Chunk) Of(data []byte) ([]byte, error) {
	var step struct{ Choices json.RawMessage }
	if err := json.Unmarshal(data, &step); err != nil {
		return nil, err
	}
	if c.Choices = step.Choices; len(c.Choices) == 0 || string(c.Choices) == "null" || string(c.Choices) == "[]" {
		return nil, nil
	}
	return json.Marshal(&c)
}
