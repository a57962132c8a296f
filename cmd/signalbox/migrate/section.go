package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// section is a mapping of the file that remembers what has been read of it.
type section struct {
	c    *conversion
	path string
	m    map[string]any
	seen map[string]bool
}

func (c *conversion) section(path string, m map[string]any) *section {
	return &section{c: c, path: path, m: m, seen: map[string]bool{}}
}

func (s *section) at(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// has reports whether name says something, and counts it as read.
func (s *section) has(name string) bool {
	s.seen[name] = true
	return s.m[name] != nil
}

func (s *section) ignore(names ...string) {
	for _, name := range names {
		s.seen[name] = true
	}
}

func (s *section) object(name string) map[string]any {
	s.seen[name] = true
	m, _ := s.m[name].(map[string]any)
	return m
}

func (s *section) section(name string) *section { return s.c.section(s.at(name), s.object(name)) }

func (s *section) list(name string) []any {
	s.seen[name] = true
	switch v := s.m[name].(type) {
	case []any:
		return v
	case nil:
		return nil
	default:
		return []any{v}
	}
}

func (s *section) sections(name string) (list []*section) {
	for i, v := range s.list(name) {
		m, ok := v.(map[string]any)
		if !ok {
			s.c.lost(fmt.Sprintf("%s[%d]", s.at(name), i), "it is no mapping", "see LiteLLM's documentation for its form")
			continue
		}
		list = append(list, s.c.section(fmt.Sprintf("%s[%d]", s.at(name), i), m))
	}
	return list
}

// texts are the strings of a list, or the one that stands in its place.
func (s *section) texts(name string) (list []string) {
	for _, v := range s.list(name) {
		list = append(list, reference(fmt.Sprint(v)))
	}
	return list
}

// text is a string, with references as this gateway writes them.
func (s *section) text(name string) string {
	s.seen[name] = true
	switch v := s.m[name].(type) {
	case nil:
		return ""
	case string:
		return reference(v)
	case map[string]any, []any:
		s.c.lost(s.at(name), "it is no single value", "write it by hand")
		return ""
	case time.Time: // a date without quotes
		return v.Format(time.DateOnly)
	default:
		return fmt.Sprint(v)
	}
}

// number is a number, also one that is written as a string.
func (s *section) number(name string) (float64, bool) {
	s.seen[name] = true
	switch v := s.m[name].(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			s.c.lost(s.at(name), fmt.Sprintf("%q is no number", v), "write it by hand: numbers cannot be references here")
		}
		return n, err == nil
	}
	return 0, false
}

func (s *section) flag(name string) bool {
	s.seen[name] = true
	on, _ := s.m[name].(bool)
	return on
}

// rest notes all that nothing has read, and that says something.
func (s *section) rest() {
	for _, name := range slices.Sorted(maps.Keys(s.m)) {
		if !s.seen[name] && s.m[name] != nil {
			s.c.lost(s.at(name), "this converter does not know it", "look for what does the same in docs/operations.md")
		}
	}
}

// reference writes os.environ/NAME as ${env:NAME}.
func reference(text string) string {
	if name, ok := strings.CutPrefix(text, "os.environ/"); ok {
		return "${env:" + name + "}"
	}
	return strings.ReplaceAll(text, "${", "$${")
}
