package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

var (
	marked   = regexp.MustCompile(`<!-- abi: (\w+) -->\n`)
	mentions = regexp.MustCompile(`\b[A-Z][A-Za-z]+…?`)
)

// page is the authors' page with its tables: each stands between
// "<!-- abi: NAME -->" and "<!-- end -->", where NAME is a structure's, or that
// of the first constant of a group.
func page(s *schema, old []byte) ([]byte, error) {
	text, left := old, map[string][]byte{}
	for _, v := range s.structs {
		left[v.name] = s.fields(v)
	}
	for _, g := range s.groups {
		left[g.constants[0].name] = s.values(g)
	}
	for _, mark := range marked.FindAllSubmatch(old, -1) {
		name := string(mark[1])
		table, ok := left[name]
		if !ok {
			return nil, fmt.Errorf("nothing is called %s, or it is shown twice", name)
		}
		var err error
		if text, err = between(text, string(mark[0]), "<!-- end -->", table); err != nil {
			return nil, err
		}
		delete(left, name)
	}
	for name := range left {
		return nil, fmt.Errorf("%s is not shown: give it a place, <!-- abi: %s --> and <!-- end -->", name, name)
	}
	return text, nil
}

func (s *schema) fields(v *structure) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%s %d bytes.\n\n| offset | size | type | field | meaning |\n|---|---|---|---|---|\n", s.cell(line(v.doc)), v.size)
	for _, f := range v.fields {
		fmt.Fprintf(&b, "| %d | %d | %s | `%s` | %s |\n", f.offset, f.size, strings.ToLower(f.kind), snake(f.name), s.cell(f.about))
	}
	b.WriteString("\n")
	return b.Bytes()
}

func (s *schema) values(g *group) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%s\n\n| name | value | meaning |\n|---|---|---|\n", s.cell(line(g.doc)))
	for _, c := range g.constants {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", screaming(c.name), number(c), s.cell(c.about))
	}
	b.WriteString("\n")
	return b.Bytes()
}

// cell is text as it may stand in a table: constants are named as there, and
// families of them, such as Flag….
func (s *schema) cell(text string) string {
	text = mentions.ReplaceAllStringFunc(text, func(m string) string {
		family, is := strings.CutSuffix(m, "…")
		switch {
		case is:
			return "`" + screaming(family) + "_…`"
		case s.constant(m):
			return "`" + screaming(m) + "`"
		}
		return m
	})
	return strings.ReplaceAll(text, "|", `\|`)
}
