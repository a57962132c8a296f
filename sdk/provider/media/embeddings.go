package media

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Embeddings is a request for embeddings in OpenAI's dialect.
type Embeddings struct {
	Model      string
	Input      []string
	Dimensions int64  // 0: the model's own
	InputType  string // "input_type", which Cohere's models know and OpenAI's do not, "": not given
	Dropped    []string

	encoded bool // as base64 rather than numbers
}

// ReadEmbeddings reads a request. Tokens as input are refused: they are those
// of OpenAI's models.
func ReadEmbeddings(body []byte) (*Embeddings, error) {
	in, err := object(body)
	if err != nil {
		return nil, err
	}
	q := &Embeddings{}
	var input json.RawMessage
	var format string
	in.take("model", &q.Model, "a string")
	in.take("input", &input, "a string or an array of strings")
	in.take("dimensions", &q.Dimensions, "a whole number")
	in.take("input_type", &q.InputType, "a string")
	in.take("encoding_format", &format, `"float" or "base64"`)
	q.Dropped = slices.Sorted(maps.Keys(in.members))
	if in.err != nil {
		return nil, in.err
	}
	if format != "" && format != "float" && format != "base64" {
		return nil, Bad("encoding_format", `is %q; want "float" or "base64"`, format)
	}
	q.encoded = format == "base64"
	var one string
	switch {
	case json.Unmarshal(input, &one) == nil && one != "":
		q.Input = []string{one}
	case json.Unmarshal(input, &q.Input) != nil:
		return nil, Bad("input", "must be a string or an array of strings: this model takes no tokens of others")
	}
	if len(q.Input) == 0 {
		return nil, Bad("input", "must hold at least one text")
	}
	if q.Dimensions < 0 {
		return nil, Bad("dimensions", "must be 1 or more")
	}
	return q, nil
}

// Append appends the answer, the vectors in the order of the input.
func (q *Embeddings) Append(dst []byte, vectors [][]float32, u wire.Usage) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"object":"embedding","index":`...)
		dst = append(strconv.AppendInt(dst, int64(i), 10), `,"embedding":`...)
		if q.encoded {
			dst = appendEncoded(dst, v)
		} else {
			dst = appendNumbers(dst, v)
		}
		dst = append(dst, '}')
	}
	model, _ := json.Marshal(q.Model) // a string always can be
	dst = append(append(dst, `],"model":`...), model...)
	dst = append(dst, `,"usage":{"prompt_tokens":`...)
	dst = append(strconv.AppendInt(dst, u.Prompt(), 10), `,"total_tokens":`...)
	return append(strconv.AppendInt(dst, u.Prompt(), 10), "}}"...)
}

func appendNumbers(dst []byte, v []float32) []byte {
	dst = append(dst, '[')
	for i, f := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(f), 'g', -1, 32)
	}
	return append(dst, ']')
}

// appendEncoded appends what OpenAI's clients ask for by default: 32-bit
// floats, the lowest byte first.
func appendEncoded(dst []byte, v []float32) []byte {
	raw := make([]byte, 0, 4*len(v))
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	dst = append(dst, '"')
	return append(base64.StdEncoding.AppendEncode(dst, raw), '"')
}
