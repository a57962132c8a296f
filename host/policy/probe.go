package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/host/call"
)

// probe is one golden case of a bundle's probes.json. Its input is laid over
// the sample input, so that it names only what matters.
type probe struct {
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	Catalogue *Catalogue      `json:"catalogue"` // in place of the host's, which changes; the host's if absent
	Allow     *bool           `json:"allow"`
	Codes     []string        `json:"codes"` // denial codes, in any order; not checked if absent

	units map[string]bool // that it is for, nil: all
}

// probeLimit is generous: a probe looks for errors, not for speed.
const probeLimit = time.Second

// sampleInput is the request that probes vary.
const sampleInput = `{"v": 1,
 "principal": {"key_id": "k-probe", "key_name": "probe", "org": "acme", "project": "p-1", "team": "t-1", "user": "u-1",
  "roles": [], "env": "prod", "auth": "key", "attrs": {}},
 "net": {"ip": "192.0.2.1", "zones": [], "tls": true},
 "time": {"day": 20779, "weekday": "mon", "hour": 12, "minute": 0, "tz": "UTC"},
 "request": {"op": "chat", "method": "POST", "path": "", "model": "openai/gpt-4o-mini", "pipeline": "", "data_class": "",
  "modalities": {"in": ["text"], "out": ["text"]}, "tools": [], "tool": {"server": "", "name": ""}, "stream": false, "max_tokens": 0,
  "input_size": "1k", "priority": "normal"},
 "call": {"id": "req_0000000000000", "unix_ms": 1795305600000, "est_input_tokens": 10, "headers": {}}}`

func parseProbes(body []byte) ([]probe, error) {
	if body == nil {
		return nil, nil
	}
	var probes []probe
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&probes); err != nil {
		return nil, fmt.Errorf("cannot read probes.json: %w", err)
	}
	for _, p := range probes {
		if p.Name == "" || p.Allow == nil {
			return nil, fmt.Errorf("cannot read probes.json: every probe needs a name and allow: true or false; %q lacks one", p.Name)
		}
	}
	return probes, nil
}

// probe evaluates the bundle on the empty input, which must be denied, on the
// bundle's own probes, which must come out as they say, and on sample requests,
// which must not make any unit fail: rules that contradict each other are found
// by evaluation alone.
func (s *snapshot) probe(src *source, probes []probe) error {
	own := s.units[0].bundle
	if d, err := s.decideInput(own, ast.ObjectTerm()); err == nil && d.Allow {
		return errors.New("the empty input is allowed: permit must depend on the caller")
	}
	for _, overlay := range []string{`{}`, `{"request": {"op": "embeddings", "modalities": {"out": ["embedding"]}}}`,
		`{"request": {"stream": true, "tools": ["a"], "max_tokens": 100, "input_size": "max"}, "net": {"ip": "2001:db8::1", "tls": false}}`} {
		if err := s.sweep(own, overlay); err != nil {
			return err
		}
	}
	var errs []error
	for _, p := range probes {
		if err := s.run(src, p); err != nil {
			errs = append(errs, fmt.Errorf("probe %q: %w", p.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (s *snapshot) sweep(b *compiled, overlay string) error {
	input, err := s.overlay([]byte(overlay))
	if err != nil {
		return err
	}
	_, err = s.decideInput(b, input)
	return err
}

func (s *snapshot) run(src *source, p probe) error {
	b := s.units[0].bundle
	if p.Catalogue != nil {
		other := *src
		other.catalogue = *p.Catalogue
		data, err := open(&other)
		if err != nil {
			return err
		}
		data.compiler, b = b.compiler, data
	}
	input, err := s.overlay(p.Input)
	if err != nil {
		return err
	}
	d, err := s.decideUnits(p.units, b, input)
	if err != nil {
		return err
	}
	var codes []string
	for _, r := range d.Reasons {
		codes = append(codes, r.Code)
	}
	slices.Sort(codes)
	if d.Allow != *p.Allow {
		return fmt.Errorf("got allow %v for %v, want %v", d.Allow, codes, *p.Allow)
	}
	slices.Sort(p.Codes)
	if p.Codes != nil && !slices.Equal(slices.Compact(codes), slices.Compact(p.Codes)) {
		return fmt.Errorf("got codes %v, want %v", codes, p.Codes)
	}
	return nil
}

// decideInput evaluates every unit on a document, past all memory and any dry
// run. b is the bundle, or has other data.
func (s *snapshot) decideInput(b *compiled, input *ast.Term) (*call.Decision, error) {
	return s.decideUnits(nil, b, input)
}

// decideUnits is decideInput by some of the units, nil: all.
func (s *snapshot) decideUnits(some map[string]bool, b *compiled, input *ast.Term) (*call.Decision, error) {
	var verdicts []*verdict
	for _, u := range s.units {
		if some != nil && !some[u.name] {
			continue
		}
		v, err := u.evalOn(b, input, newDeadline(probeLimit), nil)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v.inEarnest())
	}
	return merge(verdicts, s.revision), nil
}

// overlay lays a probe's input over the sample. It may not name a field that
// the input does not have.
func (s *snapshot) overlay(raw []byte) (*ast.Term, error) {
	var base, over map[string]any
	if err := json.Unmarshal([]byte(sampleInput), &base); err != nil {
		return nil, fmt.Errorf("BUG: the sample input is not JSON: %w", err)
	}
	headers := base["call"].(map[string]any)["headers"].(map[string]any)
	for _, name := range s.env.headers {
		headers[name] = ""
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &over); err != nil {
			return nil, fmt.Errorf("cannot read input: %w", err)
		}
	}
	if err := lay(over, base, document, "input"); err != nil {
		return nil, err
	}
	v, err := ast.InterfaceToValue(base)
	return ast.NewTerm(v), err
}

func lay(over, base map[string]any, n *node, path string) error {
	for name, v := range over {
		if len(n.children) == 0 { // an open leaf
			base[name] = v
			continue
		}
		i := slices.IndexFunc(n.children, func(c *node) bool { return c.name == name })
		if i < 0 {
			return fmt.Errorf("there is no %s.%s", path, name)
		}
		c := n.children[i]
		inner, isObject := v.(map[string]any)
		if (len(c.children) > 0 || leaves[c.id].open) != isObject {
			return fmt.Errorf("%s.%s has the wrong type", path, name)
		}
		if !isObject {
			base[name] = v
			continue
		}
		if err := lay(inner, base[name].(map[string]any), c, path+"."+name); err != nil {
			return err
		}
	}
	return nil
}
