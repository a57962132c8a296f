package pipeline

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
)

// extensions are those of files by their media type, as services know sounds by
// them.
var extensions = map[string]string{"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/vnd.wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3",
	"audio/mp4": "m4a", "audio/x-m4a": "m4a", "audio/m4a": "m4a", "audio/flac": "flac", "audio/ogg": "ogg", "audio/opus": "opus", "audio/webm": "webm", "video/webm": "webm", "video/mp4": "mp4"}

// extension is how m's type is called in a file's name.
func (m *Media) extension() string {
	if e := extensions[m.Type]; e != "" {
		return e
	}
	_, sub, _ := strings.Cut(m.Type, "/")
	return sub
}

// Form is a body of several parts.
type Form struct {
	ContentType      string
	Body             []byte
	ModelFrom, Model int // the model's name lies at Body[ModelFrom:Model]
}

// buildHeard makes the form of a transcription: the model is put in when it is
// known which one is asked.
func buildHeard(s *step, in map[string]any) (*Request, error) {
	sound, _ := in["file"].(*Media)
	if sound == nil {
		return nil, fmt.Errorf("there is nothing to hear: its file is empty")
	}
	fields := map[string]string{"response_format": "json"}
	add := func(name string, v any) error {
		switch v := v.(type) {
		case string:
			fields[name] = v
		case float64:
			fields[name] = strconv.FormatFloat(v, 'g', -1, 64)
		case bool:
			fields[name] = strconv.FormatBool(v)
		default:
			return fmt.Errorf("%s is %s: a form has texts, numbers and booleans", name, nameOf(v))
		}
		if strings.ContainsAny(fields[name]+name, "\r\n\x00\"") && name != "prompt" {
			return fmt.Errorf("%s holds a line break or a quote", name)
		}
		return nil
	}
	for name, v := range in {
		if name == "file" || name == paramsKey {
			continue
		}
		if err := add(name, v); err != nil {
			return nil, err
		}
	}
	more, _ := in[paramsKey].(map[string]any)
	for name, v := range more {
		if v == nil { // nothing: it is left out
			continue
		}
		if err := add(name, v); err != nil {
			return nil, err
		}
	}
	return &Request{sound: sound, fields: fields}, nil
}

// form is the request's form for a model.
func (r *Request) form(model string) *Form {
	boundary := "signalbox-" + rand.Text()
	var b bytes.Buffer
	field := func(name, value string) (from int) {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", boundary, name)
		from = b.Len()
		b.WriteString(value + "\r\n")
		return from
	}
	f := &Form{ContentType: "multipart/form-data; boundary=\"" + boundary + "\""}
	f.ModelFrom = field("model", model)
	f.Model = f.ModelFrom + len(model)
	for _, name := range sorted(r.fields) {
		field(name, r.fields[name])
	}
	name := r.sound.Name
	if name == "" {
		name = "audio." + r.sound.extension()
	}
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s\"\r\nContent-Type: %s\r\n\r\n", boundary, name, r.sound.Type)
	b.Write(r.sound.data)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	f.Body = b.Bytes()
	return f
}
