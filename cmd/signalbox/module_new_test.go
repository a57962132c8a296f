package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/guests"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// newModule writes a module into an empty folder, builds and returns it.
func newModule(t *testing.T, kind module.Kind, lang string) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mine")
	x, err := moduleNew(kind, "mine", lang, dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := "signalbox " + string(kind) + " verify " + filepath.Join(dir, "mine.wasm"); !slices.Contains(x.Next, want) {
		t.Errorf("what is next is %q; want %q", x.Next, want)
	}
	if lang == "as" { // as npm ci would, of the same lock
		compiler, err := filepath.Abs("../../sdk/assemblyscript/node_modules")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(compiler, filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
		checkLock(t, dir)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(dir, "build.sh")).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "mine.json"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := module.Parse(text); err != nil || m.Kind != kind || m.Name != "mine" {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
	code, err := os.ReadFile(filepath.Join(dir, "mine.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// checkLock holds package-lock.json to package.json: npm ci refuses others.
func checkLock(t *testing.T, dir string) {
	t.Helper()
	type needs struct {
		Name            string
		DevDependencies map[string]string
	}
	read := func(name string, v any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(text, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var p needs
	var lock struct {
		Name     string
		Packages map[string]needs
	}
	read("package.json", &p)
	read("package-lock.json", &lock)
	if root := lock.Packages[""]; lock.Name != p.Name || root.Name != p.Name || !maps.Equal(root.DevDependencies, p.DevDependencies) || len(p.DevDependencies) != 1 {
		t.Errorf("package.json says %+v, its lock %s and %+v", p, lock.Name, root)
	}
}

// TestNewRoutes: a new route of each language loads, and all plan the same.
func TestNewRoutes(t *testing.T) {
	requests := guests.Requests(11, 200)
	var want [][]byte
	for _, lang := range slices.Sorted(maps.Keys(moduleLanguages)) {
		t.Run(lang, func(t *testing.T) {
			g := guests.Load(t, module.Route, newModule(t, module.Route, lang))
			for i, r := range requests {
				got, err := g.Call(nil, r)
				if err != nil || len(got) < abi.PlanSize+abi.AttemptSize {
					t.Fatalf("request %d: got %x, %v", i, got, err)
				}
				if len(want) <= i {
					want = append(want, got)
				}
				if !bytes.Equal(got, want[i]) {
					t.Fatalf("request %d: got  %x\nwant %x", i, got, want[i])
				}
			}
		})
	}
}

// TestNewFilters: a new filter of each language loads and does the same.
func TestNewFilters(t *testing.T) {
	for _, lang := range slices.Sorted(maps.Keys(moduleLanguages)) {
		t.Run(lang, func(t *testing.T) {
			g := guests.Load(t, module.Filter, newModule(t, module.Filter, lang))
			f := func(text string, action uint32, output string) {
				t.Helper()
				w := &record.Window{Text: []byte(text)}
				answer, err := g.Call(nil, guests.Window(*w))
				if err != nil {
					t.Fatal(err)
				}
				if v, err := record.ReadVerdict(answer, w); err != nil || v.Action != action || v.Consumed != len(text) || string(v.Output) != output {
					t.Errorf("%q: got %+v, %v", text, v, err)
				}
			}
			f("call 555-1234", abi.ActionReplace, "call ###-####")
			f("call ï", abi.ActionPass, "")
		})
	}
}

func TestModuleNewRefuses(t *testing.T) {
	dir := t.TempDir()
	f := func(want, name, lang, to string) {
		t.Helper()
		if _, err := moduleNew(module.Route, name, lang, to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s in %s: got %v; want %q", name, lang, err, want)
		}
	}
	f("cannot write a module in", "mine", "cobol", filepath.Join(dir, "a"))
	f("cannot name a module", "Mine", "c", filepath.Join(dir, "b"))
	f("exists", "mine", "c", dir)
}
