package policy

import (
	"fmt"
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Catalogue is what the host knows of what can be asked for. Policies read it
// as data.signalbox.catalogue. A model that adapters take without listing it is
// in neither map.
type Catalogue struct {
	Models  map[string]CatalogueModel `json:"models"`  // by "provider/model"
	Aliases map[string][]string       `json:"aliases"` // the targets of each, names of Models, sorted
}

// CatalogueModel describes one model. All members but the price are always
// there; a model without a price has none that is known, which is never free.
type CatalogueModel struct {
	Provider  string          `json:"provider"`
	Model     string          `json:"model"`      // as the provider calls it
	Region    string          `json:"region"`     // "": unknown
	Tags      []string        `json:"tags"`       // sorted
	Context   int64           `json:"context"`    // tokens of prompt and answer together, 0: unknown
	MaxOutput int64           `json:"max_output"` // tokens of one answer, 0: unknown
	Price     *CataloguePrice `json:"price,omitempty"`
}

// CataloguePrice holds nano-dollars per million tokens. The long ones are those
// of prompts of more than LongFrom tokens; where that is 0 they are the same.
type CataloguePrice struct {
	Input      int64 `json:"input"`
	Output     int64 `json:"output"`
	LongFrom   int64 `json:"long_from"`
	LongInput  int64 `json:"long_input"`
	LongOutput int64 `json:"long_output"`
}

// PriceOf is p as policies see it.
func PriceOf(p *call.Price) *CataloguePrice {
	if p == nil {
		return nil
	}
	out := &CataloguePrice{Input: p.Input, Output: p.Output, LongInput: p.Input, LongOutput: p.Output}
	if p.Long != nil {
		out.LongFrom, out.LongInput, out.LongOutput = p.LongFrom, p.Long.Input, p.Long.Output
	}
	return out
}

var (
	catalogueRef = ast.MustParseRef("data.signalbox.catalogue")
	modelsRef    = ast.MustParseRef("data.signalbox.catalogue.models")
	aliasesRef   = ast.MustParseRef("data.signalbox.catalogue.aliases")
)

// catalogueTypes stands in for the catalogue while rules are type-checked, so
// that a misspelt member of a model is found whatever model it is read of, and
// without there being any.
var catalogueTypes = ast.MustParseModule(`package signalbox.catalogue

models[name] := {
	"provider": "", "model": "", "region": "", "tags": [tag | some tag in [""]], "context": 0, "max_output": 0,
	"price": {"input": 0, "output": 0, "long_from": 0, "long_input": 0, "long_output": 0},
} if some name in [""]

aliases[name] := [target | some target in [""]] if some name in [""]
`)

// typeCatalogue makes c check rules against catalogueTypes. A schema would not
// do: OPA leaves untyped what stands under names that no schema lists.
func typeCatalogue(c *ast.Compiler, schemas *ast.SchemaSet) error {
	types := ast.NewCompiler().WithCapabilities(capabilities()).WithSchemas(schemas)
	if types.Compile(map[string]*ast.Module{"catalogue": catalogueTypes.Copy()}); types.Failed() {
		return fmt.Errorf("cannot prepare the types of the catalogue: %w", types.Errors)
	}
	c.WithStageAfterID(ast.StageCheckRecursion, ast.CompilerStageDefinition{ // right before the types are checked
		Name: "TypeCatalogue", MetricName: "type_catalogue",
		Stage: func(c *ast.Compiler) *ast.Error {
			c.TypeEnv = types.TypeEnv
			return nil
		},
	})
	return nil
}

// withCatalogue is the bundle's data with the catalogue at its place, which the
// bundle must leave alone.
func (src *source) withCatalogue() (map[string]any, error) {
	for _, modules := range []map[string]*ast.Module{src.modules, src.tests} {
		for _, m := range modules {
			if err := leavesCatalogue(m); err != nil {
				return nil, err
			}
		}
	}
	own := signalboxData(src)
	if src.data["signalbox"] != nil && own == nil {
		return nil, fmt.Errorf("data.signalbox must be an object, got %T", src.data["signalbox"])
	}
	if _, taken := own["catalogue"]; taken {
		return nil, fmt.Errorf("the bundle's data has %s: %w", catalogueRef, errCatalogue)
	}
	data, signalbox := map[string]any{}, map[string]any{}
	maps.Copy(data, src.data)
	maps.Copy(signalbox, own)
	signalbox["catalogue"] = src.catalogue.document()
	data["signalbox"] = signalbox
	return data, nil
}

var errCatalogue = fmt.Errorf("the host keeps its models there; a bundle may only read it: use another name")

func leavesCatalogue(m *ast.Module) error {
	if m.Package.Path.HasPrefix(catalogueRef) {
		return fmt.Errorf("%s: package %s: %w", m.Package.Location, packageName(m), errCatalogue)
	}
	for _, r := range m.Rules {
		if r.Ref().ConstantPrefix().HasPrefix(catalogueRef) {
			return fmt.Errorf("%s: rule %s: %w", r.Location, ruleName(r), errCatalogue)
		}
	}
	return nil
}

// document holds no null.
func (c Catalogue) document() Catalogue {
	out := Catalogue{make(map[string]CatalogueModel, len(c.Models)), make(map[string][]string, len(c.Aliases))}
	for name, m := range c.Models {
		if m.Tags == nil {
			m.Tags = []string{}
		}
		out.Models[name] = m
	}
	for name, targets := range c.Aliases {
		if targets == nil {
			targets = []string{}
		}
		out.Aliases[name] = targets
	}
	return out
}
