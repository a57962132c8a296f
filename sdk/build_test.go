// Package sdk is a folder of SDKs; its tests look at what is built with them.
package sdk

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestModulesAreWhatTheirSourcesMake builds every committed module anew. The
// compilers that it takes are installed by .ci/needs.
func TestModulesAreWhatTheirSourcesMake(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "./build.sh", "check").CombinedOutput(); err != nil {
		t.Errorf("sdk/build.sh check: %v\n%s", err, out)
	}
}

// TestModulesHaveSums: what lacks its .sha256 would not be looked at.
func TestModulesHaveSums(t *testing.T) {
	modules := 0
	for _, folder := range []string{"../plugins", "../examples", "../host"} {
		err := filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Name() == "node_modules" {
				return fs.SkipDir
			}
			if strings.HasSuffix(file, ".wasm") {
				modules++
				if _, err := os.Stat(file + ".sha256"); err != nil {
					t.Errorf("%s has no sum beside it: sdk/build.sh build %s", file, filepath.Dir(file))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if modules < 7 {
		t.Errorf("found %d modules; want priority and the samples at least", modules)
	}
}

// TestBuild builds a module elsewhere, and finds one whose source has changed,
// one without a source and one that does not compile.
func TestBuild(t *testing.T) {
	f := func(name, source string, change func(text string) string) {
		t.Helper()
		folder := filepath.Join(t.TempDir(), strings.TrimSuffix(name, filepath.Ext(name)))
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		run := func(mode, text, want string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "./build.sh", mode, folder).CombinedOutput()
			if (err == nil) != (want == "is what its source makes" || want == " bytes") || !strings.Contains(string(out), want) {
				t.Errorf("%s %s: %v\n%s", mode, name, err, out)
			}
		}
		run("build", string(text), " bytes")
		run("check", string(text), "is what its source makes")
		run("check", change(string(text)), "is not what its source makes")
		run("build", "this is no source", "")
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "./build.sh", "check", folder).CombinedOutput(); err == nil || !strings.Contains(string(out), "has no source") {
			t.Errorf("check without a source: %v\n%s", err, out)
		}
	}
	cheaper := func(text string) string { return strings.Replace(text, "cheapest first", "dearest first", 1) }
	f("cheapest.rs", "../examples/routes/cheapest/rust/cheapest.rs", cheaper)
	f("cheapest.c", "../examples/routes/cheapest/c/cheapest.c", cheaper)
	f("cheapest.ts", "../examples/routes/cheapest/as/cheapest.ts", cheaper)
}
