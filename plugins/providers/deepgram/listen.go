package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// listenOptions are fields of a request that become Deepgram's query. What
// would send the transcript elsewhere (callback) is not among them.
var listenOptions = map[string]bool{
	"detect_language": true, "diarize": true, "dictation": true, "encoding": true, "filler_words": true, "keyterm": true, "keywords": true,
	"measurements": true, "mip_opt_out": true, "multichannel": true, "numerals": true, "profanity_filter": true, "punctuate": true,
	"redact": true, "replace": true, "sample_rate": true, "search": true, "smart_format": true, "utt_split": true, "version": true,
}

// listen sends the audio alone and makes the answer one of OpenAI's.
func (s *service) listen(r *provider.Request, w *provider.Writer) error {
	rec, err := media.ReadRecording(r, s.MaxMB<<20)
	if err != nil {
		return err
	}
	defer rec.Close()
	query, dropped := s.query(rec, r.Model())
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	req, err := s.request(r, s.BaseURL+"/v1/listen?"+query.Encode())
	if err != nil {
		return err
	}
	var contentType string
	req.Body, req.ContentLength, contentType = rec.Body()
	req.Header.Set("Content-Type", contentType)
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return failure(resp)
	}
	raw, err := media.All(resp.Body)
	if err != nil {
		return err
	}
	t, err := readTranscript(raw, query.Get("multichannel") == "true")
	if err != nil {
		return err
	}
	if t.Language == "" {
		t.Language = rec.Language
	}
	return t.Answer(w, rec.Format, rec.Words, rec.Stream)
}

// query asks for what OpenAI's API does by itself: punctuation, sentences with
// times, and the language found out when it is not said.
func (s *service) query(rec *media.Recording, model string) (q url.Values, dropped []string) {
	q = url.Values{"model": {model}, "smart_format": {"true"}, "utterances": {"true"}}
	if rec.Language != "" {
		q.Set("language", rec.Language)
	} else {
		q.Set("detect_language", "true")
	}
	for name, v := range s.Listen {
		q.Set(name, v)
	}
	for _, name := range slices.Sorted(maps.Keys(rec.Other)) {
		if listenOptions[name] {
			q[name] = rec.Other[name]
		} else {
			dropped = append(dropped, name)
		}
	}
	if rec.Prompt != "" {
		dropped = append(dropped, "prompt")
	}
	return q, dropped
}

// answer is the part of Deepgram's answer that a transcript needs.
type answer struct {
	Metadata struct {
		Duration float64
		Channels int
	}
	Results struct {
		Channels []struct {
			Language     string `json:"detected_language"`
			Alternatives []struct {
				Transcript string
				Words      []word
			}
		}
		Utterances []struct {
			Start, End float64
			Transcript string
		}
	}
}

type word struct {
	Word       string
	Punctuated string `json:"punctuated_word"`
	Start, End float64
}

// readTranscript joins the channels. Deepgram bills each when they were heard apart.
func readTranscript(raw []byte, apart bool) (*media.Transcript, error) {
	var in answer
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, wire.Errorf(http.StatusBadGateway, "invalid_answer", "the upstream's transcript is not JSON of the form that its reference names")
	}
	out := &media.Transcript{Duration: media.Seconds(in.Metadata.Duration)}
	if apart && in.Metadata.Channels > 1 {
		out.Duration = media.Seconds(in.Metadata.Duration * float64(in.Metadata.Channels))
	}
	var texts []string
	for _, c := range in.Results.Channels {
		if out.Language == "" {
			out.Language = c.Language
		}
		if len(c.Alternatives) == 0 {
			continue
		}
		best := c.Alternatives[0]
		texts = append(texts, best.Transcript)
		for _, w := range best.Words {
			text := w.Punctuated
			if text == "" {
				text = w.Word
			}
			out.Words = append(out.Words, media.Span{Text: text, Start: media.Seconds(w.Start), End: media.Seconds(w.End)})
		}
	}
	out.Text = strings.Join(texts, "\n")
	for _, u := range in.Results.Utterances {
		out.Segments = append(out.Segments, media.Span{Text: u.Transcript, Start: media.Seconds(u.Start), End: media.Seconds(u.End)})
	}
	return out, nil
}
