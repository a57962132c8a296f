package media

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Speech is a request for speech in OpenAI's dialect.
type Speech struct {
	Input        string
	Voice        string  // its name or id
	Format       string  // mp3, opus, aac, flac, wav, pcm; "mp3" if not said
	Speed        float64 // 0: not said
	Instructions string
	Other        map[string]json.RawMessage // members that are none of these, some the upstream's own
}

// SpeechFormats are the formats that OpenAI's API has, with their content types.
var SpeechFormats = map[string]string{
	"mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm",
}

// ReadSpeech reads a request for speech. Whether the upstream has the format
// is for the adapter to say.
func ReadSpeech(body []byte) (*Speech, error) {
	in, err := object(body)
	if err != nil {
		return nil, err
	}
	s := &Speech{Format: "mp3"}
	in.take("model", new(json.RawMessage), "a text")
	in.take("input", &s.Input, "a text")
	if raw, ok := in.members["voice"]; ok && len(raw) > 0 && raw[0] == '{' {
		var v struct{ ID string }
		in.take("voice", &v, `a name or {"id": …}`)
		s.Voice = v.ID
	} else {
		in.take("voice", &s.Voice, `a name or {"id": …}`)
	}
	in.take("response_format", &s.Format, "mp3, opus, aac, flac, wav or pcm")
	in.take("speed", &s.Speed, "a number from 0.25 to 4")
	in.take("instructions", &s.Instructions, "a text")
	var stream string
	in.take("stream_format", &stream, `"audio"`)
	s.Other = in.members
	switch {
	case in.err != nil:
		return nil, in.err
	case s.Input == "":
		return nil, Bad("input", "is empty; want the text to speak")
	case s.Speed != 0 && (s.Speed < 0.25 || s.Speed > 4):
		return nil, Bad("speed", "is %g; want a number from 0.25 to 4", s.Speed)
	case SpeechFormats[s.Format] == "":
		return nil, Bad("response_format", "%q is unknown; want mp3, opus, aac, flac, wav or pcm", s.Format)
	case stream != "" && stream != "audio":
		return nil, Bad("stream_format", "%q is not offered here; want \"audio\"", stream)
	}
	return s, nil
}

// Usage is what speech is billed by.
func (s *Speech) Usage() wire.Usage {
	return wire.Usage{Characters: int64(utf8.RuneCountInString(s.Input))}
}

// Image is a request for images in OpenAI's dialect, as JSON.
type Image struct {
	Prompt         string
	N              int // 1 if not said
	Size           string
	Quality        string
	Style          string
	Background     string
	OutputFormat   string // png, jpeg, webp; "": not said
	ResponseFormat string // url, b64_json; "": not said
	Seed           *int64 // of other services
	NegativePrompt string // of other services
	Other          map[string]json.RawMessage
}

// maxImages is how many OpenAI's API makes at once.
const maxImages = 10

// ReadImage reads a request for images.
func ReadImage(body []byte) (*Image, error) {
	in, err := object(body)
	if err != nil {
		return nil, err
	}
	i := &Image{N: 1}
	in.take("model", new(json.RawMessage), "a text")
	in.take("user", new(json.RawMessage), "a text")
	in.take("n", &i.N, "a number from 1 to 10")
	for name, at := range i.texts() {
		in.take(name, at, "a text")
	}
	in.take("seed", &i.Seed, "a number")
	i.Other = in.members
	if in.err != nil {
		return nil, in.err
	}
	return i, i.check()
}

func (i *Image) texts() map[string]*string {
	return map[string]*string{"prompt": &i.Prompt, "size": &i.Size, "quality": &i.Quality, "style": &i.Style, "background": &i.Background,
		"output_format": &i.OutputFormat, "response_format": &i.ResponseFormat, "negative_prompt": &i.NegativePrompt}
}

// ImageOfForm reads the fields of an edit's form.
func ImageOfForm(up *Upload) (*Image, error) {
	i := &Image{N: 1, Other: map[string]json.RawMessage{}}
	texts := i.texts()
	for name, v := range up.Fields {
		last := v[len(v)-1]
		switch at := texts[name]; {
		case at != nil:
			*at = last
		case name == "n" || name == "seed":
			var n int64
			if err := json.Unmarshal([]byte(last), &n); err != nil {
				return nil, Bad(name, "%q is not a whole number", last)
			}
			if name == "seed" {
				i.Seed = &n
			} else {
				i.N = int(n)
			}
		case name != "model" && name != "user":
			i.Other[name] = appendJSON(nil, last)
		}
	}
	return i, i.check()
}

func (i *Image) check() error {
	switch {
	case i.Prompt == "":
		return Bad("prompt", "is empty; want what the image shall show")
	case i.N < 1 || i.N > maxImages:
		return Bad("n", "is %d; want a number from 1 to %d", i.N, maxImages)
	case i.ResponseFormat != "" && i.ResponseFormat != "url" && i.ResponseFormat != "b64_json":
		return Bad("response_format", "%q is unknown; want url or b64_json", i.ResponseFormat)
	}
	return nil
}

// Made is an image that was made: its bytes or its URL.
type Made struct {
	Bytes         []byte
	URL           string
	RevisedPrompt string
}

// AppendImages appends an answer in OpenAI's dialect; created is a Unix time.
func AppendImages(dst []byte, created int64, format string, list []Made) []byte {
	type item struct {
		B64     string `json:"b64_json,omitempty"`
		URL     string `json:"url,omitempty"`
		Revised string `json:"revised_prompt,omitempty"`
	}
	out := struct {
		Created int64  `json:"created"`
		Format  string `json:"output_format,omitempty"`
		Data    []item `json:"data"`
	}{Created: created, Format: format, Data: []item{}}
	for _, m := range list {
		out.Data = append(out.Data, item{base64.StdEncoding.EncodeToString(m.Bytes), m.URL, m.RevisedPrompt})
	}
	return appendJSON(dst, out)
}

// members are those of a JSON object that were not taken yet.
type members struct {
	members map[string]json.RawMessage
	err     error
}

func object(body []byte) (*members, error) {
	in := &members{}
	if err := json.Unmarshal(body, &in.members); err != nil || in.members == nil {
		return nil, wire.Errorf(400, "invalid_json", "the body is not a JSON object")
	}
	return in, nil
}

// take reads a member, unless it is absent or null.
func (in *members) take(name string, into any, want string) {
	raw, ok := in.members[name]
	delete(in.members, name)
	if !ok || string(raw) == "null" || in.err != nil {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		in.err = Bad(name, "want %s", want)
	}
}
