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
	"cmd/signalbox": "bench/load cmd/signalbox/migrate host host/audit host/auth host/bill host/call host/config host/filter host/trust host/wasm host/wasm/verify host/meter host/policy host/provider/jail host/route sdk/assemblyscript sdk/c sdk/module sdk/node sdk/provider/conform sdk/python sdk/rust sdk/wire/scan",

	"cmd/signalbox/migrate": "",

	"host": "host/access host/admin host/alert host/audit host/auth host/batch host/budget host/cache host/call host/config host/content host/dashboard host/decision host/directory host/disk host/dispatch host/feature host/filter host/gather host/hint host/jwt host/lane host/ledger host/limit host/live host/logfile host/mcp host/meter host/objective host/openapi host/otlp " +
		"host/pipeline host/policy host/policy/control host/policy/trail host/provider host/provider/depot host/queue host/redis host/release host/route host/rule host/seal host/server host/share host/spool host/store host/store/postgres host/store/report host/store/sqlite host/telemetry host/tenant host/trace host/trust host/wasm sdk/abi sdk/module sdk/provider/egress sdk/provider/proto sdk/route sdk/wire sdk/wire/scan sdk/wire/text",
	"host/admin":           "host/call host/store sdk/wire",
	"host/alert":           "host/call sdk/provider/egress",
	"host/audit":           "host/call",
	"host/mcp":             "host/call sdk/provider/egress sdk/wire",
	"host/bill":            "",
	"host/auth":            "host/call sdk/wire",
	"host/batch":           "host/call host/store sdk/wire",
	"host/budget":          "host/call host/disk",
	"host/cache":           "host/call sdk/wire",
	"host/config":          "host/call sdk/wire",
	"host/dashboard":       "",
	"host/decision":        "host/call host/wasm sdk/abi sdk/wire",
	"host/directory":       "host/call",
	"host/dispatch":        "host/call sdk/provider/proto sdk/wire sdk/wire/scan",
	"host/feature":         "host/call sdk/abi sdk/wire sdk/wire/text",
	"host/gather":          "",
	"host/hint":            "host/call sdk/wire sdk/wire/scan",
	"host/jwt":             "host/call sdk/wire",
	"host/ledger":          "host/call host/disk sdk/wire",
	"host/live":            "host/call sdk/wire",
	"host/limit":           "host/call",
	"host/limit/redistest": "host/door",
	"host/meter":           "host/call sdk/wire sdk/wire/scan",
	"host/objective":       "sdk/wire",
	"host/pipeline":        "host/call sdk/wire sdk/wire/text",
	"host/policy":          "host/call policies sdk/wire sdk/wire/scan",
	"host/policy/control":  "host/policy",
	"host/policy/opatest":  "",
	"host/policy/trail":    "host/call host/logfile host/policy sdk/wire",
	"host/provider":        "host/call host/provider/depot host/provider/jail host/trust sdk/provider sdk/provider/egress sdk/provider/proto sdk/provider/proto/v1 sdk/wire",
	"host/openapi":         "",
	"host/openapi/inspect": "",
	"host/queue":           "host/call",
	"host/release":         "host/call host/lane host/wasm sdk/module sdk/wire",
	"host/route":           "host/call host/lane host/wasm host/wasm/record sdk/abi sdk/module sdk/route sdk/wire sdk/wire/scan",
	"host/rule":            "host/call sdk/route sdk/wire/scan",
	"host/seal":            "host/call",
	"host/share":           "sdk/wire",
	"host/server":          "host/call host/spool sdk/wire sdk/wire/scan",
	"host/store":           "host/call",
	"host/store/jobs":      "host/call host/disk host/store",
	"host/store/report":    "host/call sdk/wire",
	"host/store/sqlite":    "host/call host/disk host/store host/store/jobs host/store/report sdk/wire",
	"host/store/postgres":  "host/call host/store host/store/jobs host/store/report sdk/wire",
	"host/store/pgtest":    "host/door",
	"host/store/storetest": "host/call host/store sdk/wire",
	"host/telemetry":       "host/call sdk/wire",
	"host/trace":           "host/call sdk/wire",
	"host/access":          "host/call host/logfile",
	"host/content":         "host/call host/logfile sdk/wire sdk/wire/text",
	"host/logfile":         "",
	"host/otlp":            "",
	"host/trace/otlptest":  "",
	"host/tenant":          "host/call sdk/wire sdk/wire/scan",

	"host/call":            "sdk/abi sdk/wire sdk/wire/scan",
	"host/provider/depot":  "",
	"host/provider/jail":   "",
	"host/redis":           "",
	"host/disk":            "",
	"host/spool":           "",
	"host/door":            "",
	"host/e2e":             "",
	"host/trust":           "",
	"host/trust/trusttest": "",
	"host/filter":          "host/call host/lane host/wasm host/wasm/record sdk/abi sdk/module sdk/wire sdk/wire/text",
	"host/lane":            "host/call host/wasm sdk/module sdk/route",
	"host/wasm":            "host/trust host/wasm/fuel sdk/abi sdk/module",
	"host/wasm/fuel":       "",
	"host/wasm/guests":     "host/wasm host/wasm/record host/wasm/wasmtest sdk/abi sdk/module",
	"host/wasm/record":     "host/wasm sdk/abi",
	"host/wasm/verify":     "host/wasm host/wasm/record sdk/abi sdk/module",
	"host/wasm/wasmtest":   "",

	"sdk/abi":            "",
	"sdk/assemblyscript": "",
	"sdk/c":              "",
	"sdk/rust":           "",
	"sdk/module":         "",
	"sdk/node":           "",
	"sdk/python":         "",
	"sdk/abi/gen":        "sdk/abi",
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
	"sdk/filter":                        "sdk/abi sdk/internal/guest",
	"sdk/internal/guest":                "sdk/abi",
	"sdk/observe":                       "sdk/abi sdk/internal/guest",
	"sdk/route":                         "sdk/abi sdk/internal/guest",
	"sdk/wire":                          "sdk/wire/internal/lex",
	"sdk/wire/internal/lex":             "",
	"sdk/wire/scan":                     "sdk/wire sdk/wire/internal/lex",
	"sdk/wire/text":                     "sdk/wire sdk/wire/internal/lex",

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
	{"sdk/filter", ".", "it is compiled into WebAssembly guests: the standard library is enough"},
	{"sdk/internal/guest", ".", "it is compiled into WebAssembly guests: the standard library is enough"},
	{"sdk/observe", ".", "it is compiled into WebAssembly guests: the standard library is enough"},
	{"sdk/route", ".", "it is compiled into WebAssembly guests: the standard library is enough"},
	{"host/call", ".", "every stage imports it: the standard library is enough"},
	{"host/auth", ".", "it guards the door: nothing of others runs between a key and its verdict"},
	{"", "github.com/stretchr/testify", "the standard testing package and go-cmp are enough"},
	{"host/store/sqlite", "database/sql", "the store speaks to SQLite directly: a row costs a third"},
	{"host/store/postgres", "database/sql", "the store speaks to PostgreSQL directly: it copies rows"},
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
