package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

var foreignKey = []byte(`"` + sealMark)

// Native returns a request in dialect d as an upstream that speaks d itself can
// take it: without the reasoning that a translation gave the caller with
// another maker's seal, which the upstream would refuse as forged. A
// conversation has such where it began on another model. body itself is
// returned when there is none, as there nearly always is; dropped lists what
// was taken away.
func Native(d Dialect, body []byte) (out []byte, dropped []string) {
	if !bytes.Contains(body, foreignKey) {
		return body, nil
	}
	n := native{}
	switch d {
	case AnthropicMessages:
		out = n.object(body, n.anthropicMember)
	case OpenAIResponses:
		out = n.object(body, n.responsesMember)
	}
	if n.lost == 0 {
		return body, nil
	}
	if d == OpenAIResponses {
		return out, []string{responsesNames.thinking}
	}
	if n.unsealed { // the API refuses to think on after calls whose reasoning is gone
		m := native{}
		out = m.object(out, func(dst []byte, name, value []byte) ([]byte, bool) {
			return append(dst, value...), string(name) != "thinking"
		})
		return out, []string{anthropicNames.thinking, "thinking"}
	}
	return out, []string{anthropicNames.thinking}
}

// native is one request on its way.
type native struct {
	lost     int
	unsealed bool // the last turn of the assistant calls tools, and lost its reasoning
}

// object rebuilds an object: member appends the value of each, or says that it is to go.
func (n *native) object(body []byte, member func(dst, name, value []byte) (out []byte, keep bool)) []byte {
	r := lex.New(body)
	dst := append(make([]byte, 0, len(body)), '{')
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		name := r.Name()
		mark := len(dst)
		if mark > 1 {
			dst = append(dst, ',')
		}
		dst = append(lex.AppendString(dst, name), ':')
		var keep bool
		if dst, keep = member(dst, name, r.Skip()); !keep {
			dst = dst[:mark]
		}
	}
	if !r.Done() { // the upstream says what is wrong with it
		n.lost = 0
	}
	return append(dst, '}')
}

// array rebuilds an array likewise, and says whether anything is left in it.
func (n *native) array(dst, list []byte, elem func(dst, value []byte) (out []byte, keep bool)) ([]byte, bool) {
	r := lex.New(list)
	dst = append(dst, '[')
	from := len(dst)
	for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
		mark := len(dst)
		if mark > from {
			dst = append(dst, ',')
		}
		var keep bool
		if dst, keep = elem(dst, r.Skip()); !keep {
			dst = dst[:mark]
		}
	}
	return append(dst, ']'), len(dst) > from
}

func (n *native) anthropicMember(dst, name, value []byte) ([]byte, bool) {
	if string(name) != "messages" {
		return append(dst, value...), true
	}
	dst, _ = n.array(dst, value, n.anthropicMessage)
	return dst, true
}

// anthropicMessage takes the foreign blocks out of a message, and the message
// out of the conversation if nothing else is in it.
func (n *native) anthropicMessage(dst, value []byte) (out []byte, keep bool) {
	assistant := bytes.Contains(value, []byte(`"assistant"`))
	calls := assistant && bytes.Contains(value, []byte(`"tool_use"`))
	if assistant {
		n.unsealed = false
	}
	if !bytes.Contains(value, foreignKey) {
		return append(dst, value...), true
	}
	keep = true
	before := n.lost
	message := n.object(value, func(dst, name, value []byte) ([]byte, bool) {
		if string(name) != "content" || !bytes.HasPrefix(value, []byte{'['}) {
			return append(dst, value...), true
		}
		dst, keep = n.array(dst, value, n.anthropicBlock)
		return dst, true
	})
	n.unsealed = calls && n.lost > before
	return append(dst, message...), keep
}

func (n *native) anthropicBlock(dst, value []byte) (out []byte, keep bool) {
	if !n.foreign(value, "thinking", "signature") && !n.foreign(value, "redacted_thinking", "data") {
		return append(dst, value...), true
	}
	n.lost++
	return dst, false
}

func (n *native) responsesMember(dst, name, value []byte) ([]byte, bool) {
	if string(name) != "input" || !bytes.HasPrefix(value, []byte{'['}) {
		return append(dst, value...), true
	}
	dst, _ = n.array(dst, value, func(dst, value []byte) ([]byte, bool) {
		if !n.foreign(value, "reasoning", "encrypted_content") {
			return append(dst, value...), true
		}
		n.lost++
		return dst, false
	})
	return dst, true
}

// foreign reports whether value is an object of the given type whose seal, the
// member of that name, is another maker's.
func (n *native) foreign(value []byte, typ, member string) bool {
	if !bytes.Contains(value, foreignKey) {
		return false
	}
	r := lex.New(value)
	is, sealed := false, false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			is = string(r.Text()) == typ
		case member:
			s, _ := r.Raw()
			sealed = bytes.HasPrefix(s, []byte(sealMark))
		}
	}
	return is && sealed
}
