package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

// controls are what a request can ask of the demo provider. Zero values ask
// for nothing.
type controls struct {
	LatencyMS    int    `json:"latency_ms" doc:"wait before the answer begins"`
	Chunks       int    `json:"chunks" doc:"pieces of a streamed answer; 0: one a word"`
	ChunkDelayMS int    `json:"chunk_delay_ms" doc:"wait between two pieces; without it they leave together"`
	Tokens       int    `json:"tokens" doc:"length of the answer of model fixed"`
	Cached       int    `json:"cached_tokens" doc:"prompt tokens to report as read from a cache"`
	Reasoning    int    `json:"reasoning_tokens" doc:"tokens of reasoning before the answer"`
	RetryAfter   int    `json:"retry_after" doc:"seconds to name in Retry-After when a fault answers an error"`
	Fault        string `json:"fault" doc:"status_NNN, context_length, model_not_found, content_filter, quota, auth, hang, slow_first_byte, cut_stream, garbage or crash"`
}

// Limits of what may be asked for: a demo must not be a way to exhaust the machine.
const (
	maxWait   = 10 * 60 * 1000
	maxTokens = 1 << 20
)

// number returns where the control called name is kept, nil if there is none.
func (c *controls) number(name string) *int {
	switch name {
	case "latency_ms":
		return &c.LatencyMS
	case "chunks":
		return &c.Chunks
	case "chunk_delay_ms":
		return &c.ChunkDelayMS
	case "tokens":
		return &c.Tokens
	case "cached_tokens":
		return &c.Cached
	case "reasoning_tokens":
		return &c.Reasoning
	case "retry_after":
		return &c.RetryAfter
	}
	return nil
}

func (c *controls) set(name, value string) error {
	if name == "fault" {
		c.Fault = value
		return nil
	}
	at := c.number(name)
	if at == nil {
		return fmt.Errorf("unknown control %q; the demo provider's README lists them", name)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("control %q is %q; want a number", name, value)
	}
	*at = n
	return nil
}

// parse reads the query form: "latency_ms=50&fault=hang".
func (c *controls) parse(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("controls %q are not of the form name=value&…: %w", query, err)
	}
	for name, v := range values {
		if err := c.set(name, v[0]); err != nil {
			return err
		}
	}
	return nil
}

// read takes controls from wherever a request may have them: the model's name
// after "?", the member "demo" of the body, or "demo" in its metadata.
func (c *controls) read(model string, body *fastjson.Value) (name string, err error) {
	name, query, found := strings.Cut(model, "?")
	if found {
		err = c.parse(query)
	}
	if s := body.GetStringBytes("metadata", "demo"); err == nil && len(s) > 0 {
		err = c.parse(string(s))
	}
	if o := body.GetObject("demo"); err == nil && o != nil {
		o.Visit(func(key []byte, v *fastjson.Value) {
			text := string(v.GetStringBytes())
			if v.Type() == fastjson.TypeNumber {
				text = v.String()
			}
			if e := c.set(string(key), text); e != nil && err == nil {
				err = e
			}
		})
	}
	if err == nil {
		err = c.validate()
	}
	if err != nil {
		return "", wire.Errorf(400, "invalid_demo_control", "%s", err.Error())
	}
	return name, nil
}

func (c *controls) validate() error {
	for _, wait := range [...]int{c.LatencyMS, c.ChunkDelayMS, c.RetryAfter} {
		if wait < 0 || wait > maxWait {
			return fmt.Errorf("a wait of %d is outside 0–%d", wait, maxWait)
		}
	}
	for _, n := range [...]int{c.Chunks, c.Tokens, c.Cached, c.Reasoning} {
		if n < 0 || n > maxTokens {
			return fmt.Errorf("a count of %d is outside 0–%d", n, maxTokens)
		}
	}
	_, err := c.failure()
	return err
}

// failure is the error that the fault answers with, nil if it does something else.
func (c *controls) failure() (*wire.Error, error) {
	e := faults[c.Fault]
	if code, ok := strings.CutPrefix(c.Fault, "status_"); ok {
		n, err := strconv.Atoi(code)
		if err != nil || n < 400 || n > 599 {
			return nil, fmt.Errorf("fault %q: want status_400 to status_599", c.Fault)
		}
		e = wire.Error{Status: n, Code: "demo_fault", Message: "the request asked for this status"}
	}
	if e.Status == 0 {
		if c.Fault != "" && !behaviours[c.Fault] {
			return nil, fmt.Errorf("unknown fault %q; the demo provider's README lists them", c.Fault)
		}
		return nil, nil
	}
	if e.Class == wire.ClassNone {
		e.Class = wire.ClassOfStatus(e.Status)
	}
	e.RetryAfter = time.Duration(c.RetryAfter) * time.Second
	return &e, nil
}

var faults = map[string]wire.Error{
	"context_length":  {Status: 400, Class: wire.ClassContextLength, Code: "context_length_exceeded", Message: "the prompt does not fit the model", Param: "messages"},
	"model_not_found": {Status: 404, Class: wire.ClassModelNotFound, Code: "model_not_found", Message: "there is no such model", Param: "model"},
	"content_filter":  {Status: 400, Class: wire.ClassContentFilter, Code: "content_filter", Message: "the content was refused"},
	"quota":           {Status: 429, Class: wire.ClassQuota, Code: "insufficient_quota", Message: "the account has no quota left"},
	"auth":            {Status: 401, Class: wire.ClassAuth, Code: "invalid_api_key", Message: "the credential was refused"},
}

// behaviours are the faults that are not an error answer.
var behaviours = map[string]bool{"hang": true, "slow_first_byte": true, "cut_stream": true, "garbage": true, "crash": true}
