package main

import (
	"bytes"
	"fmt"
)

var scriptTypes = map[string]string{"uint16": "u16", "uint32": "u32", "int32": "i32", "uint64": "u64", "int64": "i64", "float64": "f64"}

// assemblyScript is layout.ts.
func assemblyScript(s *schema) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// The records of ABI sb/1. %s\n", notice)
	for _, g := range s.groups {
		fmt.Fprintf(&b, "\n%s", comment("//", g.doc))
		for _, c := range g.constants {
			fmt.Fprintf(&b, "export const %s: u32 = %s;%s\n", screaming(c.name), number(c), behind(c.about))
		}
	}
	for _, v := range s.structs {
		name := v.name
		if v.fields[0].name == "Magic" { // the SDK's own class adds to it
			name += "Head"
		}
		fmt.Fprintf(&b, "\n%s@unmanaged\nexport class %s {\n", comment("//", v.doc), name)
		for _, f := range v.fields {
			s.scriptField(&b, f)
		}
		fmt.Fprintf(&b, "}\nif (offsetof<%s>() != %d) ERROR(\"%s has another size\");\n", name, v.size, name)
	}
	return b.Bytes()
}

// scriptField writes a field. A class within a class would be a pointer, so
// that what lies within is laid out here, and read through a getter.
func (s *schema) scriptField(b *bytes.Buffer, f field) {
	if kind := scriptTypes[f.kind]; kind != "" {
		fmt.Fprintf(b, "  %s: %s; // %d: %s\n", camel(f.name), kind, f.offset, f.about)
		return
	}
	for _, in := range s.find(f.kind).fields {
		fmt.Fprintf(b, "  private %s_%s: %s;\n", camel(f.name), camel(in.name), scriptTypes[in.kind])
	}
	fmt.Fprintf(b, "  @inline get %s(): %s { return changetype<%s>(changetype<usize>(this) + %d); } // %d: %s\n",
		camel(f.name), f.kind, f.kind, f.offset, f.offset, f.about)
}
