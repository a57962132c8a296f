package media

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Transcript is what a service heard. Fields that it does not report are zero.
type Transcript struct {
	Task     string // "transcribe" or "translate"
	Language string // as the service names it: "en", "english"
	Text     string
	Duration time.Duration
	Segments []Span // sentences or the like; without them subtitles are made of words
	Words    []Span
}

// Span is a piece of a transcript.
type Span struct {
	Text       string
	Start, End time.Duration
}

// Format is one of response_format's values.
type Format string

// The formats of OpenAI's API.
const (
	JSON        Format = "json"
	Text        Format = "text"
	SRT         Format = "srt"
	VTT         Format = "vtt"
	VerboseJSON Format = "verbose_json"
)

// ParseFormat reads response_format, "" for JSON.
func ParseFormat(s string) (Format, error) {
	if s == "" {
		return JSON, nil
	}
	if f := Format(s); slices.Contains([]Format{JSON, Text, SRT, VTT, VerboseJSON}, f) {
		return f, nil
	}
	return "", Bad("response_format", "%q is not offered here; want json, text, srt, vtt or verbose_json", s)
}

// ContentType is that of an answer in this format.
func (f Format) ContentType() string {
	switch f {
	case JSON, VerboseJSON, "":
		return "application/json"
	case VTT:
		return "text/vtt; charset=utf-8"
	}
	return "text/plain; charset=utf-8"
}

// Append appends t in a format. words asks verbose_json for word timestamps
// (timestamp_granularities).
func (t *Transcript) Append(dst []byte, f Format, words bool) []byte {
	switch f {
	case Text:
		return append(append(dst, t.Text...), '\n')
	case SRT:
		return appendSRT(dst, t.cues())
	case VTT:
		return appendVTT(dst, t.cues())
	case VerboseJSON:
		return appendJSON(dst, t.verbose(words))
	}
	return appendJSON(dst, struct {
		Text  string    `json:"text"`
		Usage *duration `json:"usage,omitempty"`
	}{t.Text, t.usage()})
}

// AppendEvents appends t as the server-sent events of a streamed answer.
func (t *Transcript) AppendEvents(dst []byte) []byte {
	pieces := []string{t.Text}
	if len(t.Segments) > 0 {
		pieces = pieces[:0]
		for i, s := range t.Segments {
			if i > 0 && !strings.HasPrefix(s.Text, " ") {
				s.Text = " " + s.Text
			}
			pieces = append(pieces, s.Text)
		}
	}
	type event struct {
		Type  string    `json:"type"`
		Delta string    `json:"delta,omitempty"`
		Text  *string   `json:"text,omitempty"`
		Usage *duration `json:"usage,omitempty"`
	}
	write := func(e event) {
		dst = append(append(append(dst, "event: "...), e.Type...), "\ndata: "...)
		dst = append(appendJSON(dst, e), "\n\n"...)
	}
	for _, p := range pieces {
		if p != "" {
			write(event{Type: "transcript.text.delta", Delta: p})
		}
	}
	write(event{Type: "transcript.text.done", Text: &t.Text, Usage: t.usage()})
	return append(dst, "data: [DONE]\n\n"...)
}

// Answer answers a request with t, as events if that is wanted.
func (t *Transcript) Answer(w *provider.Writer, f Format, words, stream bool) error {
	if stream {
		return w.Stream(func(s *provider.Stream) error {
			s.Usage(t.Usage())
			return s.Append(func(dst []byte) ([]byte, error) { return t.AppendEvents(dst), nil })
		})
	}
	w.Usage(t.Usage())
	return w.Bytes(f.ContentType(), t.Append(nil, f, words))
}

// Usage is what a transcript is billed by.
func (t *Transcript) Usage() wire.Usage { return wire.Usage{Millis: t.Duration.Milliseconds()} }

type duration struct {
	Type    string `json:"type"`
	Seconds int64  `json:"seconds"`
}

func (t *Transcript) usage() *duration {
	if t.Duration <= 0 {
		return nil
	}
	return &duration{"duration", int64(math.Ceil(t.Duration.Seconds()))}
}

type verbose struct {
	Task     string    `json:"task"`
	Language string    `json:"language"`
	Duration float64   `json:"duration"`
	Text     string    `json:"text"`
	Segments []segment `json:"segments"`
	Words    []word    `json:"words,omitempty"`
	Usage    *duration `json:"usage,omitempty"`
}

// segment has all the members that clients expect; services other than
// Whisper's own have no figures for most.
type segment struct {
	ID               int     `json:"id"`
	Seek             int     `json:"seek"`
	Start            float64 `json:"start"`
	End              float64 `json:"end"`
	Text             string  `json:"text"`
	Tokens           []int   `json:"tokens"`
	Temperature      float64 `json:"temperature"`
	AvgLogprob       float64 `json:"avg_logprob"`
	CompressionRatio float64 `json:"compression_ratio"`
	NoSpeechProb     float64 `json:"no_speech_prob"`
}

type word struct {
	Word  string  `json:"word"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

func (t *Transcript) verbose(words bool) verbose {
	v := verbose{Task: t.Task, Language: t.Language, Duration: seconds(t.Duration), Text: t.Text, Segments: []segment{}, Usage: t.usage()}
	if v.Task == "" {
		v.Task = "transcribe"
	}
	for i, s := range t.cues() {
		v.Segments = append(v.Segments, segment{ID: i, Start: seconds(s.Start), End: seconds(s.End), Text: s.Text, Tokens: []int{}})
	}
	if words {
		for _, w := range t.Words {
			v.Words = append(v.Words, word{w.Text, seconds(w.Start), seconds(w.End)})
		}
	}
	return v
}

// seconds rounds to milliseconds, which is more than services know.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// Seconds is a duration of s seconds, within what a recording can have.
func Seconds(s float64) time.Duration {
	const most = 30 * 24 * 3600
	if !(s > 0) { // NaN too
		return 0
	}
	return time.Duration(min(s, most) * float64(time.Second)).Round(time.Millisecond)
}

func appendJSON(dst []byte, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("BUG: cannot marshal a transcript: " + err.Error())
	}
	return append(dst, raw...)
}
