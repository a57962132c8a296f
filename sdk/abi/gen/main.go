// Gen writes what other languages and readers know of package abi: the layouts
// of the Rust, AssemblyScript and C SDKs, and the tables of the authors' page.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen ROOT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run brings all outputs below root up to date.
func run(root string) error {
	files, err := outputs(root)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// outputs are all generated files as they should be, by their paths below root.
// Some are generated in parts: the rest is taken from where they are.
func outputs(root string) (map[string][]byte, error) {
	s, err := load(filepath.Join(root, "sdk", "abi"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"sdk/rust/src/layout.rs":       rust(s),
		"sdk/assemblyscript/layout.ts": assemblyScript(s),
	}
	for name, fill := range map[string]func(*schema, []byte) ([]byte, error){
		"sdk/c/signalbox.h":       header,
		"docs/routing-authors.md": page,
	} {
		old, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		if files[name], err = fill(s, old); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return files, nil
}

// between returns text with what lies between two marks replaced.
func between(text []byte, from, to string, part []byte) ([]byte, error) {
	start := bytes.Index(text, []byte(from))
	if start < 0 {
		return nil, fmt.Errorf("it has no %q", from)
	}
	start += len(from)
	n := bytes.Index(text[start:], []byte(to))
	if n < 0 {
		return nil, fmt.Errorf("it has no %q behind %q", to, from)
	}
	return bytes.Join([][]byte{text[:start], part, text[start+n:]}, nil), nil
}
