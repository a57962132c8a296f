package main

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// answer is what a chat request gets, whatever its dialect.
type answer struct {
	reasoning string
	text      string
	calls     []toolCall
	truncated bool
	usage     wire.Usage
}

type toolCall struct{ name, arguments string }

const (
	bytesPerToken = 4
	word          = "demo " // of the fixed answer: a token
	slowLatency   = 500
	slowDelay     = 50
)

// tokens is the length of a text in the demo's tokens.
func tokens(n int) int64 { return int64((n + bytesPerToken - 1) / bytesPerToken) }

func (a *ask) answer() *answer {
	out := &answer{calls: a.toolCalls()}
	switch {
	case len(out.calls) > 0:
	case a.model == "fixed":
		n := a.Tokens
		if n == 0 {
			n = 16
		}
		out.text = strings.TrimSuffix(strings.Repeat(word, n), " ")
	default:
		out.text = a.text
	}
	if n := a.Reasoning; n > 0 || a.model == "think" {
		if n == 0 {
			n = 8
		}
		out.reasoning = strings.TrimSuffix(strings.Repeat("hmm ", n), " ")
	}
	out.truncate(a.maxTokens)
	out.count(a)
	return out
}

// toolCalls reads lines of the form "call NAME {json}" in the prompt, for the
// tools that the request declares. A forced tool is called in any case.
func (a *ask) toolCalls() (calls []toolCall) {
	for _, name := range a.tools {
		at := strings.Index(a.text, "call "+name)
		if at < 0 {
			continue
		}
		args, _, _ := strings.Cut(strings.TrimSpace(a.text[at+len("call ")+len(name):]), "\n")
		if !strings.HasPrefix(args, "{") {
			args = "{}"
		}
		calls = append(calls, toolCall{name, strings.TrimSpace(args)})
	}
	if len(calls) == 0 && a.forced != "" {
		calls = append(calls, toolCall{a.forced, "{}"})
	}
	return calls
}

func (o *answer) truncate(limit int) {
	if most := limit * bytesPerToken; limit > 0 && len(o.text) > most {
		for !utf8.RuneStart(o.text[most]) {
			most--
		}
		o.text, o.truncated = o.text[:most], true
	}
}

func (o *answer) count(a *ask) {
	prompt := max(tokens(a.promptBytes), 1)
	cached := min(int64(a.Cached), prompt)
	size := len(o.text)
	for _, c := range o.calls {
		size += len(c.name) + len(c.arguments)
	}
	o.usage = wire.Usage{
		Input: prompt - cached, CacheRead: cached,
		Output: max(tokens(size), 1) * int64(a.n), Reasoning: tokens(len(o.reasoning)),
	}
}

// pieces cuts the answer's text for a stream; there are none when it calls tools.
func (a *ask) pieces(o *answer) []string {
	text := o.text
	if len(o.calls) > 0 {
		return nil
	}
	if a.Chunks == 0 {
		return strings.SplitAfter(text, " ")
	}
	out := make([]string, 0, a.Chunks)
	for left := a.Chunks; left > 1 && len(text) > 0; left-- {
		cut := max(len(text)/left, 1)
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut++
		}
		out = append(out, text[:cut])
		text = text[cut:]
	}
	return append(out, text)
}

// pause waits ms, or fails when nobody waits for the answer any more.
func pause(r *provider.Request, ms int) error {
	if ms == 0 {
		return nil
	}
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	ctx := r.Context()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}
