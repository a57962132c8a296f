package host_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/signalbox-ai/signalbox/"

// layers says what each package may import of this module. Imports run
// cmd → host → stages → call → sdk; stages never import each other: one that
// needs another declares a small interface, and host plugs it in. A package
// that is missing here may import nothing, so that a new one is placed on
// purpose. Tests may import more: they put stages together.
var layers = map[string]string{
	"cmd/signalbox": "host host/auth host/call host/config host/meter host/policy host/provider/jail host/route sdk/node sdk/provider/conform sdk/python",

	"host": "host/admin host/auth host/budget host/call host/config host/dispatch host/ledger host/meter " +
		"host/policy host/provider host/provider/depot host/route host/seal host/server host/spool host/store host/telemetry host/tenant sdk/provider/proto sdk/wire",
	"host/admin":     "host/call sdk/wire",
	"host/auth":      "host/call sdk/wire",
	"host/budget":    "host/call host/disk",
	"host/config":    "host/call",
	"host/dispatch":  "host/call sdk/provider/proto sdk/wire sdk/wire/scan",
	"host/ledger":    "host/call host/disk sdk/wire",
	"host/meter":     "host/call sdk/wire sdk/wire/scan",
	"host/policy":    "host/call policies sdk/wire sdk/wire/scan",
	"host/provider":  "host/call host/provider/depot host/provider/jail sdk/provider sdk/provider/egress sdk/provider/proto sdk/provider/proto/v1 sdk/wire",
	"host/route":     "host/call host/wasm host/wasm/record sdk/abi sdk/route sdk/wire sdk/wire/scan",
	"host/seal":      "",
	"host/server":    "host/call host/spool sdk/wire sdk/wire/scan",
	"host/store":     "host/call host/disk sdk/wire",
	"host/telemetry": "host/call sdk/wire",
	"host/tenant":    "host/call sdk/wire sdk/wire/scan",

	"host/call":           "sdk/wire sdk/wire/scan",
	"host/provider/depot": "",
	"host/provider/jail":  "",
	"host/disk":           "",
	"host/spool":          "",
	"host/e2e":            "",
	"host/wasm":           "host/wasm/fuel sdk/abi",
	"host/wasm/fuel":      "",
	"host/wasm/record":    "host/wasm sdk/abi",
	"host/wasm/wasmtest":  "",

	"sdk/abi":     "",
	"sdk/node":    "",
	"sdk/python":  "",
	"sdk/abi/gen": "sdk/abi",
	"sdk/provider": "sdk/provider/egress sdk/provider/internal/eventstream sdk/provider/internal/h1 sdk/provider/internal/jsonl sdk/provider/internal/local sdk/provider/internal/plug sdk/provider/internal/sse " +
		"sdk/provider/proto sdk/provider/proto/v1 sdk/wire sdk/wire/scan",
	"sdk/provider/egress":               "",
	"sdk/provider/internal/eventstream": "",
	"sdk/provider/internal/jsonl":       "",
	"sdk/provider/conform":              "sdk/provider/egress sdk/provider/proto sdk/provider/proto/v1 sdk/wire",
	"sdk/provider/internal/h1":          "sdk/provider/egress",
	"sdk/provider/internal/local":       "",
	"sdk/provider/internal/plug":        "sdk/provider/proto sdk/provider/proto/v1",
	"sdk/provider/internal/sse":         "",
	"sdk/provider/media":                "sdk/provider sdk/provider/proto sdk/wire",
	"sdk/provider/proto":                "sdk/wire",
	"sdk/provider/proto/v1":             "",
	"sdk/provider/providertest":         "sdk/provider sdk/provider/internal/local sdk/provider/proto sdk/wire",
	"sdk/route":                         "sdk/abi",
	"sdk/wire":                          "sdk/wire/internal/lex",
	"sdk/wire/internal/lex":             "",
	"sdk/wire/scan":                     "sdk/wire",

	"policies": "",

	"bench":          "bench/baseline bench/load bench/proc bench/report bench/upstream",
	"bench/baseline": "bench/proc",
	"bench/load":     "",
	"bench/proc":     "",
	"bench/report":   "",
	"bench/upstream": "",
}

// authored are the folders of what third parties could have written: they see
// the public SDK alone.
var authored = []string{"plugins/", "examples/"}

// forbidden are dependencies that a package must do without, with the reason.
var forbidden = []struct{ packages, imports, reason string }{
	{"sdk/wire", ".", "adapters of any kind build on it: the standard library is enough"},
	{"sdk/abi", ".", "it is compiled into WebAssembly guests: the standard library is enough"},
	{"sdk/route", ".", "it is compiled into WebAssembly guests: the standard library is enough"},
	{"host/call", ".", "every stage imports it: the standard library is enough"},
	{"host/auth", ".", "it guards the door: nothing of others runs between a key and its verdict"},
	{"", "github.com/stretchr/testify", "the standard testing package and go-cmp are enough"},
	{"", "database/sql", "the store speaks to SQLite directly: a row costs a third"},
	{"host/dispatch", "net/http", "a request costs four times as much through it"},
	{"host/server", "net/http", "a request costs four times as much through it"},
}

// unseen are modules that authors of adapters never see in the SDK's types.
var unseen = []string{"github.com/hashicorp/go-plugin", "google.golang.org/grpc"}

// pkg is a folder of Go files.
type pkg struct {
	imports map[string]bool // without those of tests
	doc     bool
	files   []*ast.File
}

// packages reads all folders of the module but hidden ones and test data.
func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	all := map[string]*pkg{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && file != ".." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules" || name == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Clean(filepath.ToSlash(strings.TrimPrefix(filepath.Dir(file), "../")))
		p := all[dir]
		if p == nil {
			p = &pkg{imports: map[string]bool{}}
			all[dir] = p
		}
		p.files = append(p.files, f)
		p.doc = p.doc || f.Doc != nil || ast.IsGenerated(f)
		for _, imp := range f.Imports {
			what, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			p.imports[what] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLayers(t *testing.T) {
	all := packages(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		allowed, placed := layers[name]
		own := isAuthored(name)
		if !placed && !own {
			t.Errorf("%s is not in the table of layers: place it there on purpose", name)
		}
		for imp := range all[name].imports {
			inner, ok := strings.CutPrefix(imp, module)
			switch {
			case !ok:
			case own && !strings.HasPrefix(inner, "sdk/"):
				t.Errorf("%s imports %s: what others could have written sees the public SDK alone", name, inner)
			case !own && !slices.Contains(strings.Fields(allowed), inner):
				t.Errorf("%s imports %s, which its layer does not allow: imports run cmd → host → stages → call → sdk, and stages never import each other", name, inner)
			}
		}
	}
	for name := range layers {
		if all[name] == nil {
			t.Errorf("the table of layers names %s, which does not exist", name)
		}
	}
}

func isAuthored(name string) bool {
	return slices.ContainsFunc(authored, func(folder string) bool { return strings.HasPrefix(name, folder) })
}

func TestForbiddenDependencies(t *testing.T) {
	for name, p := range packages(t) {
		for _, rule := range forbidden {
			if rule.packages != "" && name != rule.packages && !strings.HasPrefix(name, rule.packages+"/") {
				continue
			}
			for imp := range p.imports {
				if matches(imp, rule.imports) {
					t.Errorf("%s imports %s: %s", name, imp, rule.reason)
				}
			}
		}
	}
}

// matches reports whether imp lies under rule; "." is every foreign module.
func matches(imp, rule string) bool {
	if rule == "." {
		host, _, _ := strings.Cut(imp, "/")
		return strings.Contains(host, ".") && !strings.HasPrefix(imp, module)
	}
	return imp == rule || strings.HasPrefix(imp, rule+"/")
}

// TestProviderTypesAreFree looks at every exported declaration of the SDK that
// authors of adapters write against.
func TestProviderTypesAreFree(t *testing.T) {
	for _, f := range packages(t)["sdk/provider"].files {
		hidden := map[string]string{}
		for _, imp := range f.Imports {
			what, _ := strconv.Unquote(imp.Path.Value) // it has been parsed
			for _, u := range unseen {
				if matches(what, u) {
					hidden[localName(imp, what)] = what
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, typ := range exported(n) {
				ast.Inspect(typ, func(n ast.Node) bool {
					if sel, ok := n.(*ast.SelectorExpr); ok {
						if x, ok := sel.X.(*ast.Ident); ok && hidden[x.Name] != "" {
							t.Errorf("sdk/provider shows %s.%s of %s: authors must not depend on how the host and an adapter talk", x.Name, sel.Sel.Name, hidden[x.Name])
						}
					}
					return true
				})
			}
			return true
		})
	}
}

func localName(imp *ast.ImportSpec, what string) string {
	if imp.Name != nil {
		return imp.Name.Name
	}
	return strings.TrimPrefix(path.Base(what), "go-")
}

// exported returns the types that a declaration shows to importers.
func exported(n ast.Node) (types []ast.Node) {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if n.Name.IsExported() && (n.Recv == nil || receiver(n).IsExported()) {
			types = append(types, n.Type)
		}
	case *ast.TypeSpec:
		st, ok := n.Type.(*ast.StructType)
		switch {
		case !n.Name.IsExported():
		case !ok:
			types = append(types, n.Type)
		default:
			for _, field := range st.Fields.List {
				if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
					types = append(types, field.Type)
				}
			}
		}
	case *ast.ValueSpec:
		if slices.ContainsFunc(n.Names, (*ast.Ident).IsExported) && n.Type != nil {
			types = append(types, n.Type)
		}
	}
	return types
}

func receiver(f *ast.FuncDecl) *ast.Ident {
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id
	}
	return ast.NewIdent("_") // generic: not in this SDK
}

func TestEveryPackageIsExplained(t *testing.T) {
	for name, p := range packages(t) {
		if !p.doc {
			t.Errorf("%s has no package comment: say in a sentence what it is", name)
		}
	}
}

// TestNothingIsLeftOpen finds tests that are not run and work that is not done.
func TestNothingIsLeftOpen(t *testing.T) {
	marks := []string{"t.Sk" + "ip", "TO" + "DO", "FIX" + "ME"}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "bin" || strings.HasPrefix(d.Name(), "_")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, mark := range marks {
				if strings.Contains(line, mark) {
					t.Errorf("%s:%d: %s", strings.TrimPrefix(file, "../"), i+1, strings.TrimSpace(line))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
