package fuel

import "fmt"

// body is one function's code and what measuring found in it.
type body struct {
	sig    funcType
	locals []byte // encoded groups
	groups uint32
	code   []byte // end included

	slots   int       // parameters, locals and results
	parts   []segment // in order; the first is the entry's
	calls   bool      // may call functions: holds a deposit
	scratch bool      // needs the two scratch locals
}

// code rewrites all functions and appends the wrappers of imports.
func (m *module) code() ([]byte, error) {
	next, bodies := 0, []byte(nil)
	err := m.vector(secCode, func(r *reader) {
		if next >= len(m.funcs) {
			r.fail("more bodies than functions")
			return
		}
		fn := &reader{b: r.bytes(r.u32())}
		if r.err != nil {
			return
		}
		b := m.measure(fn, m.types[m.funcs[next]])
		if fn.err == nil {
			bodies = m.emit(bodies, fn, b)
		}
		if fn.err != nil {
			r.fail("function %d: %w", next+len(m.imports), fn.err)
		}
		next++
	})
	switch {
	case err != nil:
		return nil, err
	case next != len(m.funcs):
		return nil, fmt.Errorf("%d functions but %d bodies", len(m.funcs), next)
	case next+len(m.imports) == 0:
		return m.sections[secCode], nil
	}
	for i, t := range m.imports {
		bodies = m.emitWrapper(bodies, uint32(i), m.types[t])
	}
	return append(appendU32(make([]byte, 0, len(bodies)+5), m.numFuncs()), bodies...), nil
}

// measure reads a function once and finds what its parts weigh.
func (m *module) measure(r *reader, sig funcType) *body {
	b := &body{sig: sig}
	b.readLocals(r)
	b.code = r.b[r.off:]
	c := newCutter(m.tariff.test)
	for len(c.open) > 0 && r.err == nil {
		in := r.instr()
		c.add(in, m.tariff.weight(in.op))
		switch in.op {
		case opCall, opCallIndirect:
			b.calls = true
		case opMemoryGrow, opMemoryInit, opMemoryCopy, opMemoryFill, opTableInit, opTableCopy, opTableGrow, opTableFill:
			b.scratch = true
		}
	}
	if r.err == nil && !r.done() {
		r.fail("code after the last end")
	}
	b.parts = c.merge()
	return b
}

func (b *body) readLocals(r *reader) {
	n := r.count()
	start := r.off
	b.slots = len(b.sig.params) + len(b.sig.results)
	for range n {
		b.slots += int(min(r.u32(), maxLocals+1))
		r.byte()
		if b.slots > maxLocals {
			r.fail("more than %d locals", maxLocals)
		}
	}
	b.groups, b.locals = uint32(n), r.b[min(start, len(r.b)):r.off]
}

// numLocals counts parameters and locals: the index of the first scratch local.
func (b *body) numLocals() uint32 { return uint32(b.slots - len(b.sig.results)) }

// deposit is what a frame holds while it is on the stack; leaves hold none.
func (b *body) deposit() int64 {
	if !b.calls {
		return 0
	}
	return int64(frameDeposit + slotDeposit*b.slots + len(b.code)/codeDeposit)
}

// emitter writes metered code.
type emitter struct {
	*module
	out     []byte
	r       *reader
	scratch uint32 // index of the first scratch local
}

func (m *module) emit(dst []byte, r *reader, b *body) []byte {
	e := &emitter{module: m, r: r, scratch: b.numLocals(), out: make([]byte, 0, len(r.b)*5/4+64)}
	groups := b.groups
	if b.scratch {
		groups++
	}
	e.out = append(appendU32(e.out, groups), b.locals...)
	if b.scratch {
		e.out = append(e.out, 2, typeI32)
	}
	deposit := b.deposit()
	e.charge(callCost + b.parts[0].units() + deposit)
	if deposit == 0 {
		e.body(b, false)
	} else {
		// The block takes the place of the function's own label: branches to it
		// and returns alike pass the refund.
		e.out = append(append(e.out, opBlock), m.blockType(b.sig.results)...)
		e.body(b, true)
		e.adjust(deposit, opI64Add)
		e.out = append(e.out, opEnd)
	}
	dst = appendU32(dst, uint32(len(e.out)))
	return append(dst, e.out...)
}

// body copies the instructions, with charges at loops and bulk operations.
// wrapped means within a block that returns must branch out of.
func (e *emitter) body(b *body, wrapped bool) {
	e.r.off = len(e.r.b) - len(b.code)
	depth, parts := uint32(0), b.parts[1:]
	for !e.r.done() {
		if len(parts) > 0 && parts[0].at == e.r.off {
			e.part(&parts[0])
			parts = parts[1:]
		}
		in := e.r.instr()
		raw := e.r.b[in.from:in.to]
		switch in.op {
		case opBlock, opLoop, opIf:
			depth++
		case opEnd:
			depth--
		case opBr, opBrIf, opBrTable:
			if in.index > depth { // where wrapped, it would skip the refund
				e.r.fail("label %d does not exist", in.index)
			}
		case opReturn:
			if wrapped {
				e.out = appendU32(append(e.out, opBr), depth)
				continue
			}
		case opCall, opRefFunc:
			e.out = appendU32(append(e.out, raw[0]), e.function(e.r, in.index))
			continue
		case opGlobalGet, opGlobalSet:
			e.global(e.r, in.index)
		case opLocalGet, opLocalSet, opLocalTee:
			if in.index >= e.scratch {
				e.r.fail("local %d does not exist", in.index)
			}
		case opMemoryInit, opMemoryCopy, opMemoryFill, opTableInit, opTableCopy, opTableFill:
			e.bulk(in.op)
		case opMemoryGrow, opTableGrow:
			e.grow(in.op, raw)
			continue
		}
		e.out = append(e.out, raw...)
	}
}

// part charges for a part of the body where it begins.
func (e *emitter) part(s *segment) {
	if n := s.units(); s.checked {
		e.charge(n)
	} else {
		e.adjust(n, opI64Sub)
	}
}

// adjust adds n to the fuel, or subtracts it.
func (e *emitter) adjust(n int64, op byte) {
	e.fuel(opGlobalGet)
	e.out = append(appendS64(append(e.out, opI64Const), n), op)
	e.fuel(opGlobalSet)
}

func (e *emitter) fuel(op byte) { e.out = appendU32(append(e.out, op), e.fuelGlobal()) }

// charge takes n and traps when that leaves less than nothing.
func (e *emitter) charge(n int64) {
	e.adjust(n, opI64Sub)
	e.check()
}

func (e *emitter) check() {
	e.fuel(opGlobalGet)
	e.out = append(e.out, opI64Const, 0, opI64LtS, opIf, voidBlock, opUnreachable, opEnd)
}

// chargeLen takes base and the scratch local shifted by op.
func (e *emitter) chargeLen(base int64, op byte, shift byte) {
	e.fuel(opGlobalGet)
	e.local(opLocalGet, 0)
	e.out = append(e.out, opI64ExtendU, opI64Const, shift, op)
	e.out = append(appendS64(append(e.out, opI64Const), base), opI64Add, opI64Sub)
	e.fuel(opGlobalSet)
	e.check()
}

func (e *emitter) local(op byte, i uint32) { e.out = appendU32(append(e.out, op), e.scratch+i) }

// bulk charges for the length on top of the stack: a unit per 16 bytes, or two table entries.
func (e *emitter) bulk(op uint32) {
	shift := byte(4)
	if op >= opTableInit {
		shift = 1
	}
	e.local(opLocalTee, 0)
	e.chargeLen(bulkCost, opI64ShrU, shift)
}

// grow charges for what was really added: a thousand units per page of memory,
// or one per table entry. What could not be added raises the starved flag.
func (e *emitter) grow(op uint32, raw []byte) {
	shift := byte(10)
	if op == opTableGrow {
		shift = 0
	}
	e.local(opLocalTee, 0)
	e.out = append(e.out, raw...)
	e.local(opLocalTee, 1)
	e.out = append(e.out, opI32Const, 0x7f, opI32Eq, opIf, voidBlock, opI32Const, 1, opGlobalSet) // -1
	e.out = appendU32(e.out, e.starvedGlobal())
	e.out = append(e.out, opI32Const, 0)
	e.local(opLocalSet, 0)
	e.out = append(e.out, opEnd)
	e.local(opLocalGet, 1)
	e.chargeLen(growCost, opI64Shl, shift)
}

// emitWrapper appends a function that pays and calls import i.
func (m *module) emitWrapper(dst []byte, i uint32, sig funcType) []byte {
	e := &emitter{module: m, out: []byte{0}}
	e.charge(hostCost)
	for p := range sig.params {
		e.out = appendU32(append(e.out, opLocalGet), uint32(p))
	}
	e.out = append(appendU32(append(e.out, opCall), i), opEnd)
	return append(appendU32(dst, uint32(len(e.out))), e.out...)
}
