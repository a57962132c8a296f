package filter

import (
	"bytes"
	"errors"
	"regexp"
	"regexp/syntax"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// checker is a schema, compiled. Schemas may be anybody's, and a small one can
// double the work at each level of an answer: what a check may cost is bounded.
type checker struct {
	schema *jsonschema.Schema
	names  map[string]bool // all that the schema names

	mu    sync.Mutex // one check at a time
	steps int        // left of it
}

// maxSteps is how many parts of a schema are applied in one check.
const maxSteps = 50_000

var errSteps = errors.New("to check it against the schema takes too long")

// check validates value.
func (c *checker) check(value any) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		switch p := recover(); p {
		case nil:
		case errSteps:
			err = errSteps
		default:
			err = errors.New("the schema cannot be applied to it")
		}
	}()
	c.steps = maxSteps
	return c.schema.Validate(value)
}

// part of a schema, and how many steps it costs.
type part struct {
	checks *checker
	cost   int
}

// enumStep is how many values of an enum are compared in a step.
const enumStep = 16

func (c *checker) part(schema map[string]any) *part {
	enum, _ := schema["enum"].([]any)
	return &part{c, 1 + len(enum)/enumStep}
}

// Validate implements jsonschema.SchemaExt: it is asked wherever a part of the
// schema is applied.
func (p *part) Validate(*jsonschema.ValidatorContext, any) {
	if p.checks.steps -= p.cost; p.checks.steps < 0 {
		panic(errSteps)
	}
}

// maxProgram bounds the instructions of a pattern: each may be tried at every
// character.
const maxProgram = 500

// bounded compiles a pattern of a schema.
func bounded(source string) (jsonschema.Regexp, error) {
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(program.Inst) > maxProgram {
		return nil, errors.New("the pattern is too large")
	}
	return regexp.Compile(source)
}

// nowhere loads no schema: what a schema refers to, it holds.
type nowhere struct{}

func (nowhere) Load(string) (any, error) {
	return nil, errors.New("it refers to another document")
}

// compileSchema compiles a schema.
func compileSchema(raw []byte) (checks *checker, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it cannot be compiled")
		}
	}()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("it is no JSON")
	}
	google(doc)
	checks = &checker{names: map[string]bool{}}
	checks.name(doc)
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.UseRegexpEngine(bounded)
	c.RegisterVocabulary(&jsonschema.Vocabulary{URL: "schema:steps", Compile: func(_ *jsonschema.CompilerContext, schema map[string]any) (jsonschema.SchemaExt, error) {
		return checks.part(schema), nil
	}})
	c.AssertVocabs()
	if err := c.AddResource("schema:request", doc); err != nil {
		return nil, errors.New("it cannot be read")
	}
	if checks.schema, err = c.Compile("schema:request"); err != nil {
		return nil, errors.New("it is not valid")
	}
	return checks, nil
}

// name keeps the names of members in a schema.
func (c *checker) name(node any) {
	switch n := node.(type) {
	case []any:
		for _, v := range n {
			c.name(v)
		}
	case map[string]any:
		for k, v := range n {
			c.names[k] = true
			c.name(v)
		}
	}
}
