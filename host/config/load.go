package config

import (
	"bytes"
	_ "embed" // the files of defaults
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

const (
	envPrefix = "SIGNALBOX_"
	// ConfigVar names the variable that holds the path of the file; it is read
	// by the command, before there is a configuration.
	ConfigVar = envPrefix + "CONFIG"
	// KeyVar and URLVar are a caller's: they name a key, and the gateway that
	// takes it.
	KeyVar = envPrefix + "KEY"
	URLVar = envPrefix + "URL"
	// maxFile bounds a configuration file.
	maxFile = 16 << 20
	// noDelim keeps koanf from splitting names: those of models hold dots.
	noDelim = "\x00"
)

//go:embed defaults.yaml
var defaultsYAML []byte

//go:embed embedded.yaml
var embeddedYAML []byte

// Sources are what a configuration is made of.
type Sources struct {
	File  string         // "": the embedded default, and what Detect finds
	Env   []string       // as os.Environ
	Flags map[string]any // path of a field → value, the strongest

	// Home is the folder that holds what is shipped with the binary: plugins
	// and policies; "": the folder of the running executable.
	Home string
	// Ollama is the address to look for an Ollama at, where File is "".
	Ollama string
}

// Load reads and checks a configuration. A returned error is an *Error that
// lists all problems, or says why the file cannot be read.
func Load(s Sources) (*Config, error) {
	raw, err := s.read()
	if err != nil {
		return nil, err
	}
	return load(s, raw)
}

func load(s Sources, raw []byte) (*Config, error) {
	file, err := parseYAML(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot parse config %q: %w", s.File, err)
	}
	environ := environMap(s.Env)
	d := &decoder{}
	c, used, err := d.decode(s, file, environ)
	if err != nil {
		return nil, err
	}
	c.checkVariables(&d.problems, environ, used)
	c.readPipelines(&d.problems)
	c.Telemetry.fill(environ, &d.problems)
	if err := d.err(s.File); err != nil {
		return nil, err
	}
	if s.File == "" {
		c.Detect(environ, s.Ollama)
	}
	if err := c.locate(s.Home); err != nil {
		return nil, err
	}
	c.order()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadAdmin reads only what a client of the running gateway needs: listen,
// admin and store. References elsewhere may name what is not set here.
func LoadAdmin(s Sources) (*Config, error) {
	raw, err := s.read()
	if err != nil {
		return nil, err
	}
	file, err := parseYAML(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot parse config %q: %w", s.File, err)
	}
	for name := range file {
		if name != "listen" && name != "admin" && name != "store" {
			delete(file, name)
		}
	}
	if admin, ok := file["admin"].(map[string]any); ok { // others' tokens may not be there
		delete(admin, "tokens")
		delete(admin, "oidc")
	}
	if st, ok := file["store"].(map[string]any); ok { // nor the database's password: the folder beside it is what counts
		if text, ok := st["url"].(string); ok && strings.HasPrefix(text, "postgres") {
			st["url"] = "postgres://"
		}
	}
	d := &decoder{}
	c, _, err := d.decode(s, file, environMap(s.Env))
	if err != nil {
		return nil, err
	}
	c.checkListen(&d.problems)
	c.checkStore(&d.problems)
	return c, d.err(s.File)
}

// decode resolves the references of file and fills a Config from all sources.
// It also returns which variables were referred to.
func (d *decoder) decode(s Sources, file map[string]any, environ map[string]string) (*Config, map[string]bool, error) {
	r := &resolver{env: environ, used: map[string]bool{}, vault: newVault(environ)}
	r.resolve("", file)
	if err := r.err(s.File); err != nil {
		return nil, nil, err
	}
	merged, err := merge(s, file)
	if err != nil {
		return nil, nil, err
	}
	c := &Config{File: s.File, Files: r.files, Refreshed: len(r.vault.read) > 0}
	d.value("", merged, reflect.ValueOf(c).Elem())
	return c, r.used, nil
}

// merge lays the sources over each other. The instance is new at each load:
// nothing of an earlier configuration survives in it.
func merge(s Sources, file map[string]any) (map[string]any, error) {
	defaults, err := parseYAML(defaultsYAML)
	if err != nil {
		panic(fmt.Sprintf("BUG: defaults.yaml does not parse; got %v", err))
	}
	vars := variables()
	k := koanf.New(noDelim)
	for _, p := range []koanf.Provider{
		confmap.Provider(defaults, ""),
		confmap.Provider(file, ""),
		env.Provider(".", env.Opt{
			Prefix:        envPrefix,
			EnvironFunc:   func() []string { return s.Env },
			TransformFunc: func(name, value string) (string, any) { return vars[name], value },
		}),
		confmap.Provider(s.Flags, "."),
	} {
		if err := k.Load(p, nil); err != nil {
			return nil, fmt.Errorf("cannot merge config %q: %w", s.File, err)
		}
	}
	return k.Raw(), nil
}

func (s Sources) read() ([]byte, error) {
	if s.File == "" {
		return embeddedYAML, nil
	}
	return readFile(s.File)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read config: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read config: %w", err)
	case len(raw) > maxFile:
		return nil, fmt.Errorf("cannot read config %q: larger than 16 MiB", path)
	}
	return raw, nil
}

// parseYAML reads exactly one document, which must be a mapping.
func parseYAML(raw []byte) (map[string]any, error) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc any
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document: keep the first, and remove the separator with what follows")
	}
	switch doc := doc.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return doc, nil
	}
	return nil, errors.New("not a mapping of names to values: start with a line such as listen: {}")
}

func environMap(list []string) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		name, value, _ := strings.Cut(kv, "=")
		m[name] = value
	}
	return m
}

// serviceVar matches what Kubernetes sets for a service called signalbox or signalbox-….
var serviceVar = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP).*)?)$`)

// checkVariables finds SIGNALBOX_ variables that set nothing: a slip in the
// name of a section's field is a problem, any other is worth a warning.
func (c *Config) checkVariables(p *problems, environ map[string]string, used map[string]bool) {
	vars := variables()
	known := sortedKeys(vars)
	for _, name := range sortedKeys(environ) {
		if !strings.HasPrefix(name, envPrefix) || name == ConfigVar || name == KeyVar || name == URLVar || vars[name] != "" || used[name] || serviceVar.MatchString(name) {
			continue
		}
		section, _, _ := strings.Cut(strings.TrimPrefix(name, envPrefix), "_")
		hint := didYouMean(name, known)
		if _, ok := fieldsOf(reflect.TypeFor[Config]()).index[strings.ToLower(section)]; ok && hint != "" {
			p.addf(name, "the variable sets nothing%s", hint)
			continue
		}
		c.Warnings = append(c.Warnings, fmt.Sprintf("the variable %s sets nothing%s", name, hint))
	}
}

// locate makes the paths of what is shipped with the binary absolute.
func (c *Config) locate(home string) error {
	if home == "" {
		exe, err := os.Executable()
		if err != nil {
			return fmt.Errorf("cannot find the folder of the executable: %w", err)
		}
		home = filepath.Dir(exe)
	}
	if c.Plugins.Dir == "" {
		c.Plugins.Dir = filepath.Join(home, "plugins")
	}
	c.Policy.locate(home)
	for name, r := range c.Routes {
		r.File = c.moduleFile("routes", r.Module)
		c.Routes[name] = r
	}
	for name, f := range c.Filters {
		f.File = c.moduleFile("filters", f.Module)
		c.Filters[name] = f
	}
	return nil
}

// moduleFile is where a module lies.
func (c *Config) moduleFile(folder, module string) string {
	if builtin, ok := strings.CutPrefix(module, "builtin:"); ok {
		return filepath.Join(c.Plugins.Dir, folder, builtin+".wasm")
	}
	return module
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// order gives every target a priority. Where none of a model's targets has a
// priority or a weight they are tried as written; where one has, a target
// without a priority has priority 0, so that weights share among equals.
func (c *Config) order() {
	for _, m := range c.Models {
		asWritten := true
		for _, t := range m.Targets {
			asWritten = asWritten && t.Priority == nil && t.Weight == 0
		}
		for i := range m.Targets {
			t := &m.Targets[i]
			if t.Priority == nil {
				t.Priority = new(uint32)
				if asWritten {
					*t.Priority = uint32(i)
				}
			}
			t.Weight = max(t.Weight, 1)
		}
	}
}
