// Package feature counts what can be told of a prompt without understanding it:
// words, code, lists, mathematics, words that ask to reason. Routing modules get
// the counts, so that none of them has to see the text.
package feature

import (
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// What is looked at, at most.
const (
	MaxBody = 256 << 10 // bytes of the body, which is walked to find the text: of larger ones only the messages are counted
	MaxText = 32 << 10  // bytes of the last user message, from its beginning
)

// maxKept is how many parts the pool holds on to.
const maxKept = 1 << 12

var pool = sync.Pool{New: func() any { return new([]text.Part) }}

// Of counts over the prompt of a chat. All but Messages is zero where the text
// cannot be found: other operations, dialects that are not known, large bodies.
// It allocates nothing once it has seen prompts of a size.
func Of(c *call.Call) abi.Features {
	f := abi.Features{Messages: clip(c.Facts.Messages)}
	if c.Op != wire.OpChat || len(c.Body) > MaxBody || !known(c.Dialect) {
		return f
	}
	kept := pool.Get().(*[]text.Part)
	parts, ok := text.Request((*kept)[:0], c.Op, c.Dialect, c.Body)
	if ok {
		count(&f, parts, c.Body)
	}
	if cap(parts) <= maxKept {
		clear(parts) // labels point into the body
		*kept = parts[:0]
		pool.Put(kept)
	}
	return f
}

func known(d wire.Dialect) bool {
	switch d {
	case wire.OpenAIChat, wire.OpenAIResponses, wire.AnthropicMessages, wire.GeminiGenerate:
		return true
	}
	return false
}

// count takes the sizes of all parts, and counts over the last user message.
func count(f *abi.Features, parts []text.Part, body []byte) {
	last := int32(-1)
	for i := range parts {
		switch p := &parts[i]; {
		case p.Channel == text.ChannelSystem && p.Kind == text.KindText:
			f.SystemBytes += clip(p.To - p.From)
		case asked(p):
			last = max(last, p.Index)
		}
	}
	s := scanner{f: f}
	for i := range parts {
		p := &parts[i]
		if !asked(p) || p.Index != last {
			continue
		}
		raw := p.Raw(body)
		if room := MaxText - int(f.UserBytes); room < len(raw) {
			s.text(raw[:max(room, 0)])
		} else {
			s.text(raw)
		}
		f.UserBytes += clip(len(raw))
		s.breaks()
	}
	s.ends()
}

// asked reports whether p is what a user wrote. What stands in members that are
// not known has a track of its own.
func asked(p *text.Part) bool {
	return p.Channel == text.ChannelUser && p.Kind == text.KindText && p.Track == 0
}

func clip(n int) uint32 { return uint32(min(max(n, 0), 1<<31)) }
