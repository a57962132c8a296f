package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/module"
)

var update = flag.Bool("update", false, "write the examples into the pages that show them")

// page is one of the documents.
type page struct{ path, text string }

func open(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return page{path, string(text)}
}

// play runs the page from top to bottom in an empty folder: sessions are run,
// configurations written, manifests parsed.
func (p page) play(t *testing.T, sessions int) {
	t.Helper()
	t.Parallel()
	dir, played := t.TempDir(), 0
	for _, block := range regexp.MustCompile("(?s)```(console|yaml|json)\n(.*?)```").FindAllStringSubmatch(p.text, -1) {
		switch block[1] {
		case "yaml":
			if err := os.WriteFile(filepath.Join(dir, "signalbox.yaml"), []byte(block[2]), 0o600); err != nil {
				t.Fatal(err)
			}
		case "json":
			if _, err := module.Parse([]byte(block[2])); err != nil {
				t.Error(err)
			}
		default:
			playIn(t, dir, block[2])
			played++
		}
	}
	if played != sessions {
		t.Errorf("%s has %d sessions; want %d", p.path, played, sessions)
	}
}

// shows compares the page's code with the files that it names; with -update it
// writes the code.
func (p page) shows(t *testing.T, examples int) {
	t.Helper()
	shown := regexp.MustCompile("(?s)\\]\\(\\.\\./(examples/[^)]*)\\):\n\n```[a-z]+\n(.*?)```").FindAllStringSubmatch(p.text, -1)
	if len(shown) != examples {
		t.Fatalf("%s shows %d examples; want %d", p.path, len(shown), examples)
	}
	want := p.text
	for _, s := range shown {
		file, err := os.ReadFile(filepath.Join("../..", s[1]))
		if err != nil {
			t.Fatal(err)
		}
		want = strings.Replace(want, "\n"+s[2]+"```", "\n"+string(file)+"```", 1)
	}
	if *update {
		if err := os.WriteFile(p.path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != p.text {
		t.Errorf("the examples of %s are not the files: run go test ./cmd/signalbox -run Authors -update", p.path)
	}
}

// names checks that the page says each of the words.
func (p page) names(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(p.text, "`"+word+"`") {
			t.Errorf("%s does not name %s", p.path, word)
		}
	}
}

// TestLinksLead follows what the documents refer to.
func TestLinksLead(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("there are %d documents: %v", len(pages), err)
	}
	more, err := filepath.Glob("../../plugins/*/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(append(pages, more...), "../../README.md", "../../plugins/routes/README.md", "../../plugins/filters/README.md") {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)(#[a-z-]+)?\)`).FindAllStringSubmatch(open(t, path).text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), link[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", path, link[1])
			}
		}
	}
}

// TestPagesAreFound looks for pages that nothing leads to.
func TestPagesAreFound(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("there are %d documents: %v", len(pages), err)
	}
	linked := map[string]bool{}
	for _, path := range append(pages, "../../README.md") {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)(#[a-z-]+)?\)`).FindAllStringSubmatch(open(t, path).text, -1) {
			if to := filepath.Join(filepath.Dir(path), link[1]); to != filepath.Clean(path) {
				linked[to] = true
			}
		}
	}
	for _, path := range pages {
		if !linked[filepath.Clean(path)] {
			t.Errorf("no page leads to %s", path)
		}
	}
}
