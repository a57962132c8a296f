package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Path    string // of the field, "providers.openai.credentials[0].value"
	Message string // what is wrong and what to do
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// Error lists every problem that was found.
type Error struct {
	File     string
	Problems []Problem
}

func (e *Error) Error() string {
	name := "the configuration"
	if e.File != "" {
		name = fmt.Sprintf("config %q", e.File)
	}
	if len(e.Problems) == 1 {
		return fmt.Sprintf("cannot load %s: %s", name, e.Problems[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cannot load %s: %d problems:", name, len(e.Problems))
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s", p)
	}
	return b.String()
}

// problems gathers what is wrong, so that one run shows all of it.
type problems struct{ list []Problem }

func (p *problems) addf(path, format string, args ...any) {
	p.list = append(p.list, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (p *problems) err(file string) error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return &Error{File: file, Problems: p.list}
}

func unknownKey(name string, known []string) error {
	hint := didYouMean(name, known)
	if hint == "" {
		hint = "; known here: " + strings.Join(known, ", ")
	}
	return fmt.Errorf("unknown key %q%s", name, hint)
}

// didYouMean returns ", did you mean …?" with the nearest known name, or "".
func didYouMean(name string, known []string) string {
	at := Nearest(name, known)
	if at == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", at)
}

// Nearest returns the known name that name is most likely a slip of, "" when
// none is near enough.
func Nearest(name string, known []string) string {
	best, at := max(2, len(name)/3)+1, ""
	name = strings.ToLower(name)
	for _, k := range known {
		d := levenshtein.ComputeDistance(name, strings.ToLower(k))
		if len(name) > 2 && strings.HasPrefix(k, name) {
			d = 1 // cut short
		}
		if d < best {
			best, at = d, k
		}
	}
	return at
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join appends a member's name to a path.
func join(path, name string) string {
	switch {
	case !plainName.MatchString(name):
		return fmt.Sprintf("%s[%q]", path, name)
	case path == "":
		return name
	}
	return path + "." + name
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
