package pipeline

import (
	"encoding/base64"
	"errors"
	"strings"
)

// Media is a picture, a sound or another file on its way between steps.
type Media struct {
	Type string `expr:"type"` // media type: "audio/wav"
	Size int    `expr:"size"` // bytes
	Name string `expr:"name"` // of the file, "" if it has none
	data []byte
}

// NewMedia returns data as media of the given type.
func NewMedia(kind, name string, data []byte) *Media {
	kind, _, _ = strings.Cut(kind, ";")
	return &Media{Type: strings.TrimSpace(kind), Name: name, Size: len(data), data: data}
}

// inBase64 and dataURL are media as they are written into a request.
type (
	inBase64 struct{ *Media }
	dataURL  struct{ *Media }
)

// is reports whether m is of kind k.
func (m *Media) is(k Kind) bool {
	switch k {
	case Image:
		return strings.HasPrefix(m.Type, "image/")
	case Audio:
		return strings.HasPrefix(m.Type, "audio/") || strings.HasPrefix(m.Type, "video/")
	}
	return true
}

var errMedia = errors.New(`give a data URL ("data:image/png;base64,…"), {"type": "image/png", "data": "base64…"}, or a part of a form`)

// readMedia reads media from JSON: a data URL, or {type, data}.
func readMedia(v any) (*Media, error) {
	switch v := v.(type) {
	case *Media:
		return v, nil
	case string:
		head, data, ok := strings.Cut(v, ",")
		kind, found := strings.CutPrefix(head, "data:")
		kind, based := strings.CutSuffix(kind, ";base64")
		if !ok || !found || !based {
			return nil, errMedia
		}
		return decodeMedia(kind, "", data)
	case map[string]any:
		kind, _ := v["type"].(string)
		name, _ := v["name"].(string)
		data, ok := v["data"].(string)
		if !ok || kind == "" {
			return nil, errMedia
		}
		return decodeMedia(kind, name, data)
	}
	return nil, errMedia
}

func decodeMedia(kind, name, data string) (*Media, error) {
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, errors.New("its base64 cannot be decoded")
	}
	if strings.ContainsAny(kind+name, "\r\n\"\x00") || len(kind) > 100 || len(name) > 255 {
		return nil, errors.New("its type or name holds characters that neither can have")
	}
	return NewMedia(kind, name, b), nil
}
