// Package wasmtest assembles small WebAssembly modules for tests, and builds
// guests that are written in Go.
package wasmtest

import "fmt"

// Module is a module in the making. Functions are numbered in the order in
// which they are imported and then defined.
type Module struct {
	types, imports, funcs, bodies, exports []([]byte)
	nImports                               int
	memory, table                          []byte
	globals, elements, data                [][]byte
	start                                  []byte
}

// U is an unsigned, S a signed LEB128 operand within code.
type (
	U uint64
	S int64
)

// Code joins opcodes (int), operands (U, S), strings of bytes and other code.
func Code(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			out = append(out, byte(p))
		case U:
			out = appendU(out, uint64(p))
		case S:
			out = appendS(out, int64(p))
		case string:
			out = append(out, p...)
		case []byte:
			out = append(out, p...)
		default:
			panic(fmt.Sprintf("BUG: code of type %T; want int, U, S, string or []byte", p))
		}
	}
	return out
}

var valTypes = map[rune]byte{'i': 0x7f, 'I': 0x7e, 'f': 0x7d, 'F': 0x7c, 'v': 0x7b, 'r': 0x70}

func valueTypes(s string) []byte {
	out := []byte{byte(len(s))}
	for _, c := range s {
		out = append(out, valTypes[c])
	}
	return out
}

// Type returns the index of the signature: letters i, I, f, F, v, r for i32,
// i64, f32, f64, v128 and funcref.
func (m *Module) Type(params, results string) int {
	enc := append(append([]byte{0x60}, valueTypes(params)...), valueTypes(results)...)
	for i, t := range m.types {
		if string(t) == string(enc) {
			return i
		}
	}
	m.types = append(m.types, enc)
	return len(m.types) - 1
}

// Import adds an imported function and returns its index.
func (m *Module) Import(module, name, params, results string) int {
	m.imports = append(m.imports, Code(U(len(module)), module, U(len(name)), name, 0, U(m.Type(params, results))))
	m.nImports++
	return m.nImports - 1
}

// Func adds a function, exported when name is not empty, and returns its
// index. Code gets its closing end here.
func (m *Module) Func(name, params, results, locals string, code ...any) int {
	m.funcs = append(m.funcs, Code(U(m.Type(params, results))))
	body := Code(U(len(locals)))
	for _, c := range locals {
		body = append(body, 1, valTypes[c])
	}
	body = append(append(body, Code(code...)...), 0x0b)
	m.bodies = append(m.bodies, append(Code(U(len(body))), body...))
	index := m.nImports + len(m.funcs) - 1
	if name != "" {
		m.Export(name, 0, index)
	}
	return index
}

// Export exports an item of a kind: 0 function, 1 table, 2 memory, 3 global.
func (m *Module) Export(name string, kind, index int) {
	m.exports = append(m.exports, Code(U(len(name)), name, kind, U(index)))
}

// Memory declares and exports the memory with a minimum in pages.
func (m *Module) Memory(pages int) {
	m.memory = Code(1, 0, U(pages))
	m.Export("memory", 2, 0)
}

// Table declares a table of functions and fills it from its start.
func (m *Module) Table(functions ...int) {
	m.table = Code(1, 0x70, 0, U(len(functions)))
	seg := Code(0, 0x41, S(0), 0x0b, U(len(functions)))
	for _, f := range functions {
		seg = append(seg, Code(U(f))...)
	}
	m.elements = append(m.elements, seg)
}

// Element adds an encoded element segment.
func (m *Module) Element(parts ...any) { m.elements = append(m.elements, Code(parts...)) }

// Global adds an encoded global.
func (m *Module) Global(parts ...any) { m.globals = append(m.globals, Code(parts...)) }

// Data adds bytes to memory at an offset.
func (m *Module) Data(offset int, bytes string) {
	m.data = append(m.data, Code(0, 0x41, S(offset), 0x0b, U(len(bytes)), bytes))
}

// Start makes a function run when the module is instantiated.
func (m *Module) Start(function int) { m.start = Code(U(function)) }

// Bytes encodes the module.
func (m *Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id int, body []byte) {
		if body != nil {
			out = append(append(out, Code(id, U(len(body)))...), body...)
		}
	}
	section(1, vector(m.types))
	section(2, vector(m.imports))
	section(3, vector(m.funcs))
	section(4, m.table)
	section(5, m.memory)
	section(6, vector(m.globals))
	section(7, vector(m.exports))
	section(8, m.start)
	section(9, vector(m.elements))
	section(10, vector(m.bodies))
	section(11, vector(m.data))
	return out
}

func vector(elements [][]byte) []byte {
	if elements == nil {
		return nil
	}
	out := Code(U(len(elements)))
	for _, e := range elements {
		out = append(out, e...)
	}
	return out
}

func appendU(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

func appendS(dst []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(dst, c)
		}
		dst = append(dst, c|0x80)
	}
}
