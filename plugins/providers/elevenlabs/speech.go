package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
)

// formats are OpenAI's as ElevenLabs has them: PCM at OpenAI's rate.
var formats = map[string]string{"mp3": "mp3_44100_128", "opus": "opus_48000_64", "pcm": "pcm_24000", "wav": "wav_24000"}

// openAIVoices are names that say nothing here.
var openAIVoices = []string{"", "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"}

// own are members of ElevenLabs's request that callers may add to OpenAI's.
var own = []string{"voice_settings", "language_code", "seed", "previous_text", "next_text", "apply_text_normalization",
	"apply_language_text_normalization", "pronunciation_dictionary_locators"}

// The speeds that voice_settings takes.
const minSpeed, maxSpeed = 0.7, 1.2

// speak asks for speech and passes it on while it comes.
func (s *service) speak(r *provider.Request, w *provider.Writer) error {
	ask, err := media.ReadSpeech(r.Body())
	if err != nil {
		return err
	}
	at, err := s.speechURL(ask)
	if err != nil {
		return err
	}
	body, dropped, err := speechBody(ask, r.Model())
	if err != nil {
		return err
	}
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	req, err := s.request(r, http.MethodPost, at)
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
		return media.Failure(resp, rules)
	}
	return w.Pipe(media.SpeechFormats[ask.Format], func(out *provider.Stream) error {
		return media.Pass(out, resp.Body, func() { out.Usage(ask.Usage()) })
	})
}

// speechURL has the voice in its path and the format in its query. WAV is not
// offered as a stream: its header has the length.
func (s *service) speechURL(ask *media.Speech) (string, error) {
	voice := ask.Voice
	if id := s.Voices[voice]; id != "" {
		voice = id
	} else if slices.Contains(openAIVoices, strings.ToLower(voice)) {
		voice = s.DefaultVoice
	}
	format := s.Formats[ask.Format]
	if format == "" {
		format = formats[ask.Format]
	}
	if format == "" {
		return "", media.Bad("response_format", "%q is not offered by ElevenLabs; want mp3, opus, wav or pcm", ask.Format)
	}
	path := "/v1/text-to-speech/" + url.PathEscape(voice)
	if !strings.HasPrefix(format, "wav_") {
		path += "/stream"
	}
	return s.BaseURL + path + "?output_format=" + url.QueryEscape(format), nil
}

func speechBody(ask *media.Speech, model string) (body []byte, dropped []string, err error) {
	out := map[string]any{"text": ask.Input, "model_id": model}
	for name, v := range ask.Other {
		if slices.Contains(own, name) {
			out[name] = v
		} else {
			dropped = append(dropped, name)
		}
	}
	if ask.Instructions != "" {
		dropped = append(dropped, "instructions")
	}
	if ask.Speed != 0 && ask.Speed != 1 {
		settings := map[string]any{}
		if raw, ok := ask.Other["voice_settings"]; ok {
			if err := json.Unmarshal(raw, &settings); err != nil {
				return nil, nil, media.Bad("voice_settings", "want an object")
			}
		}
		settings["speed"] = min(max(ask.Speed, minSpeed), maxSpeed)
		if ask.Speed < minSpeed || ask.Speed > maxSpeed {
			dropped = append(dropped, "speed") // as far as it goes
		}
		out["voice_settings"] = settings
	}
	body, err = json.Marshal(out)
	return body, dropped, err
}
