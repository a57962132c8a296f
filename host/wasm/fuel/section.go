package fuel

import "fmt"

// rewrite encodes the metered module.
func (m *module) rewrite(initial int64) ([]byte, error) {
	code, err := m.code() // first: it may add types
	if err != nil {
		return nil, err
	}
	m.sections[secCode] = code
	for _, step := range []func() error{m.rewriteTables, m.rewriteGlobals, m.rewriteExports, m.rewriteStart, m.rewriteElements, m.rewriteData} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	m.appendTypes()
	m.appendFuncs()
	m.appendInjected(initial)

	size := len(header) + len(m.name) + 6
	for _, s := range m.sections {
		size += len(s) + 6
	}
	out := append(make([]byte, 0, size), header...)
	for _, id := range order {
		if m.sections[id] != nil {
			out = appendSection(out, byte(id), m.sections[id])
		}
	}
	if m.name != nil {
		out = appendSection(out, secCustom, m.name)
	}
	return out, nil
}

func appendSection(dst []byte, id byte, body []byte) []byte {
	dst = append(dst, id)
	dst = appendU32(dst, uint32(len(body)))
	return append(dst, body...)
}

// extend appends n encoded elements to a section that is a vector.
func (m *module) extend(id int, n uint32, elements []byte) {
	if n == 0 {
		return
	}
	r := &reader{b: m.sections[id]}
	if m.sections[id] != nil {
		n += r.u32()
	}
	out := appendU32(make([]byte, 0, len(r.b)+len(elements)+5), n)
	out = append(out, r.b[r.off:]...)
	m.sections[id] = append(out, elements...)
}

// mapVector replaces a section that is a vector, element by element.
func (m *module) mapVector(id int, element func(dst []byte, r *reader) []byte) error {
	var out []byte
	var n uint32
	err := m.vector(id, func(r *reader) {
		out = element(out, r)
		n++
	})
	if err != nil || m.sections[id] == nil {
		return err
	}
	m.sections[id] = append(appendU32(nil, n), out...)
	return nil
}

func (m *module) appendTypes() {
	m.extend(secType, m.nTypes-uint32(len(m.types)), m.newTypes)
}

// appendFuncs declares the wrappers of imports.
func (m *module) appendFuncs() {
	var types []byte
	for _, t := range m.imports {
		types = appendU32(types, t)
	}
	m.extend(secFunction, uint32(len(m.imports)), types)
}

func (m *module) appendInjected(initial int64) {
	globals := append(appendS64([]byte{typeI64, 1, opI64Const}, initial), opEnd)
	globals = append(globals, typeI32, 1, opI32Const, 0, opEnd)
	m.extend(secGlobal, 2, globals)

	exports := appendName(nil, Global)
	exports = appendU32(append(exports, 3), m.fuelGlobal())
	exports = appendName(exports, StarvedGlobal)
	exports = appendU32(append(exports, 3), m.starvedGlobal())
	m.extend(secExport, 2, exports)
}

// rewriteTables bounds what tables may grow to: the engine would take 32 GB.
func (m *module) rewriteTables() error {
	n := 0
	return m.mapVector(secTable, func(dst []byte, r *reader) []byte {
		if n++; n > maxTables {
			r.fail("more than %d tables", maxTables)
		}
		dst = append(dst, r.byte())
		flags, least, most := r.byte(), r.u32(), m.tariff.Table
		if flags > 1 {
			r.fail("table limits of kind %d are not known", flags)
		}
		if flags == 1 {
			if most = r.u32(); most < least {
				r.fail("table's maximum %d is below its minimum %d", most, least)
			}
			most = min(most, m.tariff.Table)
		}
		if least > m.tariff.Table {
			r.fail("table of %d entries, more than %d", least, m.tariff.Table)
		}
		return appendU32(appendU32(append(dst, 1), least), most)
	})
}

func (m *module) rewriteGlobals() error {
	return m.mapVector(secGlobal, func(dst []byte, r *reader) []byte {
		dst = append(dst, r.bytes(2)...)
		return m.constExpr(dst, r)
	})
}

func (m *module) rewriteExports() error {
	return m.mapVector(secExport, func(dst []byte, r *reader) []byte {
		name := string(r.bytes(r.u32()))
		if name == Global || name == StarvedGlobal {
			r.fail("export %q is reserved", name)
		}
		kind, index := r.byte(), r.u32()
		switch kind {
		case 0:
			index = m.function(r, index)
		case 3:
			m.global(r, index)
		}
		return appendU32(append(appendName(dst, name), kind), index)
	})
}

func (m *module) rewriteStart() error {
	if m.sections[secStart] == nil {
		return nil
	}
	r := &reader{b: m.sections[secStart]}
	m.sections[secStart] = appendU32(nil, m.function(r, r.u32()))
	if r.err == nil && !r.done() {
		r.fail("bytes too many")
	}
	if r.err != nil {
		return fmt.Errorf("start section: %w", r.err)
	}
	return nil
}

// rewriteElements maps functions within element segments, of which there are
// eight encodings: bit 0 means not active, bit 1 an explicit table (or
// declared), bit 2 expressions in place of indexes.
func (m *module) rewriteElements() error {
	return m.mapVector(secElement, func(dst []byte, r *reader) []byte {
		flags := r.u32()
		if flags > 7 {
			r.fail("element segment of kind %d is not known", flags)
		}
		active, explicit, expressions := flags&1 == 0, flags&2 != 0, flags&4 != 0
		dst = append(dst, byte(flags))
		if active {
			if explicit {
				dst = appendU32(dst, r.u32())
			}
			dst = m.constExpr(dst, r)
		}
		if !active || explicit {
			dst = append(dst, r.byte()) // kind or type of the elements
		}
		n := r.count()
		dst = appendU32(dst, uint32(n))
		for range n {
			if expressions {
				dst = m.constExpr(dst, r)
			} else {
				dst = appendU32(dst, m.function(r, r.u32()))
			}
		}
		return dst
	})
}

// rewriteData copies data segments: the engine makes room for as many as the
// section claims to have before it reads any.
func (m *module) rewriteData() error {
	return m.mapVector(secData, func(dst []byte, r *reader) []byte {
		flags := r.u32()
		dst = append(dst, byte(flags))
		switch flags {
		case 0:
			dst = m.constExpr(dst, r)
		case 1:
		case 2:
			dst = appendU32(dst, r.u32())
			dst = m.constExpr(dst, r)
		default:
			r.fail("data segment of kind %d is not known", flags)
		}
		return appendName(dst, string(r.bytes(r.u32())))
	})
}
