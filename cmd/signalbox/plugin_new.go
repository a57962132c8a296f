package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/sdk/node"
	"github.com/signalbox-ai/signalbox/sdk/python"
)

//go:embed all:templates
var templates embed.FS

// language is one in which plugin new writes an adapter.
type language struct {
	program string            // what the gateway runs, in the adapter's folder; "": named like it
	sdk     map[string][]byte // files that are carried along
	build   string            // in the adapter's folder, "": nothing is to build
}

var languages = map[string]language{
	"go":     {build: "go -C %s build"},
	"python": {program: "main.py", sdk: map[string][]byte{python.Name: python.Source}},
	"node":   {program: "main.mjs", sdk: map[string][]byte{node.Name: node.Source}, build: "npm --prefix %s ci"},
}

// scaffold is what templates know.
type scaffold struct {
	Name     string
	Require  string // version of this module
	Checkout string // its folder, when it is not a released one
}

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func pluginNewCommand() *cobra.Command {
	var lang, dir string
	c := told(&cobra.Command{
		Use:     "new NAME",
		Short:   "Write an adapter to start from",
		Long:    "Write an adapter to start from: a folder that builds, passes \"plugin verify\" and answers at once.",
		Example: "  signalbox plugin new acme --lang python",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hint(errors.New("plugin new needs a name for the adapter"), "such as acme")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if dir == "" {
				dir = args[0]
			}
			x, err := pluginNew(args[0], lang, dir)
			if err != nil {
				return err
			}
			return say(c, x, x.print)
		},
	})
	c.Flags().StringVar(&lang, "lang", "go", "go, python or node")
	c.Flags().StringVar(&dir, "dir", "", "folder to make (default: the name)")
	return c
}

func pluginNew(name, lang, dir string) (*written, error) {
	l, ok := languages[lang]
	if !ok {
		return nil, hint(fmt.Errorf("cannot write an adapter in %q", lang), "there are %s", strings.Join(slices.Sorted(maps.Keys(languages)), ", "))
	}
	if !pluginName.MatchString(name) || len(name) > 32 {
		return nil, hint(fmt.Errorf("cannot name an adapter %q", name), "small letters, digits and single - between them, at most 32, such as acme or acme-images")
	}
	files, err := l.files(lang, name)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return nil, hint(fmt.Errorf("cannot write adapter: %s exists", dir), "choose another folder with --dir, or remove it first")
	} else if err != nil {
		return nil, fmt.Errorf("cannot write adapter: %w", err)
	}
	program := l.program
	if program == "" {
		program = name
	}
	for _, file := range sorted(files) {
		mode := fs.FileMode(0o644)
		if file == program {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(dir, file), files[file], mode); err != nil {
			return nil, fmt.Errorf("cannot write adapter: %w", err)
		}
	}
	out := &written{Wrote: dir, Files: sorted(files)}
	if l.build != "" {
		out.Next = append(out.Next, fmt.Sprintf(l.build, dir))
	}
	out.Next = append(out.Next, "signalbox plugin verify "+filepath.Join(dir, program))
	return out, nil
}

// files are those of a new adapter, by name.
func (l *language) files(lang, name string) (map[string][]byte, error) {
	about := newScaffold(name)
	out := maps.Clone(l.sdk)
	if out == nil {
		out = map[string][]byte{}
	}
	entries, err := templates.ReadDir("templates/" + lang)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		file := strings.TrimSuffix(e.Name(), ".tmpl")
		if file == "go.work" && about.Checkout == "" {
			continue
		}
		raw, err := templates.ReadFile("templates/" + lang + "/" + e.Name())
		if err != nil {
			return nil, err
		}
		t, err := template.New(file).Delims("<<", ">>").Parse(string(raw))
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, about); err != nil {
			return nil, err
		}
		out[file] = b.Bytes()
	}
	return out, nil
}

// newScaffold finds the version to build on. A program that was built from a
// checkout points there by a workspace, so that an adapter builds at once.
func newScaffold(name string) scaffold {
	s := scaffold{Name: name, Require: "v0.0.0"}
	if info, ok := debug.ReadBuildInfo(); ok && regexp.MustCompile(`^v\d+\.\d+\.\d+$`).MatchString(info.Main.Version) {
		s.Require = info.Main.Version
		return s
	}
	_, file, _, _ := runtime.Caller(0)
	checkout := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(checkout, "sdk", "provider")); filepath.IsAbs(file) && err == nil {
		s.Checkout = checkout
	}
	return s
}
