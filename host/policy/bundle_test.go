package policy

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/signalbox-ai/signalbox/policies"
)

const defaultFolder = "../../policies"

func TestDefaultBundle(t *testing.T) {
	rep, err := Check(defaultFolder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Coverage != 100 || rep.Tests == 0 || rep.Probes == 0 {
		t.Errorf("coverage %v by %d tests and %d probes, not reached: %v", rep.Coverage, rep.Tests, rep.Probes, rep.Uncovered)
	}
	for _, u := range rep.Units {
		if !u.Cached {
			t.Errorf("unit %s is not remembered: %v", u.Name, u.Uncached)
		}
		for _, n := range u.NotIndexed {
			if n.Rewrite {
				t.Error(n)
			}
		}
	}
	if e := openWith(t, Options{}); e.Revision() != rep.Revision {
		t.Errorf("the binary's bundle is %s, the folder's %s: a file is missing from the list in policies/embed.go", e.Revision(), rep.Revision)
	}
}

// near is of src what the tests of a file need: most mutations show there
// already, and little is to be compiled.
func near(src *source, modules map[string]*ast.Module, file string) *source {
	few := *src
	few.modules, few.tests = map[string]*ast.Module{file: modules[file]}, map[string]*ast.Module{}
	for name, m := range modules {
		if !m.Package.Path.HasPrefix(unitsRef) {
			few.modules[name] = m
		}
	}
	name := strings.TrimSuffix(file, ".rego") + "_test.rego"
	if m := src.tests[name]; m != nil {
		few.tests[name] = m
	}
	return &few
}

// TestDefaultBundleMutations takes away each rule, and each condition of each
// rule, of the default bundle: a test of the bundle must fail.
func TestDefaultBundleMutations(t *testing.T) {
	src, err := load(defaultFolder)
	if err != nil {
		t.Fatal(err)
	}
	alone := map[string]bool{} // files whose own tests pass without the other units
	try := func(what string, file string, mutate func(*ast.Module)) {
		t.Helper()
		modules := copyModules(src.modules)
		mutate(modules[file])
		if few := near(src, modules, file); alone[file] && !testsPass(few, few.modules) {
			return
		}
		if testsPass(src, modules) {
			t.Errorf("%s: all tests pass without it", what)
		}
	}
	mutations := 0
	if !testsPass(src, src.modules) {
		t.Fatal("the tests fail as it is")
	}
	for file := range src.modules {
		few := near(src, src.modules, file)
		alone[file] = testsPass(few, few.modules)
	}
	for file, m := range src.modules {
		for i, r := range m.Rules {
			if r.Default {
				continue // without it, permit is undefined: a denial all the same
			}
			try("rule "+r.Location.String(), file, func(m *ast.Module) { m.Rules = slices.Delete(m.Rules, i, i+1) })
			mutations++
			for j, expr := range r.Body {
				if _, loop := expr.Terms.(*ast.SomeDecl); loop || len(r.Body) == 1 {
					continue
				}
				try("condition "+expr.Location.String(), file, func(m *ast.Module) {
					m.Rules[i].Body = slices.Delete(m.Rules[i].Body, j, j+1)
				})
				mutations++
			}
		}
	}
	if mutations < 130 {
		t.Errorf("only %d mutations were tried", mutations)
	}
}

// testsPass runs the bundle's tests until one fails.
func testsPass(src *source, modules map[string]*ast.Module) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b, err := open(src)
	if err != nil {
		return false
	}
	results, err := src.runTests(ctx, b, modules, nil)
	if err != nil {
		return false
	}
	pass := true
	for r := range results {
		if !r.Pass() {
			pass = false
			cancel()
		}
	}
	return pass
}

// TestInputSchema compares the fields that the host reads with those that the
// schema names, and holds inputs against it.
func TestInputSchema(t *testing.T) {
	var raw map[string]any
	if err := json.Unmarshal(policies.InputSchema, &raw); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	var walk func(path string, schema map[string]any)
	walk = func(path string, schema map[string]any) {
		props, _ := schema["properties"].(map[string]any)
		if props == nil {
			named[path] = true
			return
		}
		required := map[string]bool{}
		for _, name := range schema["required"].([]any) {
			required[name.(string)] = true
		}
		if schema["additionalProperties"] != false || len(required) != len(props) {
			t.Errorf("%s: every member must be named and required", path)
		}
		for name, sub := range props {
			walk(path+"."+name, sub.(map[string]any))
		}
	}
	walk("input", raw)
	have := map[string]bool{}
	for id := range numFields {
		have[field{id: id}.String()] = true
	}
	if !maps.Equal(named, have) {
		t.Errorf("the schema names %v, the host reads %v", slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(have)))
	}
	inputsMatch(t, raw)
}

func inputsMatch(t *testing.T, raw map[string]any) {
	c := jsonschema.NewCompiler()
	if err := c.AddResource("input.json", raw); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("input.json")
	if err != nil {
		t.Fatal(err)
	}
	s := openWith(t, Options{}).snap.Load()
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		r := getReader(randomCall(rnd), &s.env)
		var doc any
		if err := json.Unmarshal([]byte(r.document().String()), &doc); err != nil {
			t.Fatal(err)
		}
		putReader(r)
		if err := schema.Validate(doc); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDecisionSchema holds what the schema of decisions allows against what
// the decoder takes: the same names, no more and no fewer.
func TestDecisionSchema(t *testing.T) {
	body, err := policies.Default.ReadFile("schemas/decision.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Properties struct {
			Obligations struct {
				Properties map[string]json.RawMessage `json:"properties"`
			} `json:"obligations"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"max_tokens": "5", "targets": `["a/b"]`, "filters": `["f"]`, "log": `"none"`, "cache": `"deny"`, "log_required": "true",
		"limits": `[{"scope": "team/a", "unit": "usd_nano", "window": {"unit": "day", "size": 2, "tz": "Europe/Berlin"}, "max": 5, "on_exceed": "deny"}]`}
	d := decoder{filters: []string{"f"}}
	for name := range doc.Properties.Obligations.Properties {
		if _, err := d.verdict(nil, nil, ast.MustParseTerm(`{"`+name+`": `+good[name]+`}`)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(good) != len(doc.Properties.Obligations.Properties) {
		t.Errorf("the schema has %d obligations, the decoder %d", len(doc.Properties.Obligations.Properties), len(good))
	}
}
