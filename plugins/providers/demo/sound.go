package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	speechModel     = "speech"
	transcribeModel = "transcribe"
)

// How the demo speaks: a square wave, 50 ms a character.
const (
	speechRate = 8000 // samples a second, a byte each in WAV and two in PCM
	perRune    = 50 * time.Millisecond
	maxSpoken  = 4096
	piece      = 4096 // bytes sent at once unless chunks says otherwise
)

func (d *demo) speak(r *provider.Request, w *provider.Writer) error {
	_, c, _, err := d.begin(r, speechModel)
	if err != nil {
		return err
	}
	s, err := media.ReadSpeech(r.Body())
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(s.Input) > maxSpoken {
		return invalid("input", "4096 characters at most")
	}
	if c.Fault == "garbage" {
		return reply(w, &c, nil)
	}
	sound, err := record(s)
	if err != nil {
		return err
	}
	return w.Pipe(media.SpeechFormats[s.Format], func(out *provider.Stream) error {
		return drip(r, &c, sound, s.Usage(), out)
	})
}

// drip sends sound in pieces, with the pauses and faults that were asked for.
func drip(r *provider.Request, c *controls, sound []byte, u wire.Usage, out *provider.Stream) error {
	size := piece
	if c.Chunks > 0 {
		size = max((len(sound)+c.Chunks-1)/c.Chunks, 1)
	}
	for half, first := len(sound)/2, true; len(sound) > 0; first = false {
		if c.Fault == "cut_stream" && len(sound) <= half {
			return errors.Join(out.Flush(), errCut)
		}
		if !first {
			if err := pause(r, c.ChunkDelayMS); err != nil {
				return err
			}
		}
		n := min(size, len(sound))
		if _, err := out.Write(sound[:n]); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		sound = sound[n:]
	}
	out.Usage(u)
	return nil
}

// record is the sound of a text in the format asked for.
func record(s *media.Speech) ([]byte, error) {
	var samples []byte
	for _, c := range s.Input {
		period := int(10 + c%70)
		for i := range int(speechRate * perRune / time.Second) {
			samples = append(samples, byte(96+i/period%2*64))
		}
	}
	switch s.Format {
	case "wav":
		return append(wavHeader(len(samples)), samples...), nil
	case "pcm":
		out := make([]byte, 0, 2*len(samples))
		for _, b := range samples {
			out = append(out, 0, b-128)
		}
		return out, nil
	case "mp3": // silent frames of 128 kbit/s at 44.1 kHz, 26.12 ms each
		frame := make([]byte, 417)
		copy(frame, "\xff\xfb\x90\x64")
		return []byte(strings.Repeat(string(frame), len(samples)/209+1)), nil
	}
	return nil, invalid("response_format", "mp3, wav or pcm; the demo provider has no "+s.Format)
}

// wavHeader is that of n samples of 8 bits, one channel.
func wavHeader(n int) []byte {
	le := binary.LittleEndian
	h := append([]byte("RIFF"), 0, 0, 0, 0)
	le.PutUint32(h[4:], uint32(36+n))
	h = append(h, "WAVEfmt "...)
	h = le.AppendUint32(h, 16)
	h = le.AppendUint16(h, 1) // PCM
	h = le.AppendUint16(h, 1)
	h = le.AppendUint32(h, speechRate)
	h = le.AppendUint32(h, speechRate)
	h = le.AppendUint16(h, 1)
	h = le.AppendUint16(h, 8)
	return le.AppendUint32(append(h, "data"...), uint32(n))
}

// hear answers how much audio it was sent. It holds none of it.
func (d *demo) hear(r *provider.Request, w *provider.Writer) error {
	h, err := listen(r)
	if err != nil {
		return err
	}
	name := r.Model()
	if name == "" {
		name = h.fields["model"]
	}
	c, err := d.obey(r, name, formControls(h.fields["demo"]), []string{transcribeModel})
	if err != nil {
		return err
	}
	format, err := media.ParseFormat(h.fields["response_format"])
	if err != nil {
		return err
	}
	if !h.found {
		return invalid("file", "a file")
	}
	t := h.transcript(r.Op)
	if h.fields["stream"] == "true" {
		return w.Stream(func(out *provider.Stream) error {
			if c.Fault == "cut_stream" {
				return errCut
			}
			out.Usage(t.Usage())
			return out.Append(func(dst []byte) ([]byte, error) { return t.AppendEvents(dst), nil })
		})
	}
	w.Usage(t.Usage())
	if c.Fault == "garbage" {
		return reply(w, &c, nil)
	}
	return w.Bytes(format.ContentType(), t.Append(nil, format, strings.Contains(h.fields["timestamp_granularities[]"], "word")))
}

// heard is what a form of audio held.
type heard struct {
	fields map[string]string
	found  bool
	bytes  int64
	head   []byte // enough to know a WAV by
}

const wavHead = 44

func listen(r *provider.Request) (*heard, error) {
	form, err := media.ReadForm(r.Reader(), r.ContentType())
	if err != nil {
		return nil, err
	}
	h := &heard{fields: map[string]string{}}
	for {
		p, err := form.Next()
		if err == io.EOF {
			return h, nil
		}
		if err != nil {
			return nil, err
		}
		if !p.IsFile() {
			text, err := p.Text()
			if err != nil {
				return nil, err
			}
			h.fields[p.Name] += text
			continue
		}
		head := make([]byte, wavHead)
		n, err := io.ReadFull(p, head)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return nil, err
		}
		rest, err := io.Copy(io.Discard, p)
		if err != nil {
			return nil, err
		}
		h.found, h.bytes, h.head = true, int64(n)+rest, head[:n]
	}
}

// duration is what a WAV's header says, else that of 128 kbit/s.
func (h *heard) duration() time.Duration {
	if len(h.head) == wavHead && string(h.head[:4]) == "RIFF" && string(h.head[8:16]) == "WAVEfmt " {
		if rate := int64(binary.LittleEndian.Uint32(h.head[28:])); rate > 0 {
			return media.Seconds(float64(h.bytes-wavHead) / float64(rate))
		}
	}
	return media.Seconds(float64(h.bytes) / 16_000)
}

func (h *heard) transcript(op wire.Op) *media.Transcript {
	d := h.duration()
	t := &media.Transcript{Task: "transcribe", Language: "english", Duration: d, Text: fmt.Sprintf("%d bytes of audio, %d ms", h.bytes, d.Milliseconds())}
	if op == wire.OpTranslation {
		t.Task = "translate"
	}
	words := strings.Fields(t.Text)
	for i, word := range words {
		n := time.Duration(len(words))
		t.Words = append(t.Words, media.Span{Text: word, Start: d * time.Duration(i) / n, End: d * time.Duration(i+1) / n})
	}
	return t
}
