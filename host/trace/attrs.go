package trace

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/signalbox-ai/signalbox/host/call"
)

// attrs collects attributes; what is empty is left out.
type attrs []attribute.KeyValue

func (a *attrs) text(key, value string) {
	if value != "" {
		*a = append(*a, attribute.String(key, valid(value)))
	}
}

// valid is s as text: one that is none would have a whole batch refused.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func (a *attrs) number(key string, value int64) { *a = append(*a, attribute.Int64(key, value)) }

func (a *attrs) real(key string, value float64) { *a = append(*a, attribute.Float64(key, value)) }

func (a *attrs) flag(key string, value bool) { *a = append(*a, attribute.Bool(key, value)) }

func (a *attrs) count(key string, value int64) {
	if value > 0 {
		a.number(key, value)
	}
}

func (a *attrs) given(key string, n *Number) {
	if v, ok := n.Real(); ok {
		a.real(key, v)
	}
}

// request is what the request asks for.
func (a *attrs) request(it *Item) {
	if it.Record.Stream {
		a.flag(genAIStream, true)
	}
	a.count(genAIMaxTokens, it.Limits.MaxTokens)
	if it.Limits.Choices > 1 {
		a.number(genAIChoices, it.Limits.Choices)
	}
	s := &it.Said
	a.given(genAITemperature, &s.Temperature)
	a.given(genAITopP, &s.TopP)
	a.given(genAITopK, &s.TopK)
	a.given(genAIFrequency, &s.Frequency)
	a.given(genAIPresence, &s.Presence)
	if seed, ok := s.Seed.Whole(); ok {
		a.number(genAISeed, seed)
	}
}

// answer is what came back and what it took.
func (a *attrs) answer(it *Item) {
	r := &it.Record
	if t := it.Target; t != nil && it.Answered {
		model := it.Said.Model
		if model == "" {
			model = t.Model
		}
		a.text(genAIAnswerModel, model)
	}
	a.text(genAIAnswerID, it.Said.ID)
	if len(it.Said.Finish) > 0 {
		for i, reason := range it.Said.Finish {
			it.Said.Finish[i] = valid(reason)
		}
		*a = append(*a, attribute.StringSlice(genAIFinish, it.Said.Finish))
	}
	if r.Stream && r.TTFTUS > 0 {
		a.real(genAIFirstChunk, float64(r.TTFTUS)/1e6)
	}
	u := &r.Usage
	if in, out := u.Prompt(), u.Completion(); in+out > 0 {
		a.number(genAIInput, in)
		a.number(genAIOutput, out)
	}
	a.count(genAICacheRead, u.CacheRead+u.CacheReadAudio+u.CacheReadImage)
	a.count(genAICacheWrite, u.CacheWrite5m+u.CacheWrite1h)
	a.count(genAIReasoning, u.Reasoning)
	a.count(genAIAudioIn, u.AudioInput+u.CacheReadAudio)
	a.count(genAIAudioOut, u.AudioOutput)
	a.count(genAIImageIn, u.ImageInput+u.CacheReadImage)
}

// own is what the gateway alone knows.
func (a *attrs) own(it *Item) {
	r := &it.Record
	a.text("signalbox.request.id", r.ID.String())
	a.text("signalbox.key.id", r.KeyID)
	a.text("signalbox.org", r.Org)
	a.text("signalbox.project", r.Project)
	a.text("signalbox.team", r.Team)
	a.text("signalbox.target", r.Target)
	a.text("signalbox.dialect", r.Dialect.String())
	a.text("signalbox.policy.revision", r.Policy)
	a.text("signalbox.route.version", r.Route)
	a.text("signalbox.origin", r.Origin)
	if r.Parent != 0 {
		a.text("signalbox.parent", r.Parent.String())
	}
	a.real("signalbox.cost.usd", float64(r.Cost)/1e9)
	a.text("signalbox.cost.provenance", r.Provenance.String())
	if r.Reserved > 0 {
		a.real("signalbox.cost.reserved_usd", float64(r.Reserved)/1e9)
	}
	if r.Cached != call.CacheNone {
		a.text("signalbox.cached", r.Cached.String())
		a.real("signalbox.cost.saved_usd", float64(r.Saved)/1e9)
	}
	a.number("signalbox.overhead_us", r.OverheadUS)
	a.number("signalbox.attempts", int64(len(r.Attempts)))
	a.text("signalbox.code", r.Code)
}
