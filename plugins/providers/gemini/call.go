package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// caller asks on behalf of one request. A request is not for several to read
// at once, a caller is.
type caller struct {
	*service
	ctx        context.Context
	model      string
	credential provider.Secret
}

func (s *service) caller(r *provider.Request) *caller {
	model := r.Model()
	if name := s.names[model]; name != "" {
		model = name
	}
	return &caller{s, r.Context(), model, r.Credential()}
}

// ask calls a method of the request's model and reads its answer into out. It
// returns the answer as it came.
func (c *caller) ask(method string, body, out any) ([]byte, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.models+"/"+url.PathEscape(c.model)+":"+method, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for _, h := range c.headers {
		value := h.Prefix + h.Suffix
		if h.Credential {
			value = h.Prefix + string(c.credential) + h.Suffix
		}
		req.Header.Set(h.Name, value)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return nil, failure(resp)
	}
	answer, err := media.All(resp.Body)
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(answer, out) != nil {
		return nil, wire.Errorf(http.StatusBadGateway, "bad_upstream_answer", "the answer to %s is not in the form of Google's API", method)
	}
	return answer, nil
}

// maxFailure is how much of an error is read.
const maxFailure = 1 << 20

// failure reads an error; how long to wait stands in its body.
func failure(resp *http.Response) *wire.Error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxFailure)) // what came says enough
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	e := media.Failure(resp, rules)
	if e.RetryAfter == 0 {
		e.RetryAfter = wire.RetryDelay(raw)
	}
	return e
}

// content is a Content of text.
type content struct {
	Role  string `json:"role,omitempty"`
	Parts []part `json:"parts"`
}

// part is a Part as far as it is asked for here.
type part struct {
	Text   string  `json:"text"`
	Speech *speech `json:"speechMetadata,omitempty"`
}

// speech is the SpeechMetadata of a part.
type speech struct {
	Style string `json:"style"`
}

// made is a GenerateContentResponse as far as it is read here.
type made struct {
	Candidates []struct {
		Content struct {
			Parts []struct {
				Text       string `json:"text"`
				Thought    bool   `json:"thought"`
				InlineData struct {
					MimeType string `json:"mimeType"`
					Data     []byte `json:"data"`
				} `json:"inlineData"`
			} `json:"parts"`
		} `json:"content"`
		FinishReason  string `json:"finishReason"`
		FinishMessage string `json:"finishMessage"`
	} `json:"candidates"`
	PromptFeedback struct {
		BlockReason string `json:"blockReason"`
	} `json:"promptFeedback"`
}

// withheld is the error for an answer without what was asked for.
func (m *made) withheld(what string) *wire.Error {
	why := m.PromptFeedback.BlockReason
	for _, c := range m.Candidates {
		if why = c.FinishReason; c.FinishMessage != "" {
			why += ": " + c.FinishMessage
		}
	}
	switch why {
	case "", "STOP", "MAX_TOKENS":
		return wire.Errorf(http.StatusBadGateway, "bad_upstream_answer", "the model made no %s", what)
	}
	e := wire.Errorf(http.StatusBadRequest, "content_filter", "the model withheld the %s: %s", what, why)
	e.Class = wire.ClassContentFilter
	return e
}
