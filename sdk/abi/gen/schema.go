package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strconv"
	"strings"
)

// schema is what package abi declares, in the order of its files.
type schema struct {
	structs []*structure
	groups  []*group
}

type structure struct {
	name   string
	doc    string
	size   int64
	fields []field
}

type field struct {
	name   string
	kind   string // uint16, uint32, int32, uint64, int64, float64, or a structure's name
	offset int64
	size   int64
	about  string
}

// group is one declaration of constants.
type group struct {
	doc       string
	constants []value
}

type value struct {
	name  string
	n     uint64
	about string
}

// load reads package abi from its folder.
func load(folder string) (*schema, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	config := types.Config{Sizes: types.SizesFor("gc", "wasm"), Importer: unsafeAlone{}}
	pkg, err := config.Check("abi", fset, files, nil)
	if err != nil {
		return nil, err
	}
	r := &reader{pkg: pkg, sizes: config.Sizes}
	for _, f := range files {
		for _, d := range f.Decls {
			if err := r.declaration(d); err != nil {
				return nil, err
			}
		}
	}
	return r.schema.ordered(), nil
}

// unsafeAlone is what a schema may import.
type unsafeAlone struct{}

func (unsafeAlone) Import(path string) (*types.Package, error) {
	if path != "unsafe" {
		return nil, fmt.Errorf("the schema may not import %q", path)
	}
	return types.Unsafe, nil
}

type reader struct {
	pkg    *types.Package
	sizes  types.Sizes
	schema schema
}

func (r *reader) declaration(d ast.Decl) error {
	decl, ok := d.(*ast.GenDecl)
	if !ok {
		return nil
	}
	switch decl.Tok {
	case token.CONST:
		return r.constants(decl)
	case token.TYPE:
		for _, spec := range decl.Specs {
			if err := r.structure(spec.(*ast.TypeSpec), decl.Doc.Text()); err != nil {
				return err
			}
		}
	}
	return nil
}

// constants reads one declaration; sizes of structures are not told: each
// language has its own way to ask for them.
func (r *reader) constants(decl *ast.GenDecl) error {
	g := &group{doc: decl.Doc.Text()}
	for _, spec := range decl.Specs {
		spec := spec.(*ast.ValueSpec)
		for _, name := range spec.Names {
			c := r.pkg.Scope().Lookup(name.Name).(*types.Const)
			if strings.HasSuffix(name.Name, "Size") {
				continue
			}
			n, exact := constant.Uint64Val(constant.ToInt(c.Val()))
			if !exact || n >= 1<<32 {
				return fmt.Errorf("constant %s is %s: it must fit an unsigned 32-bit number", name.Name, c.Val())
			}
			g.constants = append(g.constants, value{name: name.Name, n: n, about: line(spec.Comment.Text())})
		}
	}
	if len(g.constants) > 0 {
		r.schema.groups = append(r.schema.groups, g)
	}
	return nil
}

func (r *reader) structure(spec *ast.TypeSpec, doc string) error {
	layout, ok := r.pkg.Scope().Lookup(spec.Name.Name).Type().Underlying().(*types.Struct)
	if !ok {
		return fmt.Errorf("type %s is no struct", spec.Name.Name)
	}
	vars := make([]*types.Var, layout.NumFields())
	for i := range vars {
		vars[i] = layout.Field(i)
	}
	s := &structure{name: spec.Name.Name, doc: doc, size: r.sizes.Sizeof(layout)}
	for i, offset := range r.sizes.Offsetsof(vars) {
		f := field{name: vars[i].Name(), offset: offset, size: r.sizes.Sizeof(vars[i].Type()), kind: kindOf(vars[i].Type())}
		at, about, ok := strings.Cut(line(spec.Type.(*ast.StructType).Fields.List[i].Comment.Text()), ": ")
		if !ok || at != strconv.FormatInt(offset, 10) {
			return fmt.Errorf("%s.%s says %q: it must say %q and what it means", s.name, f.name, at, fmt.Sprintf("%d: ", offset))
		}
		f.about = about
		s.fields = append(s.fields, f)
	}
	if end := s.fields[len(s.fields)-1]; end.offset+end.size != s.size {
		return fmt.Errorf("%s ends in padding: reserve it", s.name)
	}
	r.schema.structs = append(r.schema.structs, s)
	return nil
}

func kindOf(t types.Type) string {
	if named, ok := t.(*types.Named); ok {
		return named.Obj().Name()
	}
	return t.String()
}

// ordered has each structure behind those that lie within it.
func (s *schema) ordered() *schema {
	out := &schema{groups: s.groups}
	var add func(v *structure)
	add = func(v *structure) {
		if v == nil || out.find(v.name) != nil {
			return
		}
		for _, f := range v.fields {
			add(s.find(f.kind))
		}
		out.structs = append(out.structs, v)
	}
	for _, v := range s.structs {
		add(v)
	}
	return out
}

// find returns the structure called name.
func (s *schema) find(name string) *structure {
	for _, v := range s.structs {
		if v.name == name {
			return v
		}
	}
	return nil
}

// constant reports whether there is a constant called name.
func (s *schema) constant(name string) bool {
	for _, g := range s.groups {
		for _, c := range g.constants {
			if c.name == name {
				return true
			}
		}
	}
	return false
}

// line is a comment's text in one line.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }
