package gather

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
)

// field is a member of a JSON object, as it came.
type field struct {
	name  string
	value json.RawMessage
}

// fields takes an object apart, in its order.
func fields(object []byte) ([]field, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no object")
	}
	var out []field
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		f := field{name: t.(string)}
		if err := dec.Decode(&f.value); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o field) bool { return o.name == f.name }) {
			return nil, errors.New("a name comes twice")
		}
		out = append(out, f)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	return out, nil
}

// object puts fields together.
func object(dst []byte, list []field) []byte {
	dst = append(dst, '{')
	for i, f := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			panic("BUG: cannot write a name; got " + err.Error())
		}
		dst = append(append(append(dst, name...), ':'), f.value...)
	}
	return append(dst, '}')
}

func array(list []json.RawMessage) json.RawMessage {
	out := []byte{'['}
	for i, v := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return append(out, ']')
}

// Request is one that asks for embeddings, taken apart.
type Request struct {
	// Rest is all but what is to be embedded, and Kind of what kind that is:
	// only requests with the same of both go together.
	Rest []byte
	Kind byte // 's': texts, 't': tokens

	inputs []json.RawMessage
	at     int // of the input among the fields of the body
	list   []field
	weight int64
}

// Inputs is how many embeddings are asked for, and Bytes what they take.
func (r *Request) Inputs() int { return len(r.inputs) }

// Bytes is what the inputs take.
func (r *Request) Bytes() int64 { return r.weight }

// Read takes a request for embeddings apart; false: it is not one that can go
// together with others.
func Read(body []byte) (*Request, bool) {
	list, err := fields(body)
	if err != nil {
		return nil, false
	}
	r := &Request{list: list, at: slices.IndexFunc(list, func(f field) bool { return f.name == "input" })}
	if r.at < 0 || !r.read(list[r.at].value) || len(r.inputs) == 0 {
		return nil, false
	}
	for _, in := range r.inputs {
		r.weight += int64(len(in))
	}
	r.Rest = object(nil, slices.Delete(slices.Clone(list), r.at, r.at+1))
	return r, true
}

// read takes the input apart.
func (r *Request) read(input json.RawMessage) bool {
	switch input[0] {
	case '"':
		r.Kind, r.inputs = 's', []json.RawMessage{input}
		return true
	case '[':
	default:
		return false
	}
	if json.Unmarshal(input, &r.inputs) != nil || len(r.inputs) == 0 {
		return false
	}
	switch first := r.inputs[0][0]; {
	case first == '"':
		r.Kind = 's'
	case first == '[':
		r.Kind = 't'
	default: // one text, as tokens
		if !tokens(r.inputs) {
			return false
		}
		r.Kind, r.inputs = 't', []json.RawMessage{input}
		return true
	}
	return !slices.ContainsFunc(r.inputs, func(in json.RawMessage) bool { return in[0] != r.inputs[0][0] })
}

func tokens(list []json.RawMessage) bool {
	return !slices.ContainsFunc(list, func(v json.RawMessage) bool {
		_, err := strconv.ParseUint(string(v), 10, 32)
		return err != nil
	})
}

// Join is one request for the inputs of all.
func Join(all []*Request) []byte {
	var inputs []json.RawMessage
	for _, r := range all {
		inputs = append(inputs, r.inputs...)
	}
	list := slices.Clone(all[0].list)
	list[all[0].at].value = array(inputs)
	return object(nil, list)
}

var errForeign = errors.New("the answer to requests that were put together is not one for all of them")

// Split takes the answer to what Join made apart: one for each request, with the
// tokens that it is told it has used.
func Split(answer []byte, all []*Request, tokens []int64) ([][]byte, error) {
	list, err := fields(answer)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list, func(f field) bool { return f.name == "data" })
	var data []json.RawMessage
	if at < 0 || json.Unmarshal(list[at].value, &data) != nil {
		return nil, errForeign
	}
	ordered, err := order(data)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, r := range all {
		n += len(r.inputs)
	}
	if n != len(ordered) {
		return nil, errForeign
	}
	out := make([][]byte, len(all))
	for i, r := range all {
		own := slices.Clone(list)
		rows := make([]json.RawMessage, len(r.inputs))
		for j := range rows {
			rows[j] = indexed(ordered[j], j)
		}
		ordered = ordered[len(rows):]
		own[at].value = array(rows)
		for k := range own {
			if own[k].name == "usage" {
				own[k].value = usage(own[k].value, tokens[i])
			}
		}
		out[i] = object(nil, own)
	}
	return out, nil
}

// order puts the rows of an answer into the order of their indexes.
func order(data []json.RawMessage) ([][]field, error) {
	out := make([][]field, len(data))
	for _, raw := range data {
		row, err := fields(raw)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(row, func(f field) bool { return f.name == "index" })
		if at < 0 {
			return nil, errForeign
		}
		i, err := strconv.Atoi(string(row[at].value))
		if err != nil || i < 0 || i >= len(out) || out[i] != nil {
			return nil, errForeign
		}
		out[i] = row
	}
	return out, nil
}

// indexed is a row with another index.
func indexed(row []field, index int) json.RawMessage {
	row = slices.Clone(row)
	for i := range row {
		if row[i].name == "index" {
			row[i].value = strconv.AppendInt(nil, int64(index), 10)
		}
	}
	return object(nil, row)
}

// usage is what one request is told that it has used.
func usage(all json.RawMessage, tokens int64) json.RawMessage {
	list, err := fields(all)
	if err != nil {
		return all
	}
	for i := range list {
		if list[i].name == "prompt_tokens" || list[i].name == "total_tokens" {
			list[i].value = strconv.AppendInt(nil, tokens, 10)
		}
	}
	return object(nil, list)
}
