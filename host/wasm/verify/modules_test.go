package verify

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

const root = "../../../"

// committed are the modules that lie in the repository, by kind.
func committed(t *testing.T) map[string]module.Kind {
	t.Helper()
	out := map[string]module.Kind{}
	for pattern, kind := range map[string]module.Kind{
		"plugins/routes/*/*.wasm": module.Route, "plugins/filters/*/*.wasm": module.Filter,
		"examples/routes/*/*.wasm": module.Route, "examples/routes/*/*/*.wasm": module.Route,
		"examples/filters/*/*.wasm": module.Filter, "examples/filters/*/*/*.wasm": module.Filter,
	} {
		files, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			out[file] = kind
		}
	}
	if len(out) == 0 {
		t.Fatal("no module found")
	}
	return out
}

// configs are what modules that do nothing without are configured with: it
// lies beside them as <name>.config.json.
func configOf(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(strings.TrimSuffix(file, ".wasm") + ".config.json")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return b
}

func mustPass(t *testing.T, code []byte, o Options) {
	t.Helper()
	r, err := Verify(code, o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	r.Print(&b)
	if r.Count(Failed)+r.Count(LeftOut) > 0 {
		t.Errorf("%s", b.String())
	} else {
		t.Log(b.String())
	}
}

// TestCommitted: every module of the repository conforms.
func TestCommitted(t *testing.T) {
	for file, kind := range committed(t) {
		t.Run(strings.TrimPrefix(file, root), func(t *testing.T) {
			t.Parallel()
			code, manifest, err := wasm.Open(file, kind, trust.Keys{})
			if err != nil {
				t.Fatal(err)
			}
			mustPass(t, code, Options{Kind: kind, Name: filepath.Base(filepath.Dir(file)), Manifest: manifest, Config: configOf(t, file), Quick: true})
		})
	}
}

// TestGo: so does a guest that Go's compiler makes.
func TestGo(t *testing.T) {
	mustPass(t, wasmtest.BuildGo(t, root+"examples/routes/cheapest"), Options{Kind: module.Route, Quick: true})
}

var long = flag.Bool("long", false, "ask ten million times")

// TestLong decides many times over without growth: two hundred thousand times,
// or ten million with -long.
func TestLong(t *testing.T) {
	calls := 200_000
	if *long {
		calls = 10_000_000
	}
	file := root + "plugins/routes/priority/priority.wasm"
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mustPass(t, code, Options{Kind: module.Route, Quick: true, Calls: calls, Config: configOf(t, file)})
}

// TestAllocating: a Go guest that allocates at every decision stays as large as
// it soon is, within the memory that Go guests have; with -long, over a million
// decisions.
func TestAllocating(t *testing.T) {
	calls := quickCalls
	if *long {
		calls = longCalls
	}
	mustPass(t, wasmtest.BuildGo(t, root+"host/route/testdata/hungry"), Options{Kind: module.Route, Quick: !*long, Calls: calls})
}
