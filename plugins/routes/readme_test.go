package routes_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// home is a folder with the modules where a binary looks for shipped ones.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	routes := filepath.Join(dir, "plugins", "routes")
	if err := os.MkdirAll(routes, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range shipped(t) {
		for _, ext := range []string{".wasm", ".json"} {
			from, err := filepath.Abs(filepath.Join(name, name+ext))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(from, filepath.Join(routes, name+ext)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestReadmes loads each module as its README configures it, and lets it decide.
func TestReadmes(t *testing.T) {
	dir := home(t)
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range shipped(t) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(name, "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			block := yamlBlock.FindSubmatch(text)
			if block == nil || !strings.Contains(string(text), "**Not for**") || !strings.Contains(string(index), fmt.Sprintf("[%s](%s)", name, name)) {
				t.Fatal("its README lacks an example, or when not to use it, or it is not in the list")
			}
			file := filepath.Join(t.TempDir(), "signalbox.yaml")
			if err := os.WriteFile(file, block[1], 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(config.Sources{File: file, Home: dir, Env: []string{"OPENAI_API_KEY=sk-test"}})
			if err != nil {
				t.Fatal(err)
			}
			decides(t, name, cfg)
		})
	}
}

// decides asks the route of the model "smart" as the configuration has it.
func decides(t *testing.T, name string, cfg *config.Config) {
	t.Helper()
	model := cfg.Models["smart"]
	spec, ok := cfg.Routes[model.Route]
	if !ok || filepath.Base(spec.File) != name+".wasm" {
		t.Fatalf("the model's route is %q at %q", model.Route, spec.File)
	}
	var tags []string
	c := request(7)
	for i, target := range model.Targets {
		p := place{name: target.Model, weight: target.Weight, priority: *target.Priority, quality: target.Quality, most: target.MaxInFlight,
			region: target.Region, in: int64(i+1) * 100, out: int64(i+1) * 400}
		for _, tag := range target.Tags {
			if !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
			p.tags |= 1 << slices.Index(tags, tag)
		}
		c.Candidates = append(c.Candidates, call.Candidate{Target: p.target()})
	}
	src := lane.Source{Tags: strings.Join(tags, "\n")}
	var err error
	if src.Code, err = os.ReadFile(spec.File); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(strings.TrimSuffix(spec.File, ".wasm") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if src.Manifest, err = module.Parse(manifest); err != nil {
		t.Fatal(err)
	}
	if len(spec.Config) > 0 {
		if src.Config, err = json.Marshal(map[string]any(spec.Config)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := route.New(route.Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	v, err := r.Compile(model.Route, src)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	r.Put(model.Route, lane.Lanes{Active: v})
	if got := order(t, r.Handle(model.Route), c); len(got) == 0 || len(c.Plan.Reason()) == 0 && name != "priority" {
		t.Errorf("got %v, %q", got, c.Plan.Reason())
	}
}
