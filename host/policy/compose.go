package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// SoleBundle is the name, in logs, of a bundle that decides alone and that
// nobody has named.
const SoleBundle = "policy"

// piece is one of the bundles that decide together.
type piece struct {
	name     string
	location string // that its files are named by, "": name
	files    map[string][]byte
	src      *source  // parsed, nil: it is to be parsed again when it is needed
	roots    []string // that it may own at most, nil: all that it claims
}

// part is what is left of one of several bundles in what they became: its
// probes, which its own units must answer.
type part struct {
	name   string
	probes []byte
	units  map[string]bool
}

// newPiece reads a tarball.
func newPiece(name string, tarball []byte, roots []string) (*piece, error) {
	files, err := fromTarball(tarball, belongs)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy bundle %q: %w", name, err)
	}
	return parsePiece(name, files, roots)
}

func parsePiece(name string, files map[string][]byte, roots []string) (*piece, error) {
	p := &piece{name: name, files: files, roots: roots}
	if err := p.parse(); err != nil {
		return nil, err
	}
	for _, claimed := range p.claims() {
		if roots != nil && !slices.ContainsFunc(roots, func(r string) bool { return within(claimed, r) }) {
			return nil, fmt.Errorf("policy bundle %q claims %q in its manifest's roots, and may own %q alone", name, claimed, roots)
		}
	}
	return p, nil
}

func (p *piece) parse() (err error) {
	if p.src == nil {
		location := cmp.Or(p.location, p.name)
		if p.src, err = parse(location, p.files); err != nil {
			err = fmt.Errorf("cannot parse policy bundle %q: %w", location, err)
		}
	}
	return err
}

// claims are the roots of the bundle's manifest; OPA has refused what lies
// outside of them.
func (p *piece) claims() []string {
	if p.src.manifest.Roots == nil {
		return []string{""}
	}
	return *p.src.manifest.Roots
}

// within reports whether path lies at or below root.
func within(path, root string) bool {
	path, root = strings.Trim(path, "/"), strings.Trim(root, "/")
	return root == "" || path == root || strings.HasPrefix(path, root+"/")
}

// compose makes one source of bundles, which share no place under data. Their
// units decide together, and a unit can only restrict what others allow.
func compose(pieces []*piece) (*source, error) {
	for _, p := range pieces {
		if err := p.parse(); err != nil {
			return nil, err
		}
		defer func() { p.src = nil }() // its data is large beside its files
	}
	if len(pieces) == 1 {
		src := *pieces[0].src
		src.bundles = map[string]string{pieces[0].name: src.manifest.Revision}
		return &src, nil
	}
	slices.SortFunc(pieces, func(a, b *piece) int { return strings.Compare(a.name, b.name) })
	out := &source{modules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, schemas: map[string][]byte{},
		logRules: map[string]*ast.Module{}, data: map[string]any{}, bundles: map[string]string{}}
	var names []string
	for i, p := range pieces {
		for _, other := range pieces[:i] {
			if err := apart(p, other); err != nil {
				return nil, err
			}
		}
		if err := out.take(p); err != nil {
			return nil, err
		}
		names = append(names, p.name+"="+p.src.revision)
	}
	out.revision = strings.Join(names, ",")
	return out, nil
}

func apart(a, b *piece) error {
	for _, x := range a.claims() {
		for _, y := range b.claims() {
			if within(x, y) || within(y, x) {
				return fmt.Errorf("policy bundles %q and %q both claim %q: give each roots of its own in .manifest", b.name, a.name, longer(x, y))
			}
		}
	}
	return nil
}

func longer(a, b string) string {
	if len(b) > len(a) {
		return b
	}
	return a
}

// take adds a bundle. Its own data schema has to do with its own data alone.
func (src *source) take(p *piece) error {
	if err := checkData(p.src); err != nil {
		return fmt.Errorf("policy bundle %q: %w", p.name, err)
	}
	units := map[string]bool{}
	for _, in := range []struct{ from, to map[string]*ast.Module }{{p.src.modules, src.modules}, {p.src.tests, src.tests}, {p.src.logRules, src.logRules}} {
		for file, m := range in.from {
			in.to[file] = m // files are named by their bundle
			if m.Package.Path.HasPrefix(unitsRef) && len(m.Package.Path) == len(unitsRef)+1 {
				units[string(m.Package.Path[len(unitsRef)].Value.(ast.String))] = true
			}
		}
	}
	for name, body := range p.src.schemas {
		if other, taken := src.schemas[name]; taken && !bytes.Equal(other, body) {
			return fmt.Errorf("policy bundle %q: another bundle has another schemas/%s.json: give it another name", p.name, name)
		}
		src.schemas[name] = body
	}
	src.bundles[p.name] = p.src.manifest.Revision
	src.parts = append(src.parts, part{p.name, p.src.probes, units})
	return merged(src.data, p.src.data)
}

// merged lays from into to; what both have must be objects all the way down.
func merged(to, from map[string]any) error {
	for name, v := range from {
		have, taken := to[name]
		if !taken {
			to[name] = clone(v)
			continue
		}
		a, aIs := have.(map[string]any)
		b, bIs := v.(map[string]any)
		if !aIs || !bIs {
			return errors.New("two policy bundles have data at the same place: " + name)
		}
		if err := merged(a, b); err != nil {
			return fmt.Errorf("%w, below %s", err, name)
		}
	}
	return nil
}

// clone copies objects, which others are laid into; the rest is shared.
func clone(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := maps.Clone(m)
	for name, inner := range out {
		out[name] = clone(inner)
	}
	return out
}

// allProbes are those of each bundle, for its own units.
func (src *source) allProbes() ([]probe, error) {
	if src.parts == nil {
		return parseProbes(src.probes)
	}
	var out []probe
	for _, p := range src.parts {
		probes, err := parseProbes(p.probes)
		if err != nil {
			return nil, fmt.Errorf("policy bundle %q: %w", p.name, err)
		}
		for i := range probes {
			probes[i].Name, probes[i].units = p.name+": "+probes[i].Name, p.units
		}
		out = append(out, probes...)
	}
	return out, nil
}
