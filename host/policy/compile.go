package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/signalbox-ai/signalbox/policies"
)

// compiled is a bundle ready to be evaluated: rules, data, and one read
// transaction that stays open as long as the snapshot, for nothing ever writes.
type compiled struct {
	compiler *ast.Compiler
	store    storage.Store
	txn      storage.Transaction
}

// open loads a bundle's data and the catalogue.
func open(src *source) (*compiled, error) {
	if err := checkData(src); err != nil {
		return nil, err
	}
	data, err := src.withCatalogue()
	if err != nil {
		return nil, err
	}
	var b breaks
	for name, v := range data {
		if data[name], err = b.term(v); err != nil {
			return nil, fmt.Errorf("cannot convert the bundle's data: %w", err)
		}
	}
	// Values read stay OPA terms: without the option each read converts them.
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
	txn, err := store.NewTransaction(context.Background())
	if err != nil {
		return nil, fmt.Errorf("cannot open the bundle's data: %w", err)
	}
	return &compiled{store: store, txn: txn}, nil
}

func compile(src *source) (*compiled, error) {
	b, err := open(src)
	if err != nil {
		return nil, err
	}
	if b.compiler, err = b.newCompiler(src); err != nil {
		return nil, err
	}
	return b, compileWith(b.compiler, copyModules(src.modules))
}

// compileWith has c compile modules, which are c's from then on.
func compileWith(c *ast.Compiler, modules map[string]*ast.Module) error {
	failed, err := bounded(func() bool { c.Compile(modules); return c.Failed() })
	if failed {
		return fmt.Errorf("cannot compile: %w", c.Errors)
	}
	return err
}

// newCompiler returns a compiler with everything on that finds mistakes.
func (b *compiled) newCompiler(src *source) (*ast.Compiler, error) {
	schemas, err := schemaSet(src)
	if err != nil {
		return nil, err
	}
	c := ast.NewCompiler().WithStrict(true).WithCapabilities(capabilities()).
		WithSchemas(schemas).WithUseTypeCheckAnnotations(true).
		WithPathConflictsCheck(storage.NonEmpty(context.Background(), b.store, b.txn))
	return c, typeCatalogue(c, schemas)
}

// copyModules keeps the parsed modules as they were: the compiler rewrites its own.
func copyModules(modules map[string]*ast.Module) map[string]*ast.Module {
	out := make(map[string]*ast.Module, len(modules))
	for name, m := range modules {
		out[name] = m.Copy()
	}
	return out
}

// schemaSet types the input for every rule, and offers the bundle's schemas to
// annotations as schema.NAME.
func schemaSet(src *source) (*ast.SchemaSet, error) {
	set := ast.NewSchemaSet()
	for name, body := range src.schemas {
		var schema any
		if err := json.Unmarshal(body, &schema); err != nil {
			return nil, fmt.Errorf("cannot read schemas/%s.json: %w", name, err)
		}
		set.Put(ast.SchemaRootRef.Append(ast.StringTerm(name)), schema)
	}
	var input any
	if err := json.Unmarshal(policies.InputSchema, &input); err != nil {
		return nil, fmt.Errorf("BUG: the input schema is not JSON: %w", err)
	}
	set.Put(ast.SchemaRootRef, input)
	if _, own := src.schemas["input"]; !own { // opa build leaves a bundle's schemas out
		set.Put(ast.SchemaRootRef.Append(ast.StringTerm("input")), input)
	}
	return set, nil
}

// checkData holds the data against schemas/data.json, if the bundle has one.
func checkData(src *source) error {
	body, ok := src.schemas["data"]
	if !ok || src.parts != nil { // of several bundles each has been checked
		return nil
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		return fmt.Errorf("cannot read schemas/data.json: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // nothing is fetched
	if err := c.AddResource("data.json", doc); err != nil {
		return fmt.Errorf("cannot read schemas/data.json: %w", err)
	}
	schema, err := c.Compile("data.json")
	if err != nil {
		return fmt.Errorf("cannot read schemas/data.json: %w", err)
	}
	if err := schema.Validate(map[string]any(src.data)); err != nil {
		return fmt.Errorf("the data does not match schemas/data.json: %w", err)
	}
	return nil
}
