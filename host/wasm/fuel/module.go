package fuel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Section ids.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	numSections
)

// order is that of sections in a module.
var order = [...]int{secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secStart,
	secElement, secDataCount, secCode, secData}

var header = []byte("\x00asm\x01\x00\x00\x00")

// funcType is a signature; the value types are one byte each.
type funcType struct{ params, results []byte }

// module is a parsed module: its sections as they are, and what rewriting
// needs to know of them.
type module struct {
	tariff   Tariff
	sections [numSections][]byte // nil: absent
	last     int                 // place in order of the section read last
	name     []byte              // the custom section "name": functions only, for traps' stack traces

	types   []funcType
	imports []uint32 // type of each imported function
	funcs   []uint32 // type of each own function
	globals uint32

	newTypes []byte // encoded types to append
	nTypes   uint32 // with those
}

func parse(wasm []byte, tariff Tariff) (*module, error) {
	if !bytes.HasPrefix(wasm, header) {
		return nil, errors.New("not a core WebAssembly module of version 1")
	}
	m := &module{tariff: tariff}
	r := &reader{b: wasm, off: len(header)}
	for !r.done() {
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err == nil {
			r.err = m.add(int(id), body)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	for _, read := range []func() error{m.readTypes, m.readImports, m.readFuncs, m.readGlobals} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// add files a section. Of the custom ones only "name" is kept: debug
// information would point at the wrong code afterwards.
func (m *module) add(id int, body []byte) error {
	switch {
	case id == secCustom:
		r := reader{b: body}
		switch name := r.bytes(r.u32()); {
		case !utf8.Valid(name):
			return errors.New("custom section's name is not UTF-8")
		case string(name) == "name":
			m.name = functionNames(&r)
		}
		return r.err
	case id >= numSections:
		return fmt.Errorf("section %d is not known", id)
	case m.sections[id] != nil:
		return fmt.Errorf("section %d appears twice", id)
	case slices.Index(order[:], id) < m.last:
		return fmt.Errorf("section %d is out of order", id)
	}
	m.last = slices.Index(order[:], id)
	m.sections[id] = body[:len(body):len(body)]
	return nil
}

// functionNames returns a name section with what r says of functions.
func functionNames(r *reader) []byte {
	const functions = 1
	for !r.done() {
		id, sub := r.byte(), r.bytes(r.u32())
		if id != functions || r.err != nil {
			continue
		}
		s := &reader{b: sub}
		for range s.count() {
			s.u32()
			if !utf8.Valid(s.bytes(s.u32())) {
				s.fail("function's name is not UTF-8")
			}
		}
		if r.err = s.err; r.err == nil && !s.done() {
			r.fail("function names have bytes too many")
		}
		return appendSection(appendName(nil, "name"), functions, sub)
	}
	return nil
}

// vector reads a section that is one vector; absent sections are empty ones.
func (m *module) vector(id int, element func(r *reader)) error {
	if m.sections[id] == nil {
		return nil
	}
	r := &reader{b: m.sections[id]}
	for range r.count() {
		element(r)
	}
	if r.err == nil && !r.done() {
		r.fail("%d bytes too many", len(r.b)-r.off)
	}
	if r.err != nil {
		return fmt.Errorf("section %d: %w", id, r.err)
	}
	return nil
}

func (m *module) readTypes() error {
	err := m.vector(secType, func(r *reader) {
		if r.byte() != typeFunc {
			r.fail("type %d is not a function's", len(m.types))
		}
		t := funcType{params: r.bytes(r.u32())}
		t.results = r.bytes(r.u32())
		m.types = append(m.types, t)
	})
	m.nTypes = uint32(len(m.types))
	return err
}

func (m *module) readImports() error {
	return m.vector(secImport, func(r *reader) {
		from, name := r.bytes(r.u32()), r.bytes(r.u32())
		if kind := r.byte(); kind != 0 {
			r.fail("import %s.%s is not a function", from, name)
		}
		m.imports = append(m.imports, m.typeIndex(r))
	})
}

func (m *module) readFuncs() error {
	return m.vector(secFunction, func(r *reader) { m.funcs = append(m.funcs, m.typeIndex(r)) })
}

func (m *module) typeIndex(r *reader) uint32 {
	i := r.u32()
	if i >= uint32(len(m.types)) {
		r.fail("type %d does not exist", i)
		return 0
	}
	return i
}

func (m *module) readGlobals() error {
	return m.vector(secGlobal, func(r *reader) {
		r.bytes(2) // value type, mutability
		m.constExpr(nil, r)
		m.globals++
	})
}

// Index spaces: imported functions, own ones, then one wrapper for each import.
func (m *module) numFuncs() uint32 { return uint32(len(m.imports) + len(m.funcs)) }

// function maps a function's index: an import becomes its wrapper.
func (m *module) function(r *reader, i uint32) uint32 {
	switch {
	case i < uint32(len(m.imports)):
		return m.numFuncs() + i
	case i >= m.numFuncs():
		r.fail("function %d does not exist", i)
	}
	return i
}

// global checks a global's index, so that no code reaches the injected ones.
func (m *module) global(r *reader, i uint32) {
	if i >= m.globals {
		r.fail("global %d does not exist", i)
	}
}

// fuelGlobal and starvedGlobal are the indexes of the injected globals.
func (m *module) fuelGlobal() uint32    { return m.globals }
func (m *module) starvedGlobal() uint32 { return m.globals + 1 }

// constExpr copies a constant expression, end included.
func (m *module) constExpr(dst []byte, r *reader) []byte {
	for r.err == nil {
		in := r.instr()
		switch in.op {
		case opI32Const, opI64Const, opF32Const, opF64Const, opV128Const, opRefNull, opEnd:
		case opGlobalGet:
			m.global(r, in.index)
		case opRefFunc:
			dst = append(dst, opRefFunc)
			dst = appendU32(dst, m.function(r, in.index))
			continue
		default:
			r.fail("instruction %#x in a constant expression", in.op)
		}
		if r.err != nil {
			break
		}
		dst = append(dst, r.b[in.from:in.to]...)
		if in.op == opEnd {
			break
		}
	}
	return dst
}

// blockType returns the block type without parameters that has results.
func (m *module) blockType(results []byte) []byte {
	switch len(results) {
	case 0:
		return []byte{voidBlock}
	case 1:
		return results
	}
	m.newTypes = append(m.newTypes, typeFunc, 0)
	m.newTypes = appendU32(m.newTypes, uint32(len(results)))
	m.newTypes = append(m.newTypes, results...)
	m.nTypes++
	return appendS64(nil, int64(m.nTypes-1))
}
