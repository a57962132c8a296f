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
	Files            int
	N                int64 // pictures that are asked for
	Size, Quality    string
}

// formFile is a file of a form.
type formFile struct {
	field string
	*Media
}

// buildHeard makes the form of a transcription.
func buildHeard(_ *step, in map[string]any) (*Request, error) {
	sound, _ := in["file"].(*Media)
	if sound == nil {
		return nil, fmt.Errorf("there is nothing to hear: its file is empty")
	}
	delete(in, "file")
	fields, err := formFields(in)
	if _, has := fields["response_format"]; !has && err == nil {
		fields["response_format"] = "json"
	}
	return &Request{files: []formFile{{"file", sound}}, fields: fields}, err
}

// buildEdit makes the form of an edit of one picture, or of several.
func buildEdit(_ *step, in map[string]any) (*Request, error) {
	if err := pictures(in); err != nil {
		return nil, err
	}
	r := &Request{}
	switch v := in["image"].(type) {
	case *Media:
		r.files = append(r.files, formFile{"image", v})
	case []any:
		for _, e := range v {
			if m, _ := e.(*Media); m != nil {
				r.files = append(r.files, formFile{"image[]", m})
			}
		}
	}
	if len(r.files) == 0 {
		return nil, fmt.Errorf("there is no picture to edit: its image is empty")
	}
	if mask, _ := in["mask"].(*Media); mask != nil {
		r.files = append(r.files, formFile{"mask", mask})
	}
	delete(in, "image")
	delete(in, "mask")
	var err error
	r.fields, err = formFields(in)
	return r, err
}

// formFields are the fields of with and params as a form has them.
func formFields(in map[string]any) (map[string]string, error) {
	fields := map[string]string{}
	add := func(name string, v any) error {
		switch v := v.(type) {
		case string:
			fields[name] = v
		case float64:
			fields[name] = strconv.FormatFloat(v, 'f', -1, 64)
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
	more, _ := in[paramsKey].(map[string]any)
	delete(in, paramsKey)
	for _, list := range []map[string]any{in, more} {
		for name, v := range list {
			if v == nil { // nothing: it is left out
				continue
			}
			if err := add(name, v); err != nil {
				return nil, err
			}
		}
	}
	return fields, nil
}

// form is the request's form for a model.
func (r *Request) form(model string) *Form {
	boundary := "signalbox-" + rand.Text()
	var b bytes.Buffer
	size := 1 << 10
	for _, m := range r.files {
		size += len(m.data) + 512
	}
	b.Grow(size)
	field := func(name, value string) (from int) {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", boundary, name)
		from = b.Len()
		b.WriteString(value + "\r\n")
		return from
	}
	f := &Form{ContentType: "multipart/form-data; boundary=\"" + boundary + "\"", Files: len(r.files), N: 1, Size: r.fields["size"], Quality: r.fields["quality"]}
	if n, err := strconv.ParseInt(r.fields["n"], 10, 64); err == nil {
		f.N = n
	}
	f.ModelFrom = field("model", model)
	f.Model = f.ModelFrom + len(model)
	for _, name := range sorted(r.fields) {
		field(name, r.fields[name])
	}
	for _, m := range r.files {
		name := m.Name
		if name == "" {
			kind, _, _ := strings.Cut(m.Type, "/")
			name = kind + "." + m.extension()
		}
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\nContent-Type: %s\r\n\r\n", boundary, m.field, name, m.Type)
		b.Write(m.data)
		b.WriteString("\r\n")
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	f.Body = b.Bytes()
	return f
}
