package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const authorsPage = "../../docs/provider-authors.md"

var update = flag.Bool("update", false, "write the examples into docs/provider-authors.md")

// TestProviderAuthors plays the page for authors from top to bottom in an
// empty folder: sessions are run, the configuration is written.
func TestProviderAuthors(t *testing.T) {
	text, err := os.ReadFile(authorsPage)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	dir := t.TempDir()
	played := 0
	for _, block := range regexp.MustCompile("(?s)```(console|yaml)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if block[1] == "yaml" {
			if err := os.WriteFile(filepath.Join(dir, "signalbox.yaml"), []byte(block[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		playIn(t, dir, block[2])
		played++
	}
	if played < 2 {
		t.Errorf("the page has %d sessions; want at least 2", played)
	}
}

// TestProviderAuthorsShowsTheExamples compares the page's code with the files
// that it names, and its lists with the code's. With -update it writes them.
func TestProviderAuthorsShowsTheExamples(t *testing.T) {
	raw, err := os.ReadFile(authorsPage)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	shown := regexp.MustCompile("(?s)\\]\\(\\.\\./(examples/[^)]*)\\):\n\n```[a-z]+\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(shown) != 4 {
		t.Fatalf("the page shows %d examples; want 4", len(shown))
	}
	want := text
	for _, s := range shown {
		file, err := os.ReadFile(filepath.Join("../..", s[1]))
		if err != nil {
			t.Fatal(err)
		}
		want = strings.Replace(want, "\n"+s[2]+"```", "\n"+string(file)+"```", 1)
	}
	if *update {
		if err := os.WriteFile(authorsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != text {
		t.Error("the page's examples are not the files: run go test ./cmd/signalbox -run Authors -update")
	}
	for op := wire.OpChat; op < wire.NumOps; op++ {
		named(t, text, op.String())
	}
	for d := wire.OpenAIChat; d < wire.NumDialects; d++ {
		named(t, text, d.String())
	}
	for c := wire.ClassInvalid; c < wire.NumClasses; c++ {
		named(t, text, c.String())
	}
}

func named(t *testing.T, text, name string) {
	t.Helper()
	if !strings.Contains(text, "`"+name+"`") {
		t.Errorf("the page does not name %s", name)
	}
}

func TestProviderAuthorsLinksLead(t *testing.T) {
	text, err := os.ReadFile(authorsPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)(#[a-z]+)?\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join("../../docs", link[1])); err != nil {
			t.Errorf("the page links to %s, which is not there", link[1])
		}
	}
}
