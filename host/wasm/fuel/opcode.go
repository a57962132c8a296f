package fuel

// Opcodes that the rewriter acts on or writes.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eq        = 0x46
	opI64LtS       = 0x53
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Shl       = 0x86
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opMisc         = 0xfc // prefix
	opVector       = 0xfd // prefix

	opMemoryInit = opMisc<<8 | 8
	opMemoryCopy = opMisc<<8 | 10
	opMemoryFill = opMisc<<8 | 11
	opTableInit  = opMisc<<8 | 12
	opTableCopy  = opMisc<<8 | 14
	opTableGrow  = opMisc<<8 | 15
	opTableFill  = opMisc<<8 | 17

	opV128Const = opVector<<8 | 12

	voidBlock = 0x40
	typeI32   = 0x7f
	typeI64   = 0x7e
	typeFunc  = 0x60
)

// imm says what follows an opcode.
type imm uint8

const (
	immBad   imm = iota // not an instruction known here
	immNone             // nothing
	immBlock            // a block type
	immIndex            // one index
	immTwo              // two indexes
	immTable            // br_table's labels
	immMem              // alignment and offset
	immI32
	immI64
	immByte   // a reference type, or a lane
	immF32    // 4 bytes
	immF64    // 8 bytes
	immV128   // 16 bytes
	immLane   // alignment, offset and lane
	immTypes  // select's types
	immPrefix // an opcode of more than one byte
)

var plainImms = func() (t [256]imm) {
	set := func(kind imm, from, to int) {
		for op := from; op <= to; op++ {
			t[op] = kind
		}
	}
	set(immNone, 0x00, 0x01)
	set(immBlock, opBlock, opIf)
	t[opElse], t[opEnd], t[opReturn] = immNone, immNone, immNone
	set(immIndex, opBr, opBrIf)
	t[opBrTable] = immTable
	t[opCall], t[opCallIndirect] = immIndex, immTwo
	set(immNone, 0x1a, 0x1b) // drop, select
	t[0x1c] = immTypes
	set(immIndex, opLocalGet, 0x26)
	set(immMem, 0x28, 0x3e)
	set(immByte, 0x3f, opMemoryGrow)
	t[opI32Const], t[opI64Const], t[opF32Const], t[opF64Const] = immI32, immI64, immF32, immF64
	set(immNone, 0x45, 0xc4)
	t[opRefNull], t[0xd1], t[opRefFunc] = immByte, immNone, immIndex
	t[opMisc], t[opVector] = immPrefix, immPrefix
	return t
}()

// miscImms are those of the instructions behind prefix 0xfc.
var miscImms = [18]imm{immNone, immNone, immNone, immNone, immNone, immNone, immNone, immNone,
	immTwo, immIndex, immTwo, immIndex, immTwo, immIndex, immTwo, immIndex, immIndex, immIndex}

// vectorImm is that of a SIMD instruction; the relaxed ones, above 0xff, are not known.
func vectorImm(sub uint32) imm {
	switch {
	case sub > 0xff:
		return immBad
	case sub <= 11, sub == 92, sub == 93:
		return immMem
	case sub <= 13:
		return immV128
	case sub >= 21 && sub <= 34:
		return immByte
	case sub >= 84 && sub <= 91:
		return immLane
	}
	return immNone
}

// instr is one instruction: its opcode (with prefix), the range of bytes that
// it takes, and its first index if it has any (of br_table's, the largest).
type instr struct {
	op       uint32
	from, to int
	index    uint32
}

// instr reads the next instruction.
func (r *reader) instr() instr {
	in := instr{from: r.off}
	in.op = uint32(r.byte())
	kind := plainImms[in.op]
	if kind == immPrefix {
		sub := r.u32()
		switch {
		case in.op == opVector:
			kind = vectorImm(sub)
		case sub < uint32(len(miscImms)):
			kind = miscImms[sub]
		default:
			kind = immBad
		}
		in.op = in.op<<8 | sub&0xff
	}
	in.index = r.immediate(kind)
	in.to = r.off
	if kind == immBad {
		r.fail("instruction %#x at offset %d is not known", in.op, in.from)
	}
	return in
}

// immediate passes what follows an opcode and returns its first index, if any.
func (r *reader) immediate(kind imm) (index uint32) {
	switch kind {
	case immBlock:
		r.skipSigned(5)
	case immIndex:
		index = r.u32()
	case immTwo, immMem:
		index = r.u32()
		r.u32()
	case immLane:
		r.u32()
		r.u32()
		r.byte()
	case immTable:
		for range r.count() {
			index = max(index, r.u32())
		}
		index = max(index, r.u32())
	case immTypes:
		r.bytes(r.u32())
	case immI32:
		r.skipSigned(5)
	case immI64:
		r.skipSigned(10)
	case immByte:
		r.byte()
	case immF32:
		r.bytes(4)
	case immF64:
		r.bytes(8)
	case immV128:
		r.bytes(16)
	}
	return index
}

// weight is what an instruction counts for: about a cycle each.
func (t Tariff) weight(op uint32) int {
	switch {
	case op >= 0x28 && op <= 0x35, isVectorLoad(op):
		return t.load()
	case op >= 0x36 && op <= 0x3e:
		return t.store()
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82: // integer division
		return 16
	case op == 0x91, op == 0x95, op == 0x9f, op == 0xa3: // float square root and division
		return 8
	case op == opCallIndirect:
		return t.indirect()
	case op == opBrTable, op == opCall:
		return 4
	case op>>8 == opVector:
		return 4
	case op >= opMisc:
		return 8
	}
	return 1
}

// isVectorLoad reports whether op is a SIMD load, of a lane or of all.
func isVectorLoad(op uint32) bool {
	sub := op & 0xff
	return op>>8 == opVector && (sub <= 10 || sub >= 84 && sub <= 87 || sub == 92 || sub == 93)
}
