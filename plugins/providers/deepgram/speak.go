package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
)

// formats are OpenAI's as Deepgram's query has them:
// https://developers.deepgram.com/docs/tts-media-output-settings, November 2026.
var formats = map[string]url.Values{
	"mp3":  {"encoding": {"mp3"}},
	"opus": {"encoding": {"opus"}, "container": {"ogg"}},
	"aac":  {"encoding": {"aac"}},
	"flac": {"encoding": {"flac"}},
	"wav":  {"encoding": {"linear16"}, "container": {"wav"}, "sample_rate": {"24000"}},
	"pcm":  {"encoding": {"linear16"}, "container": {"none"}, "sample_rate": {"24000"}},
}

// The speeds that Deepgram takes.
const minSpeed, maxSpeed = 0.7, 1.5

// speak asks for speech and passes it on while it comes.
func (s *service) speak(r *provider.Request, w *provider.Writer) error {
	ask, err := media.ReadSpeech(r.Body())
	if err != nil {
		return err
	}
	query := maps.Clone(formats[ask.Format])
	query.Set("model", s.voice(r.Model(), ask.Voice))
	dropped := slices.Sorted(maps.Keys(ask.Other))
	if ask.Instructions != "" {
		dropped = append(dropped, "instructions")
	}
	if ask.Speed != 0 && ask.Speed != 1 {
		query.Set("speed", strconv.FormatFloat(min(max(ask.Speed, minSpeed), maxSpeed), 'g', -1, 64))
		if ask.Speed < minSpeed || ask.Speed > maxSpeed {
			dropped = append(dropped, "speed") // as far as it goes
		}
	}
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"text": ask.Input})
	if err != nil {
		return err
	}
	req, err := s.request(r, s.BaseURL+"/v1/speak?"+query.Encode())
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return failure(resp)
	}
	usage := ask.Usage()
	if n, err := strconv.ParseInt(resp.Header.Get("dg-char-count"), 10, 64); err == nil && n > 0 {
		usage.Characters = n // what Deepgram counts is what it bills
	}
	return w.Pipe(media.SpeechFormats[ask.Format], func(out *provider.Stream) error {
		return media.Pass(out, resp.Body, func() { out.Usage(usage) })
	})
}

// voice is Deepgram's model: a family, a voice and a language in one name. A
// request may name all of it as its model, or the family with a voice.
func (s *service) voice(model, voice string) string {
	if name := s.Voices[voice]; name != "" {
		return name
	}
	if strings.HasPrefix(voice, "aura-") {
		return voice
	}
	if strings.Count(model, "-") > 1 { // aura-2-thalia-en, aura-asteria-en
		return model
	}
	if deepgramVoices[strings.ToLower(voice)] {
		return model + "-" + strings.ToLower(voice) + "-en"
	}
	if name := defaultVoices[model]; name != "" {
		return model + "-" + name + "-en"
	}
	return model
}

// defaultVoices speak for OpenAI's voices that the configuration does not map.
var defaultVoices = map[string]string{"aura-2": "thalia", "aura": "asteria"}

// deepgramVoices are some of the English ones; others are named in full.
var deepgramVoices = map[string]bool{
	"thalia": true, "andromeda": true, "helena": true, "apollo": true, "arcas": true, "aries": true, "asteria": true, "athena": true,
	"atlas": true, "aurora": true, "callista": true, "cora": true, "delia": true, "draco": true, "electra": true, "harmonia": true,
	"hera": true, "hermes": true, "hyperion": true, "iris": true, "janus": true, "juno": true, "jupiter": true, "luna": true, "mars": true,
	"minerva": true, "neptune": true, "odysseus": true, "ophelia": true, "orion": true, "orpheus": true, "pandora": true, "phoebe": true,
	"pluto": true, "saturn": true, "selene": true, "theia": true, "vesta": true, "zeus": true,
}
