package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// turn is a message of a conversation.
type turn struct {
	Role    string `json:"role"`
	Content any    `json:"content"` // text, or parts
}

// part is a piece of a message.
type part struct {
	Type  string     `json:"type"`
	Text  string     `json:"text,omitempty"`
	Image *imagePart `json:"image_url,omitempty"`
	Audio *audioPart `json:"input_audio,omitempty"`
}

type imagePart struct {
	URL string `json:"url"`
}

type audioPart struct {
	Data   string `json:"data"`
	Format string `json:"format"`
}

// maxAttached bounds a picture or a recording.
const maxAttached = 32 << 20

// attach reads a picture or a recording as a part of a message.
func attach(kind, file string) (part, error) {
	info, err := os.Stat(file)
	if err != nil {
		return part{}, fmt.Errorf("cannot read %s: %w", kind, err)
	}
	if info.Size() > maxAttached {
		return part{}, fmt.Errorf("cannot send %s: it is larger than %d MiB", file, maxAttached>>20)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return part{}, fmt.Errorf("cannot read %s: %w", kind, err)
	}
	data := base64.StdEncoding.EncodeToString(raw)
	if kind == "audio" {
		format := strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")
		if format == "" {
			return part{}, hint(fmt.Errorf("cannot send %s: its name does not tell its format", file), "give it an ending such as .wav or .mp3")
		}
		return part{Type: "input_audio", Audio: &audioPart{Data: data, Format: format}}, nil
	}
	typ := http.DetectContentType(raw)
	if !strings.HasPrefix(typ, "image/") {
		return part{}, hint(fmt.Errorf("cannot send %s: it is %s, no picture", file, typ), "send PNG, JPEG, GIF or WebP")
	}
	return part{Type: "image_url", Image: &imagePart{URL: "data:" + typ + ";base64," + data}}, nil
}

// reply is what came of a request.
type reply struct {
	Model    string        `json:"model"` // provider/model that answered
	Request  string        `json:"request_id"`
	Text     string        `json:"text"`
	Finish   string        `json:"finish_reason"`
	Input    int64         `json:"input_tokens"`
	Output   int64         `json:"output_tokens"`
	CostUSD  float64       `json:"cost_usd"`
	Cached   string        `json:"cached,omitempty"`
	First    time.Duration `json:"-"`
	Took     time.Duration `json:"-"`
	FirstMS  int64         `json:"first_ms"`
	TookMS   int64         `json:"took_ms"`
	Overhead time.Duration `json:"-"`                 // the gateway's own part
	Stopped  bool          `json:"stopped,omitempty"` // before its end
	Thinking int           `json:"-"`                 // characters of reasoning
}

// question is what is asked.
type question struct {
	Model     string `json:"model"`
	Messages  []turn `json:"messages"`
	Stream    bool   `json:"stream"`
	MaxTokens int    `json:"max_tokens,omitempty"`
	Options   struct {
		Usage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// ask sends q and gives each piece of the answer to write as it comes.
func (d *door) ask(ctx context.Context, q question, write func(text string, reasoning bool)) (r reply, err error) {
	q.Stream, q.Options.Usage = true, true
	body, err := json.Marshal(q)
	if err != nil {
		return r, fmt.Errorf("cannot encode the request: %w", err)
	}
	began := time.Now()
	resp, err := d.send(ctx, http.MethodPost, "/v1/chat/completions", body)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	h := resp.Header
	r.Request, r.Cached = h.Get("x-signalbox-request-id"), h.Get("x-signalbox-cache")
	r.Model = strings.Trim(h.Get("x-signalbox-provider")+"/"+h.Get("x-signalbox-model"), "/")
	err = r.read(resp.Body, func(text string, reasoning bool) {
		if r.First == 0 {
			r.First = time.Since(began)
		}
		write(text, reasoning)
	})
	r.Took = time.Since(began)
	r.FirstMS, r.TookMS = r.First.Milliseconds(), r.Took.Milliseconds()
	if ctx.Err() != nil {
		r.Stopped, err = true, nil
	}
	return r, err
}

// send asks the gateway; what is no answer is an error.
func (d *door) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("cannot call %s: %w", d.url, err)
	}
	req.Header.Set("Authorization", "Bearer "+d.key.Reveal())
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, hint(fmt.Errorf("cannot reach the gateway at %s: %w", d.url, errors.Unwrap(err)), "is it running? start it with signalbox serve, or name another with --url")
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
	return nil, refused(resp, raw)
}

// refused is the gateway's error, with what to do about those that come often.
func refused(resp *http.Response, raw []byte) error {
	var e struct {
		Error struct{ Message, Code, Param string }
	}
	if json.Unmarshal(raw, &e) != nil || e.Error.Message == "" {
		return hint(fmt.Errorf("the answer is status %d without a reason", resp.StatusCode), "is --url that of a gateway?")
	}
	err := fmt.Errorf("%s (%s, status %d)", e.Error.Message, e.Error.Code, resp.StatusCode)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return hint(err, "the key is not one of this gateway's: make one with signalbox key create NAME")
	case e.Error.Code == "max_tokens_required":
		return hint(err, "give --max-tokens, or /max N within the conversation")
	case resp.Header.Get("Retry-After") != "":
		return hint(err, "try again in %s seconds", resp.Header.Get("Retry-After"))
	}
	return err
}

// read reads a stream, with the comment in which the gateway tells the cost.
func (r *reply) read(in io.Reader, write func(string, bool)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 8<<20)
	var text strings.Builder
	defer func() { r.Text = text.String() }()
	done := false
	for lines.Scan() {
		line := lines.Text()
		if own, ok := strings.CutPrefix(line, ": signalbox "); ok {
			var told struct {
				CostUSD float64 `json:"cost_usd"`
				Input   int64   `json:"input_tokens"`
				Output  int64   `json:"output_tokens"`
				OwnUS   int64   `json:"overhead_us"`
			}
			if json.Unmarshal([]byte(own), &told) == nil {
				r.CostUSD, r.Input, r.Output, r.Overhead = told.CostUSD, told.Input, told.Output, time.Duration(told.OwnUS)*time.Microsecond
			}
			continue
		}
		data, ok := strings.CutPrefix(line, "data:")
		if data = strings.TrimSpace(data); !ok || data == "" {
			continue
		}
		if data == "[DONE]" {
			done = true
			continue
		}
		if err := r.chunk(data, &text, write); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	if !done {
		return errors.New("the answer broke off")
	}
	return nil
}

// chunk reads one event of a stream.
func (r *reply) chunk(data string, text *strings.Builder, write func(string, bool)) error {
	var c struct {
		Model   string
		Choices []struct {
			Delta struct {
				Content   string
				Reasoning string `json:"reasoning_content"`
			}
			Finish string `json:"finish_reason"`
		}
		Usage *struct {
			Input  int64 `json:"prompt_tokens"`
			Output int64 `json:"completion_tokens"`
		}
		Error *struct{ Message, Code string }
	}
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		return fmt.Errorf("cannot read the answer: %w", err)
	}
	if c.Error != nil {
		return fmt.Errorf("the answer broke off: %s (%s)", c.Error.Message, c.Error.Code)
	}
	if c.Usage != nil {
		r.Input, r.Output = c.Usage.Input, c.Usage.Output
	}
	if r.Model == "" {
		r.Model = c.Model
	}
	for _, choice := range c.Choices {
		if t := choice.Delta.Reasoning; t != "" {
			r.Thinking += len(t)
			write(t, true)
		}
		if t := choice.Delta.Content; t != "" {
			text.WriteString(t)
			write(t, false)
		}
		if choice.Finish != "" {
			r.Finish = choice.Finish
		}
	}
	return nil
}

// models lists the models that the key may ask for.
func (d *door) models(ctx context.Context) (list []string, err error) {
	resp, err := d.send(ctx, http.MethodGet, "/v1/models", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct{ Data []struct{ ID string } }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 8<<20)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("cannot read the list of models: %w", err)
	}
	for _, m := range answer.Data {
		list = append(list, m.ID)
	}
	return list, nil
}
