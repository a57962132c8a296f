package main

import (
	"bytes"
	"fmt"
	"strings"
)

var cTypes = map[string]string{"uint16": "uint16_t", "uint32": "uint32_t", "int32": "int32_t", "uint64": "uint64_t", "int64": "int64_t", "float64": "double"}

// header is signalbox.h with the part that is generated.
func header(s *schema, old []byte) ([]byte, error) {
	var b bytes.Buffer
	for _, g := range s.groups {
		fmt.Fprintf(&b, "\n%s", comment("//", g.doc))
		for _, c := range g.constants {
			fmt.Fprintf(&b, "#define SB_%s %su%s\n", screaming(c.name), number(c), behind(c.about))
		}
	}
	for _, v := range s.structs {
		name := "sb_" + snake(v.name)
		fmt.Fprintf(&b, "\n%stypedef struct %s {\n", comment("//", v.doc), name)
		for _, f := range v.fields {
			kind := cTypes[f.kind]
			if kind == "" {
				kind = "sb_" + snake(f.kind)
			}
			fmt.Fprintf(&b, "\t%s %s; // %d: %s\n", kind, snake(f.name), f.offset, f.about)
		}
		fmt.Fprintf(&b, "} %s;\n_Static_assert(sizeof(%s) == %d, \"%s\");\n", name, name, v.size, strings.ReplaceAll(name, "_", " "))
	}
	b.WriteString("\n")
	return between(old, "// --- layout: "+notice+"\n", "// --- end of layout\n", b.Bytes())
}
