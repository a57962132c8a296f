package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestRustLayoutIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../rust/src/layout.rs")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Layout()) {
		t.Error("sdk/rust/src/layout.rs is not what package abi says; run `go generate ./sdk/abi` and rebuild the modules")
	}
}

// schema parses package abi.
func schema(t *testing.T) []*ast.File {
	t.Helper()
	names, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			files = append(files, f)
		}
	}
	return files
}

// TestCommentsSayOffsets holds each field's comment to where the field is.
func TestCommentsSayOffsets(t *testing.T) {
	byName := map[string]reflect.Type{}
	for _, v := range structs {
		byName[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
	for _, f := range schema(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			layout := byName[spec.Name.Name]
			if layout == nil {
				t.Fatalf("struct %s is not generated", spec.Name.Name)
			}
			for i, field := range spec.Type.(*ast.StructType).Fields.List {
				said, _, _ := strings.Cut(field.Comment.Text(), ":")
				if got := layout.Field(i); said != strconv.Itoa(int(got.Offset)) || field.Names[0].Name != got.Name {
					t.Errorf("%s.%s is said to be at %q; it is at %d", spec.Name.Name, field.Names[0].Name, said, got.Offset)
				}
			}
			delete(byName, spec.Name.Name)
			return false
		})
	}
	if len(byName) > 0 {
		t.Errorf("structs %v are not in the schema", byName)
	}
}

// TestAllConstantsAreGenerated finds those that the list has forgotten.
func TestAllConstantsAreGenerated(t *testing.T) {
	known := map[string]bool{"MAJOR": true, "MINOR": true, "VERSION": true} // within ABI
	for _, c := range constants {
		known[c.name] = true
	}
	for _, f := range schema(t) {
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				continue
			}
			for _, spec := range decl.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if rust := strings.ToUpper(snake(name.Name)); !known[rust] && !strings.HasSuffix(rust, "_SIZE") {
						t.Errorf("constant %s is not generated", name.Name)
					}
				}
			}
		}
	}
}
