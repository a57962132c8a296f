package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Trial is a bundle that decides nothing: it says what it would have decided
// on inputs that were written down by AppendInput.
type Trial struct{ snap *snapshot }

// Current is the bundle that decides now.
func (e *Engine) Current() *Trial { return &Trial{e.snap.Load()} }

// Try reads a bundle from a gzipped tarball and checks it as if it were to be
// activated, with the engine's models and filters.
func (e *Engine) Try(tarball []byte) (*Trial, error) {
	files, err := fromTarball(tarball, belongs)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy bundle: %w", err)
	}
	src, err := parse("", files)
	if err != nil {
		return nil, fmt.Errorf("cannot parse policy bundle: %w", err)
	}
	return e.try(src)
}

// TryPath is Try of a folder or tarball on this machine.
func (e *Engine) TryPath(path string) (*Trial, error) {
	src, err := load(path)
	if err != nil {
		return nil, err
	}
	return e.try(src)
}

func (e *Engine) try(src *source) (*Trial, error) {
	e.mu.Lock()
	src.catalogue = e.catalogue
	e.mu.Unlock()
	o := e.opts
	o.DryRun = nil // it decides nothing anyway
	s, err := activate(src, &o)
	if err != nil {
		return nil, err
	}
	return &Trial{s}, nil
}

// Pack reads the bundle at path, a folder or a tarball, and makes one tarball
// of what belongs to it.
func Pack(path string) ([]byte, error) {
	files, err := readFiles(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy bundle %q: %w", path, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("cannot read policy bundle %q: it holds no policy and no data", path)
	}
	return pack(path, files)
}

// Revision names the bundle.
func (t *Trial) Revision() string { return t.snap.revision }

// Decide says what the bundle would have decided on input, within the time that
// a decision has. An error is what would have been a denial with the code
// policy_error.
func (t *Trial) Decide(input []byte) (*call.Decision, error) {
	doc, err := t.read(input)
	if err != nil {
		return nil, err
	}
	s, limit, rules := t.snap, newDeadline(t.snap.env.limit), topdown.NewVirtualCache()
	var verdicts []*verdict
	for _, u := range s.units {
		v, err := u.evalOn(u.bundle, doc, limit, rules)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v.inEarnest())
	}
	return merge(verdicts, s.revision), nil
}

// Message renders a denial by the bundle's own text where it has one.
func (t *Trial) Message(r call.Reason) string { return t.snap.message(r) }

// read makes an input of what was written down. What depends on the bundle is
// made anew: zones, the time of day, and headers, of which those that were not
// written down count as absent.
func (t *Trial) read(input []byte) (*ast.Term, error) {
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(input))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("cannot read the input that was kept: %w", err)
	}
	net, _ := doc["net"].(map[string]any)
	when, _ := doc["time"].(map[string]any)
	volatile, _ := doc["call"].(map[string]any)
	headers, _ := volatile["headers"].(map[string]any)
	if net == nil || when == nil || headers == nil {
		return nil, fmt.Errorf("cannot read the input that was kept: net, time or call is missing")
	}
	ip, _ := net["ip"].(string)
	addr, _ := netip.ParseAddr(ip) // none: no zone
	net["zones"] = t.snap.env.zones.find(addr).list
	if ms, ok := volatile["unix_ms"].(json.Number); ok {
		t.clock(when, ms)
	}
	kept := map[string]any{}
	for _, name := range t.snap.env.headers {
		kept[name] = ""
		if v, ok := headers[name]; ok {
			kept[name] = v
		}
	}
	volatile["headers"] = kept
	v, err := ast.InterfaceToValue(doc)
	return ast.NewTerm(v), err
}

func (t *Trial) clock(when map[string]any, ms json.Number) {
	n, err := ms.Int64()
	if err != nil {
		return
	}
	c := clockAt(time.UnixMilli(n).In(t.snap.env.location))
	when["day"], when["weekday"], when["hour"], when["minute"] = c.day, weekdays[c.weekday], c.hour, c.minute
	when["tz"] = t.snap.env.location.String()
}
