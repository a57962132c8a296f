package policy

import (
	"encoding/json"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func jsonNumber(s string) json.Number { return json.Number(s) }

// FuzzVerdict decodes whatever a unit may answer: it must be refused or hold
// only what the schema of decisions allows.
func FuzzVerdict(f *testing.F) {
	f.Add(`[{"code": "x", "v": 1}]`, `true`, `{"max_tokens": 5, "targets": ["a"], "log": "none", "cache": "deny"}`)
	f.Add(`[]`, `false`, `{"limits": [{"scope": "team/a", "unit": "tokens", "max": 1e3, "window": {"unit": "day", "size": 7, "tz": "UTC"}}]}`)
	f.Add(`[{"code": ""}]`, `1`, `{"filters": ["f"]}`)
	f.Fuzz(func(t *testing.T, deny, permit, obligations string) {
		var terms [3]*ast.Term
		for i, text := range []string{deny, permit, obligations} {
			var v any
			if json.Unmarshal([]byte(text), &v) != nil {
				return
			}
			value, err := ast.InterfaceToValue(v)
			if err != nil {
				return
			}
			if list, ok := value.(*ast.Array); ok && i == 0 {
				set := ast.NewSet()
				list.Foreach(set.Add)
				value = set
			}
			terms[i] = ast.NewTerm(value)
		}
		d := decoder{unit: "u", filters: []string{"f"}}
		v, err := d.verdict(terms[0], terms[1], terms[2])
		if err != nil {
			return
		}
		o := v.obligations
		if v.denied != (len(v.reasons) > 0) || o.maxTokens < 0 || o.restricted != (o.targets != nil) {
			t.Errorf("got %+v", v)
		}
		for _, l := range o.limits {
			if l.Scope == "" || l.Max < 0 || l.Window.Unit == "" || l.Window.Size < 1 {
				t.Errorf("got limit %+v", l)
			}
		}
		if d := merge([]*verdict{v}, "r"); d.Allow != !v.denied && len(d.Targets) > 0 {
			t.Errorf("got %+v of %+v", d, v)
		}
	})
}

// FuzzBundle parses bundles of foreign bytes: an error, never a panic.
func FuzzBundle(f *testing.F) {
	f.Add("package signalbox.units.u\n\ndefault permit := false\n\npermit if input.principal.key_id != \"\"", `{"signalbox": {"zones": {"a": ["10.0.0.0/8"]}}}`, `[]`)
	f.Add("package signalbox.units.u\n\ndeny contains {\"code\": \"x\"} if input.x[_].y", `{"a": 1}`, `[{"name": "p", "input": {"net": 5}, "allow": true}]`)
	f.Add("package signalbox.units\n\np := data", `[]`, `{}`)
	f.Fuzz(func(t *testing.T, rego, data, probes string) {
		src, err := parse("", map[string][]byte{"u.rego": []byte(rego), "data.json": []byte(data), "probes.json": []byte(probes)})
		if err != nil {
			return
		}
		o := Options{}.withDefaults()
		s, err := activate(src, &o)
		if err != nil {
			return
		}
		r := getReader(sampleCall(), &s.env)
		defer putReader(r)
		if d, _ := s.decide(r); d == nil {
			t.Error("no decision")
		}
	})
}
