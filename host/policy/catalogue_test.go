package policy

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

var sampleCatalogue = Catalogue{Aliases: map[string][]string{"fast": {"mistral/large", "openai/gpt-4o-mini"}}, Models: map[string]CatalogueModel{
	"openai/gpt-4o-mini": {Provider: "openai", Model: "gpt-4o-mini", Region: "us", Context: 128000, MaxOutput: 16384,
		Price: &CataloguePrice{Input: 150_000_000, Output: 600_000_000, LongInput: 150_000_000, LongOutput: 600_000_000}},
	"mistral/large": {Provider: "mistral", Model: "large", Region: "eu", Tags: []string{"gdpr"},
		Price: &CataloguePrice{Input: 2_000_000_000, Output: 6_000_000_000, LongInput: 2_000_000_000, LongOutput: 6_000_000_000}},
	"ollama/llama": {Provider: "ollama", Model: "llama", Region: "eu"},
}}

const dear = `deny contains {"code": "too_dear"} if data.signalbox.catalogue.models[input.request.model].price.output > 1000000000`

func ask(e *Engine, model string) *call.Decision {
	c := sampleCall()
	c.Model = &call.Model{Name: model}
	return e.Decide(c)
}

func TestPoliciesReadTheCatalogue(t *testing.T) {
	e := openWith(t, Options{Deadline: slack, Catalogue: sampleCatalogue, Path: files{"u": dear + `

deny contains {"code": "context"} if data.signalbox.catalogue.models[input.request.model].context > 100000

deny contains {"code": "tagged"} if "gdpr" in data.signalbox.catalogue.models[input.request.model].tags

obligations["targets"] := {name | some name, m in data.signalbox.catalogue.models; m.region == "eu"}`}.folder(t)})
	wantDenied(t, ask(e, "openai/gpt-4o-mini"), "context")
	wantDenied(t, ask(e, "mistral/large"), "tagged,too_dear")
	d := ask(e, "ollama/llama")
	wantAllowed(t, d)
	if got := strings.Join(d.Targets, " "); got != "mistral/large ollama/llama" {
		t.Errorf("got targets %s", got)
	}
}

// TestCatalogueIsExact: prices are whole nano-dollars beyond what a float holds.
func TestCatalogueIsExact(t *testing.T) {
	e := openWith(t, Options{Deadline: slack, Catalogue: Catalogue{Models: map[string]CatalogueModel{"a/b": {Price: &CataloguePrice{Input: 1<<53 + 1}}}},
		Path: files{"u": `deny contains {"code": "exact", "v": p} if {
	p := data.signalbox.catalogue.models["a/b"].price.input
	p == 9007199254740993
}`}.folder(t)})
	d := ask(e, "a/b")
	wantDenied(t, d, "exact")
	if d.Reasons[0].Value != "9007199254740993" {
		t.Errorf("got %s", d.Reasons[0].Value)
	}
}

// TestNewCatalogueIsANewSnapshot: what was remembered under the old one is gone.
func TestNewCatalogueIsANewSnapshot(t *testing.T) {
	e := files{"u": dear}.open(t)
	wantAllowed(t, ask(e, "mistral/large"))
	wantAllowed(t, ask(e, "mistral/large"))
	if err := e.SetCatalogue(sampleCatalogue); err != nil {
		t.Fatal(err)
	}
	wantDenied(t, ask(e, "mistral/large"), "too_dear")

	before := e.Stats().Reloads
	if err := errors.Join(e.SetCatalogue(Catalogue{maps.Clone(sampleCatalogue.Models), maps.Clone(sampleCatalogue.Aliases)}), e.Reload()); err != nil || e.Stats().Reloads != before {
		t.Errorf("the same bundle and catalogue were activated again: %v", err)
	}
}

// TestRefusedCatalogueLeavesTheLast: a reload of the bundle afterwards still
// goes by the last good one.
func TestRefusedCatalogueLeavesTheLast(t *testing.T) {
	dir := files{"u": dear + `

deny contains {"code": "x", "v": x} if {
	some m in data.signalbox.catalogue.models
	m.region == "nowhere"
	x := to_number(m.region)
}`}.folder(t)
	e := openWith(t, Options{Path: dir, Deadline: slack, Catalogue: sampleCatalogue})
	err := e.SetCatalogue(Catalogue{Models: map[string]CatalogueModel{"a/b": {Region: "nowhere"}}})
	if err == nil || e.Stats().LastError == nil || e.Stats().ReloadErrors != 1 {
		t.Fatalf("got %v, %+v", err, e.Stats())
	}
	wantDenied(t, ask(e, "mistral/large"), "too_dear")
	files{"v": `deny contains {"code": "more"} if input.net.tls`}.write(t, dir)
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	wantDenied(t, ask(e, "mistral/large"), "too_dear")
}

func TestMisspeltCatalogue(t *testing.T) {
	f := func(name, rule, want string) {
		t.Helper()
		for _, c := range []Catalogue{{}, sampleCatalogue} {
			src, err := load(files{"u": rule}.folder(t))
			if err != nil {
				t.Fatal(err)
			}
			src.catalogue = c
			o := Options{}.withDefaults()
			if _, err := activate(src, &o); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, with %d models: got %v, want %s", name, len(c.Models), err, want)
			}
		}
	}
	f("the catalogue", `deny contains {"code": "x"} if data.signalbox.catalog.models[input.request.model]`, "data.signalbox.catalog")
	f("models", `deny contains {"code": "x"} if data.signalbox.catalogue.modles[input.request.model]`, "modles")
	f("a member", `deny contains {"code": "x"} if data.signalbox.catalogue.models[input.request.model].regoin == "eu"`, "regoin")
	f("a member of a model by name", `deny contains {"code": "x"} if data.signalbox.catalogue.models["a/b"].regoin == "eu"`, "regoin")
	f("a member of a price", `deny contains {"code": "x"} if data.signalbox.catalogue.models[input.request.model].price.inptu > 1`, "inptu")
	f("a member through a variable", `deny contains {"code": "x"} if {
	m := data.signalbox.catalogue.models[input.request.model]
	m.price.inptu > 1
}`, "inptu")
	f("a member in a loop", `obligations["targets"] := {n | some n, m in data.signalbox.catalogue.models; m.regoin == "eu"}`, "regoin")
	f("an alias as text", `deny contains {"code": "x"} if data.signalbox.catalogue.aliases[input.request.model] == "a/b"`, "match error")
	f("a number as text", `deny contains {"code": "x"} if data.signalbox.catalogue.models[input.request.model].region == 5`, "match error")
}

func TestBundleLeavesTheCatalogueAlone(t *testing.T) {
	f := func(name string, bundle files, want string) {
		t.Helper()
		_, err := Check(bundle.folder(t), Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "the host keeps its models there") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f("data", files{"data.json": `{"signalbox": {"catalogue": {}}}`}, "data.signalbox.catalogue")
	f("data of a folder", files{"signalbox/catalogue/models/data.json": `{"a/b": {}}`}, "data.signalbox.catalogue")
	f("package", files{"c.rego": "package signalbox.catalogue.models\n\nx := 1\n"}, "c.rego:1: package signalbox.catalogue.models")
	f("rule", files{"c.rego": "package signalbox\n\ncatalogue := {}\n"}, "c.rego:3: rule catalogue")
	f("part of a rule", files{"c.rego": "package signalbox\n\ncatalogue.models[x] := 1 if some x in [\"a\"]\n"}, "c.rego:3: rule catalogue")
	f("test", files{"c_test.rego": "package signalbox.catalogue\n\ntest_x if true\n"}, "package signalbox.catalogue")

	if _, err := Check(files{"data.json": `{"signalbox": 3}`}.folder(t), Options{}); err == nil || !strings.Contains(err.Error(), "data.signalbox must be an object") {
		t.Errorf("got %v", err)
	}
}

// TestProbesBringTheirOwnCatalogue, so that they hold whatever the host has,
// and in a check, which has none.
func TestProbesBringTheirOwnCatalogue(t *testing.T) {
	bundle := files{"u": dear, "probes.json": `[
		{"name": "cheap", "input": {"request": {"model": "a/b"}}, "catalogue": {"models": {"a/b": {"price": {"output": 5}}}}, "allow": true},
		{"name": "dear", "input": {"request": {"model": "a/b"}}, "catalogue": {"models": {"a/b": {"price": {"output": 5000000000}}}}, "allow": false, "codes": ["too_dear"]},
		{"name": "of the host", "input": {"request": {"model": "a/b"}}, "allow": true}]`}
	rep, err := Check(bundle.folder(t), Options{})
	if err != nil || rep.Probes != 3 {
		t.Fatalf("%d probes: %v", rep.Probes, err)
	}
	openWith(t, Options{Path: bundle.folder(t), Deadline: slack, Catalogue: sampleCatalogue})

	bundle["probes.json"] = `[{"name": "misspelt", "catalogue": {"models": {"a/b": {"regoin": "eu"}}}, "allow": true}]`
	if _, err := Check(bundle.folder(t), Options{}); err == nil || !strings.Contains(err.Error(), "regoin") {
		t.Errorf("got %v", err)
	}
}
