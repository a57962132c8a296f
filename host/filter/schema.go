package filter

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// Codes of blocks by schema.
const (
	codeNoJSON    = 1 + iota // the answer is no JSON
	codeMismatch             // it does not follow the schema
	codeLongJSON             // it is longer than max_bytes
	codeBadSchema            // the request's schema cannot be used
)

// schema checks whole answers against a JSON schema: the operator's, or what the
// request asks for. Streams are held until their end.
type schema struct {
	Schema json.RawMessage `json:"schema"`    // of the operator, none: what the request asks for
	Bytes  int             `json:"max_bytes"` // of an answer; default 1 MiB

	own *checker
}

// defaultSchemaBytes bounds the answers that are held to be checked.
const defaultSchemaBytes = 1 << 20

func newSchema(config []byte) (native, error) {
	f := &schema{}
	if err := decode(config, f); err != nil {
		return nil, err
	}
	switch {
	case f.Bytes < 0 || f.Bytes > 64<<20:
		return nil, fmt.Errorf("its max_bytes is %d: give at most 64 MiB", f.Bytes)
	case f.Bytes == 0:
		f.Bytes = defaultSchemaBytes
	}
	var err error
	if len(f.Schema) > 0 {
		f.own, err = compileSchema(f.Schema)
	}
	return f, err
}

// One byte more than an answer may have tells that it has more.
func (f *schema) limit() int { return f.Bytes + 1 }

func (f *schema) look(s *Screen, _ int, ch *channel, v *verdict) error {
	w, against := &s.window, f.own
	if against == nil {
		against = s.schema
	}
	v.action, v.consumed = abi.ActionPass, len(w.Text)
	block := func(code uint32, reason string) error {
		*v = verdict{action: abi.ActionBlock, code: code, output: v.output}
		v.because(reason)
		return nil
	}
	switch {
	case !s.answer || ch.key.Channel != text.ChannelAnswer || ch.key.Track != 0 || s.repeat:
		return nil
	case against == nil && s.schemaErr != nil:
		return block(codeBadSchema, "the request's schema cannot be used: "+s.schemaErr.Error())
	case against == nil:
		return nil
	case len(w.Text) > f.Bytes:
		return block(codeLongJSON, fmt.Sprintf("it has more than %d bytes", f.Bytes))
	case !w.Final():
		v.action, v.consumed = abi.ActionMore, 0
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Text))
	if err != nil {
		return block(codeNoJSON, "it is no JSON")
	}
	if err := against.check(value); err != nil {
		return block(codeMismatch, against.mismatch(err))
	}
	return nil
}

// mismatch says where an answer leaves its schema, and not what stands there:
// members that the schema does not name are the answer's own words.
func (c *checker) mismatch(err error) string {
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return err.Error()
	}
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	place := slices.Clone(e.InstanceLocation)
	for i, step := range place {
		if _, err := strconv.ParseUint(step, 10, 16); err != nil && !c.names[step] {
			place[i] = "*"
		}
	}
	return fmt.Sprintf("at /%s it does not follow the schema's %s", strings.Join(place, "/"), strings.Join(e.ErrorKind.KeywordPath(), "/"))
}

// prepare compiles what the request asks for, if a filter of the chain checks it.
func (s *Screen) prepare(body []byte) {
	s.schema, s.schemaErr = nil, nil
	for i := range s.chain {
		n := s.chain[i].native.Load()
		if n == nil || !s.chain[i].Answer {
			continue
		}
		if f, ok := (*n).(*schema); ok && f.own == nil {
			if raw := text.Schema(s.c.Dialect, body); raw != nil {
				s.schema, s.schemaErr = s.set.schemas.of(raw)
			}
			return
		}
	}
}

// maxSchemas bounds the compiled schemas of requests that are remembered, and
// maxSchema the bytes of one.
const (
	maxSchemas = 256
	maxSchema  = 64 << 10
)

// schemas remembers the schemas that requests ask for.
type schemas struct {
	mu     sync.Mutex
	known  map[[sha256.Size]byte]*checker
	recent [][sha256.Size]byte
}

func (s *schemas) of(raw []byte) (*checker, error) {
	if len(raw) > maxSchema {
		return nil, fmt.Errorf("it has more than %d bytes", maxSchema)
	}
	id := sha256.Sum256(raw)
	s.mu.Lock()
	known := s.known[id]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	compiled, err := compileSchema(raw)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[[sha256.Size]byte]*checker{}
	}
	if len(s.recent) == maxSchemas {
		delete(s.known, s.recent[0])
		s.recent = append(s.recent[:0], s.recent[1:]...)
	}
	if s.known[id] == nil {
		s.known[id] = compiled
		s.recent = append(s.recent, id)
	}
	return compiled, nil
}

// google turns types as Google writes them into those of JSON schema.
func google(node any) {
	switch n := node.(type) {
	case []any:
		for _, v := range n {
			google(v)
		}
	case map[string]any:
		if t, ok := n["type"].(string); ok && t == strings.ToUpper(t) {
			n["type"] = strings.ToLower(t)
			if n["nullable"] == true {
				n["type"] = []any{strings.ToLower(t), "null"}
			}
		}
		for _, v := range n {
			google(v)
		}
	}
}
