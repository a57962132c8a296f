package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

// TestGeneratedFilesAreCurrent finds files that package abi has left behind.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	files, err := outputs(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what package abi says: go generate ./sdk/abi, then sdk/build.sh build", name)
		}
	}
}

func TestNames(t *testing.T) {
	f := func(name, snaked, camelled string) {
		t.Helper()
		if snake(name) != snaked || camel(name) != camelled {
			t.Errorf("%s is %s and %s; want %s and %s", name, snake(name), camel(name), snaked, camelled)
		}
	}
	f("ID", "id", "id")
	f("NowMS", "now_ms", "nowMs")
	f("TTFTMS", "ttft_ms", "ttftMs")
	f("RetryAfterMS", "retry_after_ms", "retryAfterMs")
	f("InTokens", "in_tokens", "inTokens")
	f("MagicRequest", "magic_request", "magicRequest")
}

// TestBadSchemas: what cannot be told to all languages is refused.
func TestBadSchemas(t *testing.T) {
	f := func(want, source string) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "abi.go"), []byte("package abi\n"+source), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := load(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", source, err, want)
		}
	}
	f("must fit an unsigned 32-bit number", "const Big = 1 << 32")
	f("must fit an unsigned 32-bit number", "const Less = -1")
	f("is no struct", "type Name string")
	f(`it must say "4: "`, "type T struct {\n\tA uint32 // 0: first\n\tB uint32 // 8: second\n}")
	f(`it must say "0: "`, "type T struct {\n\tA uint32\n}")
	f("ends in padding", "type T struct {\n\tA uint64 // 0: first\n\tB uint32 // 8: second\n}")
	f("undefined", "const A = B")
}

func TestBadPages(t *testing.T) {
	s := &schema{structs: []*structure{{name: "T", fields: []field{{name: "A", kind: "uint32", size: 4, about: "Flag… | first"}}}}}
	f := func(want, text string) {
		t.Helper()
		if _, err := page(s, []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v; want %q", text, err, want)
		}
	}
	f("T is not shown", "text")
	f("nothing is called U", "<!-- abi: U -->\n<!-- end -->")
	f("shown twice", "<!-- abi: T -->\n<!-- end -->\n<!-- abi: T -->\n<!-- end -->")
	f("it has no", "<!-- abi: T -->\n")
	got, err := page(s, []byte("before\n<!-- abi: T -->\nold\n<!-- end -->\nbehind"))
	if err != nil || !strings.Contains(string(got), "| 0 | 4 | uint32 | `a` | `FLAG_…` \\| first |\n\n<!-- end -->\nbehind") || strings.Contains(string(got), "old") {
		t.Errorf("got %s, %v", got, err)
	}
}
