package pipeline

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// maxParts bounds a form.
const maxParts = 256

// Body reads the inputs of a request to run p: a JSON object with input, or a
// form with a part for each. options are the members beside input.
func (p *Pipeline) Body(contentType string, body []byte) (inputs, options map[string]any, _ *wire.Error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if contentType != "" && err != nil {
		return nil, nil, wire.Errorf(400, "invalid_content_type", "the content type %q is not one", contentType)
	}
	if strings.HasPrefix(kind, "multipart/") {
		inputs, options, bad := p.form(params["boundary"], body)
		if bad == nil {
			inputs, bad = p.Inputs(inputs, true)
		}
		return inputs, options, bad
	}
	given := map[string]any{}
	options = map[string]any{}
	if len(bytes.TrimSpace(body)) > 0 {
		v, err := decode(body)
		if err != nil {
			return nil, nil, wire.Errorf(400, "invalid_json", "the request body cannot be read: %v", err)
		}
		var ok bool
		if options, ok = v.(map[string]any); !ok {
			return nil, nil, wire.Errorf(400, "invalid_json", "the request body must be a JSON object, such as {\"input\": {…}}")
		}
	}
	for _, name := range sorted(options) {
		switch name {
		case "stream", "dry_run":
		case "input":
			var ok bool
			if given, ok = options[name].(map[string]any); !ok {
				return nil, nil, badInput("", "input must be an object: {\"input\": {\"name\": value}}")
			}
		default:
			e := wire.Errorf(400, "unknown_member", "the request has no member %q%s: it has input, stream and dry_run; inputs stand within input", name, near(name, []string{"input", "stream", "dry_run"}))
			e.Param = name
			return nil, nil, e
		}
	}
	delete(options, "input")
	inputs, bad := p.Inputs(given, false)
	return inputs, options, bad
}

// form reads a form: a part for each input, or a part input with JSON.
func (p *Pipeline) form(boundary string, body []byte) (given, options map[string]any, _ *wire.Error) {
	if boundary == "" {
		return nil, nil, wire.Errorf(400, "invalid_content_type", "multipart/form-data needs a boundary")
	}
	given, options = map[string]any{}, map[string]any{}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for n := 0; ; n++ {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return given, options, nil
		}
		if err != nil || n == maxParts {
			return nil, nil, wire.Errorf(400, "invalid_form", "the form cannot be read, or has more than %d parts", maxParts)
		}
		name := part.FormName()
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, nil, wire.Errorf(400, "invalid_form", "the form ends before its last boundary")
		}
		if bad := p.part(given, options, name, part, data); bad != nil {
			return nil, nil, bad
		}
	}
}

func (p *Pipeline) part(given, options map[string]any, name string, part *multipart.Part, data []byte) *wire.Error {
	in := p.input(name)
	switch {
	case (name == "stream" || name == "dry_run") && in == nil:
		options[name] = string(data) == "true"
	case name == "input" && in == nil:
		v, err := decode(data)
		m, ok := v.(map[string]any)
		if err != nil || !ok {
			return badInput("", "the part input must be a JSON object")
		}
		for n, e := range m {
			if _, has := given[n]; has {
				return badInput(n, "%q is there twice", n)
			}
			given[n] = e
		}
	default:
		return p.add(given, in, name, partValue(in, part, data))
	}
	return nil
}

// add adds a part's value: those of one name are a list, where the input is one.
func (p *Pipeline) add(given map[string]any, in *input, name string, v any) *wire.Error {
	_, file := v.(*Media)
	old, has := given[name]
	switch {
	case in != nil && in.typ.Kind == List && (file || has):
		list, _ := old.([]any)
		if first, is := old.(string); is {
			list = []any{first}
		}
		if len(list) >= maxList {
			return badInput(name, "%q has more than %d parts", name, maxList)
		}
		given[name] = append(list, v)
	case has:
		return badInput(name, "%q is there twice, and is no list", name)
	default:
		given[name] = v
	}
	return nil
}

func (p *Pipeline) input(name string) *input {
	for _, in := range p.inputs {
		if in.name == name {
			return in
		}
	}
	return nil
}

// partValue is a part as a file, or as a text where it is none.
func partValue(in *input, part *multipart.Part, data []byte) any {
	media := in != nil && (in.typ.media() || in.typ.Kind == List && in.typ.Elem.media())
	if part.FileName() == "" && (!media || strings.HasPrefix(string(data[:min(len(data), 5)]), "data:")) {
		return string(data)
	}
	kind := part.Header.Get("Content-Type")
	if kind == "" || strings.HasPrefix(kind, "application/octet-stream") {
		if kind = mime.TypeByExtension(path.Ext(part.FileName())); kind == "" {
			kind = http.DetectContentType(data)
		}
	}
	if kind == "audio/wave" || kind == "audio/vnd.wave" || kind == "audio/x-wav" {
		kind = "audio/wav"
	}
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == 0x7f {
			return -1
		}
		return r
	}, part.FileName())
	return NewMedia(kind, name[:min(len(name), 255)], data)
}
