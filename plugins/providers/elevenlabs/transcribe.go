package main

import (
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// ownFields are fields of ElevenLabs's form that callers may add to OpenAI's.
// What would send the transcript elsewhere is not among them.
var ownFields = []string{"language_code", "tag_audio_events", "num_speakers", "diarize", "diarization_threshold", "file_format",
	"seed", "use_multi_channel", "no_verbatim", "keyterms", "temperature"}

// order is what a form asks of the transcript, known once the form has ended.
type order struct {
	format  string
	words   bool
	stream  bool
	events  bool // tag_audio_events was given
	file    bool
	strict  bool
	dropped []string
}

// transcribe passes the caller's form on, field by field and as it comes, with
// the names that ElevenLabs has for them.
func (s *service) transcribe(r *provider.Request, w *provider.Writer) error {
	form, err := media.ReadForm(r.Reader(), r.ContentType())
	if err != nil {
		return err
	}
	req, err := s.request(r, http.MethodPost, s.BaseURL+"/v1/speech-to-text")
	if err != nil {
		return err
	}
	ask := &order{strict: r.Strict()}
	body, contentType, wait := media.Write(func(out *multipart.Writer) error { return ask.pass(form, out, r.Model()) })
	req.Body, req.ContentLength = body, -1
	req.Header.Set("Content-Type", contentType)
	resp, err := s.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
	}
	if formErr := wait(); formErr != nil {
		return formErr
	}
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return media.Failure(resp, rules)
	}
	raw, err := media.All(resp.Body)
	if err != nil {
		return err
	}
	t, err := readTranscript(raw)
	if err != nil {
		return err
	}
	if err := media.Drop(r, w, ask.dropped...); err != nil {
		return err
	}
	return t.Answer(w, media.Format(ask.format), ask.words, ask.stream)
}

// pass rewrites a form.
func (o *order) pass(form *media.Form, out *multipart.Writer, model string) error {
	if err := out.WriteField("model_id", model); err != nil {
		return err
	}
	for {
		p, err := form.Next()
		if err == io.EOF {
			return o.end(out)
		}
		if err != nil {
			return err
		}
		if err := o.part(p, out); err != nil {
			return err
		}
	}
}

func (o *order) part(p *media.Part, out *multipart.Writer) error {
	if p.IsFile() {
		if p.Name != "file" || o.file {
			return media.Bad("file", "want one file of that name, not %q", p.Name)
		}
		o.file = true
		return p.CopyTo(out, "file")
	}
	value, err := p.Text()
	if err != nil {
		return err
	}
	return o.field(strings.TrimSuffix(p.Name, "[]"), value, out)
}

func (o *order) field(name, value string, out *multipart.Writer) (err error) {
	switch {
	case name == "model":
	case name == "response_format":
		f, err := media.ParseFormat(value)
		o.format = string(f)
		return err
	case name == "timestamp_granularities":
		o.words = o.words || value == "word"
	case name == "stream":
		o.stream = value == "true"
	case name == "language":
		return out.WriteField("language_code", value)
	case slices.Contains(ownFields, name):
		o.events = o.events || name == "tag_audio_events"
		return out.WriteField(name, value)
	default:
		o.dropped = append(o.dropped, name)
		if o.strict { // before more of the file is sent
			return media.Unsupported(name)
		}
	}
	return nil
}

// end writes what ElevenLabs would decide otherwise than OpenAI.
func (o *order) end(out *multipart.Writer) error {
	if !o.file {
		return media.Bad("file", "is missing; want the audio")
	}
	if !o.events {
		return out.WriteField("tag_audio_events", "false")
	}
	return nil
}

// transcript is the service's answer.
type transcript struct {
	Language string  `json:"language_code"`
	Text     string  `json:"text"`
	Seconds  float64 `json:"audio_duration_secs"`
	Words    []struct {
		Text       string
		Start, End float64
		Type       string
	}
}

func readTranscript(raw []byte) (*media.Transcript, error) {
	var in struct {
		transcript
		Transcripts []transcript // of several channels
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, wire.Errorf(http.StatusBadGateway, "invalid_answer", "the upstream's transcript is not JSON of the form that its reference names")
	}
	out := &media.Transcript{Language: in.Language, Text: in.Text, Duration: media.Seconds(in.Seconds)}
	channels := in.Transcripts
	if len(channels) == 0 {
		channels = []transcript{in.transcript}
	}
	for i, c := range channels {
		if i == 0 && len(in.Transcripts) > 0 {
			out.Language, out.Text = c.Language, c.Text
		} else if i > 0 {
			out.Text += "\n" + c.Text
		}
		if d := media.Seconds(c.Seconds); len(in.Transcripts) > 0 {
			out.Duration += d // each channel is billed
		}
		for _, word := range c.Words {
			if word.Type == "spacing" {
				continue
			}
			out.Words = append(out.Words, media.Span{Text: word.Text, Start: media.Seconds(word.Start), End: media.Seconds(word.End)})
		}
	}
	slices.SortStableFunc(out.Words, func(a, b media.Span) int { return int((a.Start - b.Start) / time.Millisecond) })
	if n := len(out.Words); out.Duration == 0 && n > 0 {
		out.Duration = out.Words[n-1].End
	}
	return out, nil
}
