package main

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

const (
	defaultDimensions = 64
	maxDimensions     = 4096
	maxInputs         = 2048
)

func (d *demo) embed(r *provider.Request, w *provider.Writer) error {
	p := parsers.Get()
	defer parsers.Put(p)
	body, err := p.ParseBytes(r.Body())
	if err != nil || body.Type() != fastjson.TypeObject {
		return wire.Errorf(400, "invalid_json", "the body is not a JSON object")
	}
	c := *d.defaults.Load()
	name := r.Model()
	if name == "" {
		name = string(body.GetStringBytes("model"))
	}
	model, err := c.read(name, body)
	if err != nil {
		return err
	}
	if model != embedModel {
		e := faults["model_not_found"]
		e.Message = "the demo provider has no embedding model \"" + model + "\"; it has " + embedModel
		return &e
	}
	if err := misbehave(r, &c); err != nil {
		return err
	}
	in, err := inputs(body.Get("input"))
	if err != nil {
		return err
	}
	dims := body.GetInt("dimensions")
	if dims == 0 {
		dims = defaultDimensions
	}
	if dims < 1 || dims > maxDimensions {
		return &wire.Error{Status: 400, Class: wire.ClassInvalid, Code: "invalid_dimensions", Message: "dimensions: want 1 to 4096", Param: "dimensions"}
	}
	out, usage := embeddings(name, in, dims, string(body.GetStringBytes("encoding_format")) == "base64")
	w.Usage(usage)
	return w.JSON(out)
}

// inputs reads a text, texts, tokens, or lists of tokens, each as bytes to hash.
func inputs(v *fastjson.Value) ([]string, error) {
	bad := &wire.Error{Status: 400, Class: wire.ClassInvalid, Code: "invalid_input", Message: "input: want a text, or 1 to 2048 texts or lists of tokens", Param: "input"}
	if v == nil {
		return nil, bad
	}
	list := v.GetArray()
	switch {
	case v.Type() == fastjson.TypeString:
		return []string{string(v.GetStringBytes())}, nil
	case len(list) == 0 || len(list) > maxInputs:
		return nil, bad
	case list[0].Type() == fastjson.TypeNumber:
		return []string{v.String()}, nil
	}
	out := make([]string, len(list))
	for i, item := range list {
		if out[i] = string(item.GetStringBytes()); item.Type() == fastjson.TypeArray {
			out[i] = item.String()
		}
	}
	return out, nil
}

func embeddings(model string, in []string, dims int, packed bool) ([]byte, wire.Usage) {
	dst := make([]byte, 0, 128+len(in)*dims*12)
	dst = append(dst, `{"object":"list","data":[`...)
	size := 0
	for i, text := range in {
		size += len(text)
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"object":"embedding","index":`...), int64(i), 10)
		dst = append(vector(append(dst, `,"embedding":`...), text, dims, packed), '}')
	}
	u := wire.Usage{Input: max(tokens(size), 1)}
	dst = quote(append(dst, `],"model":`...), model)
	dst = strconv.AppendInt(append(dst, `,"usage":{"prompt_tokens":`...), u.Input, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), u.Input, 10)
	return append(dst, "}}"...), u
}

// vector appends a unit vector that depends on text alone: texts of the same
// words have the same one, and near ones as far as they share words.
func vector(dst []byte, text string, dims int, packed bool) []byte {
	v, sum := make([]float64, dims), 0.0
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		words = []string{text}
	}
	for _, word := range words {
		addWord(v, word)
	}
	for _, x := range v {
		sum += x * x
	}
	norm := math.Sqrt(sum)
	if packed {
		raw := make([]byte, 0, 4*dims)
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(x/norm)))
		}
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"')
	}
	for i, x := range v {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		dst = strconv.AppendFloat(append(dst, sep), x/norm, 'g', 8, 32)
	}
	return append(dst, ']')
}

// addWord adds the direction of a word to v.
func addWord(v []float64, word string) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(word))
	state := h.Sum64() | 1
	for i := range v {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		v[i] += float64(int64(state)) / math.MaxInt64
	}
}
