package main

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Sources: https://ai.google.dev/gemini-api/docs/speech-generation and https://
// docs.cloud.google.com/gemini-enterprise-agent-platform/models/text-to-speech/
// migration-guide, November 2026.

// defaultVoice speaks for OpenAI's voices, which Google does not have.
const defaultVoice = "Kore"

// openAIVoices are names that clients of OpenAI's API send.
var openAIVoices = []string{"alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"}

type voiceConfig struct {
	Prebuilt *prebuilt `json:"prebuiltVoiceConfig,omitempty"`
	Voice    string    `json:"voice,omitempty"` // of Gemini 3.8 and later
}

type prebuilt struct {
	Name string `json:"voiceName"`
}

type speechConfig struct {
	Voice voiceConfig `json:"voiceConfig"`
}

// speech serves OpenAI's speech: a chat that answers in samples, which are
// given as a WAV file or as they are.
func (s *service) speech(r *provider.Request, w *provider.Writer) error {
	q, err := media.ReadSpeech(r.Body())
	if err != nil {
		return err
	}
	format := formatOf(q, r.Body())
	if format != "wav" && format != "pcm" {
		return media.Bad("response_format", "%q is not made by Gemini: want wav or pcm", format)
	}
	dropped := slices.Collect(maps.Keys(q.Other))
	voice, known := s.voice(q.Voice)
	if !known {
		dropped = append(dropped, "voice")
	}
	if q.Speed != 0 && q.Speed != 1 {
		dropped = append(dropped, "speed")
	}
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	var m made
	c := s.caller(r)
	raw, err := c.ask("generateContent", spoken(q, c.model, voice), &m)
	if err != nil {
		return err
	}
	samples, rate := m.samples()
	if len(samples) == 0 {
		return m.withheld("speech")
	}
	u, _ := wire.ReadUsage(wire.GeminiGenerate, raw)
	u.Millis = int64(len(samples)) * 1000 / (2 * int64(rate))
	w.Usage(u)
	if format == "pcm" {
		return w.Bytes("audio/pcm", samples)
	}
	return w.Bytes("audio/wav", wav(samples, rate))
}

// formatOf is the format that was asked for; OpenAI's default is one that
// Gemini lacks, so that who asks for none gets a file that can be played.
func formatOf(q *media.Speech, body []byte) string {
	var said struct {
		Format *string `json:"response_format"`
	}
	if json.Unmarshal(body, &said) == nil && said.Format == nil {
		return "wav"
	}
	return q.Format
}

// voice is Google's name of a voice, false if another speaks in its stead.
func (s *service) voice(asked string) (name string, known bool) {
	switch v := s.voices[asked]; {
	case v != "":
		return v, true
	case asked == "":
		return defaultVoice, true
	case slices.Contains(openAIVoices, strings.ToLower(asked)):
		return defaultVoice, false
	}
	return asked, true
}

// spoken is the request. Models before Gemini 3.8 read how to speak from the
// text, later ones have a place for it and speak the text alone.
func spoken(q *media.Speech, model, voice string) any {
	type settings struct {
		Modalities []string     `json:"responseModalities"`
		Speech     speechConfig `json:"speechConfig"`
	}
	p := part{Text: q.Input}
	v := voiceConfig{Voice: voice}
	if older(model) {
		v = voiceConfig{Prebuilt: &prebuilt{voice}}
		if q.Instructions != "" {
			p.Text = q.Instructions + ":\n" + q.Input
		}
	} else if q.Instructions != "" {
		p.Speech = &speech{q.Instructions}
	}
	return struct {
		Contents []content `json:"contents"`
		Settings settings  `json:"generationConfig"`
	}{[]content{{Role: "user", Parts: []part{p}}}, settings{[]string{"AUDIO"}, speechConfig{v}}}
}

// older reports whether model is one before Gemini 3.8.
func older(model string) bool {
	_, name, ok := strings.Cut(model, "gemini-")
	version, _, _ := strings.Cut(name, "-")
	v, err := strconv.ParseFloat(version, 64)
	return ok && err == nil && v < 3.8
}

// defaultRate is that of samples whose type names none.
const defaultRate = 24_000

// samples are those of an answer: 16 bits, one channel, the lower byte first.
// Their type is "audio/L16;codec=pcm;rate=24000".
func (m *made) samples() (out []byte, rate int) {
	rate = defaultRate
	for _, c := range m.Candidates {
		for _, p := range c.Content.Parts {
			kind, params, err := mime.ParseMediaType(p.InlineData.MimeType)
			if err != nil || !strings.HasPrefix(kind, "audio/") {
				continue
			}
			if n, err := strconv.Atoi(params["rate"]); err == nil && n > 0 {
				rate = n
			}
			data := p.InlineData.Data
			if kind == "audio/wav" || kind == "audio/x-wav" {
				data, rate = unwrapped(data, rate)
			}
			out = append(out, data...)
		}
	}
	return out, rate
}

// headSize is that of the head of a WAV file as wav writes it.
const headSize = 44

// unwrapped are the samples of a plain WAV file.
func unwrapped(file []byte, rate int) ([]byte, int) {
	if len(file) < headSize || string(file[:4]) != "RIFF" || string(file[36:40]) != "data" {
		return file, rate
	}
	if n := int(binary.LittleEndian.Uint32(file[24:])); n > 0 {
		rate = n
	}
	return file[headSize:], rate
}

// wav makes a file of samples.
func wav(samples []byte, rate int) []byte {
	le := binary.LittleEndian
	out := append(make([]byte, 0, headSize+len(samples)), "RIFF"...)
	out = le.AppendUint32(out, uint32(headSize-8+len(samples)))
	out = append(out, "WAVEfmt "...)
	out = le.AppendUint32(out, 16)             // size of this part
	out = le.AppendUint16(out, 1)              // samples as they are
	out = le.AppendUint16(out, 1)              // channels
	out = le.AppendUint32(out, uint32(rate))   // samples a second
	out = le.AppendUint32(out, uint32(2*rate)) // bytes a second
	out = le.AppendUint16(out, 2)              // bytes of a sample
	out = le.AppendUint16(out, 16)             // bits of a sample
	out = append(out, "data"...)
	out = le.AppendUint32(out, uint32(len(samples)))
	return append(out, samples...)
}
