package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/sdk/assemblyscript"
	"github.com/signalbox-ai/signalbox/sdk/c"
	"github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/rust"
)

// moduleLanguage is one in which route new and filter new write a module.
type moduleLanguage struct {
	name   string
	source string                                        // of a module, NAME standing for its name
	others []string                                      // templates beside it
	carry  func(name string, to map[string][]byte) error // adds the SDK; nil: it is found by version
}

var moduleLanguages = map[string]moduleLanguage{
	"go":   {name: "Go", source: "main.go", others: []string{"go/go.mod", "go/go.work"}},
	"rust": {name: "Rust", source: "NAME.rs", carry: carryRust},
	"as":   {name: "AssemblyScript", source: "NAME.ts", others: []string{"module/as/package.json"}, carry: carryAssemblyScript},
	"c":    {name: "C", source: "NAME.c", carry: carryC},
}

// moduleScaffold is what templates of modules know.
type moduleScaffold struct {
	scaffold
	Kind           string // route or filter
	Language       string
	Crate          string // the name as Rust's crates are called
	AssemblyScript string // version of its compiler
	Config         string // how the gateway is told of it
}

func moduleNewCommand(kind string) *cobra.Command {
	var lang, dir string
	c := told(&cobra.Command{
		Use:     "new NAME",
		Short:   "Write a " + kind + " to start from",
		Long:    "Write a " + kind + " to start from: a folder that builds and passes \"" + kind + " verify\".",
		Example: "  signalbox " + kind + " new mine --lang go",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hint(fmt.Errorf("%s new needs a name for the module", kind), "such as mine")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if dir == "" {
				dir = args[0]
			}
			x, err := moduleNew(module.Kind(kind), args[0], lang, dir)
			if err != nil {
				return err
			}
			return say(c, x, x.print)
		},
	})
	c.Flags().StringVar(&lang, "lang", "go", "go, rust, as (AssemblyScript) or c")
	c.Flags().StringVar(&dir, "dir", "", "folder to make (default: the name)")
	return c
}

func moduleNew(kind module.Kind, name, lang, dir string) (*written, error) {
	l, ok := moduleLanguages[lang]
	if !ok {
		return nil, hint(fmt.Errorf("cannot write a module in %q", lang), "there are %s", strings.Join(slices.Sorted(maps.Keys(moduleLanguages)), ", "))
	}
	if !pluginName.MatchString(name) || len(name) > 32 {
		return nil, hint(fmt.Errorf("cannot name a module %q", name), "small letters, digits and single - between them, at most 32, such as mine or mine-too")
	}
	files, err := l.files(kind, name, lang)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return nil, hint(fmt.Errorf("cannot write module: %s exists", dir), "choose another folder with --dir, or remove it first")
	} else if err != nil {
		return nil, fmt.Errorf("cannot write module: %w", err)
	}
	for _, file := range sorted(files) {
		to := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, fmt.Errorf("cannot write module: %w", err)
		}
		if err := os.WriteFile(to, files[file], 0o644); err != nil {
			return nil, fmt.Errorf("cannot write module: %w", err)
		}
	}
	return &written{Wrote: dir, Files: sorted(files), Next: []string{"sh " + filepath.Join(dir, "build.sh"),
		"signalbox " + string(kind) + " verify " + filepath.Join(dir, name+".wasm")}}, nil
}

// files are those of a new module, by name.
func (l *moduleLanguage) files(kind module.Kind, name, lang string) (map[string][]byte, error) {
	about := moduleScaffold{scaffold: newScaffold(name), Kind: string(kind), Language: l.name, Crate: strings.ReplaceAll(name, "-", "_"), Config: moduleConfig(kind, name)}
	var err error
	if about.AssemblyScript, err = compilerOf(assemblyscript.Files); err != nil {
		return nil, err
	}
	source := strings.ReplaceAll(l.source, "NAME", name)
	out := map[string][]byte{}
	from := map[string]string{source: "module/" + lang + "/" + string(kind) + filepath.Ext(source), "build.sh": "module/" + lang + "/build.sh", "README.md": "module/README.md"}
	for _, other := range l.others {
		from[filepath.Base(other)] = other
	}
	if about.Checkout == "" {
		delete(from, "go.work")
	}
	for file, tmpl := range from {
		if out[file], err = fill(tmpl, about); err != nil {
			return nil, err
		}
	}
	manifest := module.Manifest{Name: name, Version: "0.1.0", Kind: kind, ABI: module.ABI}
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	out[name+".json"] = append(text, '\n')
	if l.carry != nil {
		err = l.carry(name, out)
	}
	return out, err
}

// fill is what a template makes.
func fill(name string, about any) ([]byte, error) {
	raw, err := templates.ReadFile("templates/" + name + ".tmpl")
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Delims("<<", ">>").Parse(string(raw))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, about); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// moduleConfig is how the gateway is told of a module, for a model of its own.
func moduleConfig(kind module.Kind, name string) string {
	if kind == module.Filter {
		return fmt.Sprintf("filters: {%s: {module: %s.wasm}}\nmodels:\n  fast: {targets: [{model: demo/echo}], filters: [%s]}\n", name, name, name)
	}
	return fmt.Sprintf("routes: {%s: {module: %s.wasm}}\nmodels:\n  fast: {targets: [{model: demo/echo}], route: %s}\n", name, name, name)
}

func carryC(_ string, to map[string][]byte) error {
	to[c.Name] = c.Source
	return nil
}

func carryRust(_ string, to map[string][]byte) error {
	return carry(rust.Files, to)
}

// carryAssemblyScript adds the SDK, and the lock of its compiler under the
// module's name.
func carryAssemblyScript(name string, to map[string][]byte) error {
	lock, err := assemblyscript.Files.ReadFile("package-lock.json")
	if err != nil {
		return err
	}
	to["package-lock.json"] = bytes.ReplaceAll(lock, []byte(`"name": "signalbox"`), []byte(`"name": "`+name+`"`))
	if err := carry(assemblyscript.Files, to); err != nil {
		return err
	}
	delete(to, "signalbox/package-lock.json")
	delete(to, "signalbox/package.json")
	return nil
}

// carry adds files under signalbox/.
func carry(files fs.FS, to map[string][]byte) error {
	return fs.WalkDir(files, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, file)
		to["signalbox/"+file] = text
		return err
	})
}

// compilerOf is the version of the compiler that the AssemblyScript SDK is for.
func compilerOf(files fs.FS) (string, error) {
	text, err := fs.ReadFile(files, "package.json")
	if err != nil {
		return "", err
	}
	var p struct {
		DevDependencies struct{ AssemblyScript string }
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return "", err
	}
	return p.DevDependencies.AssemblyScript, nil
}
