package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPipelinesOfAFolder: one a file, called like it, beside those of the
// configuration; what is wrong with any names it.
func TestPipelinesOfAFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const base = "providers: {demo: {adapter: demo}}\npipelines_dir: pipes\n"
	file := write("signalbox.yaml", base+"pipelines: {here: {steps: [{name: a, model: m}]}}\n")
	one := write("pipes/one.yaml", "budget: 0.5\ndeadline: 3s\nsteps: [{name: a, model: m, with: {prompt: x}}]\n")
	write("pipes/.hidden.yaml", "x: [\n")
	write("pipes/notes.txt", "x")
	c, err := Load(Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Pipelines["one"]; len(c.Pipelines) != 2 || p.Budget != 0.5 || p.Deadline.String() != "3s" || p.Steps[0].With["prompt"] != "x" {
		t.Errorf("the pipelines are %+v", c.Pipelines)
	}
	if pipes := filepath.Join(dir, "pipes"); !slices.Contains(c.Files, pipes) || !slices.Contains(c.Files, one) {
		t.Errorf("what is watched is %q", c.Files)
	}
	w, err := Watch(file)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Follow(c.Files...); err != nil {
		t.Fatal(err)
	}
	write("pipes/here.yaml", "steps: []\n") // a new one is seen
	<-w.C
	write("pipes/bad.yaml", "stepz: []\n")
	write("pipes/broken.yaml", "steps: [\n")
	_, err = Load(Sources{File: file})
	for _, want := range []string{"pipelines.here: is there twice", `pipelines.bad.stepz: unknown key "stepz", did you mean "steps"?`, "pipelines.broken: ", "broken.yaml: yaml:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	write("signalbox.yaml", strings.Replace(base, "pipes", "nowhere", 1))
	if _, err = Load(Sources{File: file}); err == nil || !strings.Contains(err.Error(), "pipelines_dir: open ") {
		t.Errorf("a folder that is not there: %v", err)
	}
}
