package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// maxReferenced bounds a file that a reference names: it holds a secret.
const maxReferenced = 1 << 20

// reference matches $${ (an escape) and ${…}.
var reference = regexp.MustCompile(`\$\$\{|\$\{([^{}]*)\}`)

// resolver replaces references in the texts of a configuration file:
// ${env:NAME}, ${env:NAME:-default}, ${file:path}, ${vault:path#field}.
// "$${" stands for "${".
type resolver struct {
	problems
	env   map[string]string
	used  map[string]bool // variables that were referred to
	files []string        // that were referred to
	vault *vault
}

// maybeUnset are the fields that may refer to a variable that is not set.
var maybeUnset = map[string]bool{"admin.token": true}

// resolve returns v with every reference replaced.
func (r *resolver) resolve(path string, v any) any {
	switch v := v.(type) {
	case string:
		return r.text(path, v)
	case map[string]any:
		for _, name := range sortedKeys(v) {
			v[name] = r.resolve(join(path, name), v[name])
		}
	case []any:
		for i := range v {
			v[i] = r.resolve(fmt.Sprintf("%s[%d]", path, i), v[i])
		}
	}
	return v
}

func (r *resolver) text(path, text string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		if ref == "$${" {
			return "${"
		}
		value, err := r.one(ref[2 : len(ref)-1])
		if err != nil && !(errors.Is(err, errUnset) && maybeUnset[path]) {
			r.addf(path, "%v", err)
		}
		return value
	})
}

var errUnset = errors.New("environment variable is not set")

func (r *resolver) one(ref string) (string, error) {
	kind, rest, _ := strings.Cut(ref, ":")
	switch kind {
	case "env":
		name, fallback, hasFallback := strings.Cut(rest, ":-")
		r.used[name] = true
		value, ok := r.env[name]
		switch {
		case name == "":
			return "", fmt.Errorf("${%s} names no variable: write ${env:NAME}", ref)
		case hasFallback && value == "":
			return fallback, nil
		case !ok:
			return "", fmt.Errorf("%w: %s; set it, or give a default with ${env:%s:-…}", errUnset, name, name)
		}
		return value, nil
	case "file":
		if !slices.Contains(r.files, rest) {
			r.files = append(r.files, rest)
		}
		return readReferenced(rest)
	case "vault":
		return r.vault.field(rest)
	}
	return "", fmt.Errorf("unknown reference ${%s}: write ${env:NAME}, ${env:NAME:-default}, ${file:path} or ${vault:path#field}, and $${ for a plain ${", ref)
}

func readReferenced(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot read referenced file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxReferenced+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read referenced file: %w", err)
	case len(b) > maxReferenced:
		return "", fmt.Errorf("referenced file %q is larger than 1 MiB: is it the right one?", path)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
