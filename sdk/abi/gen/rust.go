package main

import (
	"bytes"
	"fmt"
)

var rustTypes = map[string]string{"uint16": "u16", "uint32": "u32", "int32": "i32", "uint64": "u64", "int64": "i64", "float64": "f64"}

// rust is layout.rs.
func rust(s *schema) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "//! The records of ABI sb/1. %s\n", notice)
	for _, g := range s.groups {
		fmt.Fprintf(&b, "\n%s", comment("//", g.doc))
		for _, c := range g.constants {
			fmt.Fprintf(&b, "pub const %s: u32 = %s;%s\n", screaming(c.name), number(c), behind(c.about))
		}
	}
	for _, v := range s.structs {
		fmt.Fprintf(&b, "\n%s#[repr(C)]\n#[derive(Clone, Copy)]\npub struct %s {\n", comment("///", v.doc), v.name)
		for _, f := range v.fields {
			kind := rustTypes[f.kind]
			if kind == "" {
				kind = f.kind
			}
			fmt.Fprintf(&b, "    pub %s: %s, // %d: %s\n", snake(f.name), kind, f.offset, f.about)
		}
		fmt.Fprintf(&b, "}\nconst _: [(); %d] = [(); core::mem::size_of::<%s>()];\n", v.size, v.name)
	}
	return b.Bytes()
}
