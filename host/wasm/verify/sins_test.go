package verify

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

type (
	U = wasmtest.U
	S = wasmtest.S
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Where guests by hand have things.
const (
	planAt    = 1024 // the plan or verdict that they answer
	weightAt  = planAt + abi.PlanSize + 8
	actionAt  = planAt + 8
	settledAt = planAt + 12
	recordAt  = 4096
)

// answer is planAt<<32|size on the stack.
func answer(size int) []byte { return wasmtest.Code(0x42, S(planAt<<32|size)) }

const (
	onePlan = abi.PlanSize + abi.AttemptSize
	verdict = abi.VerdictSize
)

// magic returns 0, or traps, unless the record begins with a magic and has at
// least so many bytes.
func magic(want uint32, size int, otherwise ...any) []byte {
	return wasmtest.Code(0x20, 1, 0x41, S(size), 0x49, 0x04, 0x40, wasmtest.Code(otherwise...), 0x0b,
		0x20, 0, 0x28, 2, 0, 0x41, S(int32(want)), 0x47, 0x04, 0x40, wasmtest.Code(otherwise...), 0x0b)
}

// skeleton has all exports; body is the entry's code, more is added after.
func skeleton(entry string, data []byte, version int, body []byte, more ...func(m *wasmtest.Module)) []byte {
	m := &wasmtest.Module{}
	for _, add := range more[:min(len(more), 1)] { // imports, or what may come first
		add(m)
	}
	m.Memory(1)
	m.Global(0x7f, 1, 0x41, 0, 0x0b)
	m.Data(planAt, string(data))
	m.Func("sb_abi", "", "i", "", 0x41, S(version))
	m.Func("sb_buf", "i", "I", "", 0x42, S(recordAt<<32|40<<10))
	m.Func(entry, "ii", "I", "ii", body)
	return m.Bytes()
}

// route answers the plan with target 0, after code; what is no request it declines.
func route(code ...any) []byte {
	return skeleton("sb_route", planBytes(), abi.Version, routeBody(code...))
}

func routeBody(code ...any) []byte {
	return wasmtest.Code(magic(abi.MagicRequest, 128, 0x42, 0, 0x0f), wasmtest.Code(code...), answer(onePlan))
}

func planBytes() []byte {
	b, err := binary.Append(nil, binary.LittleEndian, abi.Plan{Magic: abi.MagicPlan, HeaderSize: uint16(abi.PlanSize), Attempts: 1, AttemptSize: uint32(abi.AttemptSize)})
	if err != nil {
		panic(err)
	}
	return append(b, make([]byte, abi.AttemptSize)...)
}

// filter passes everything, after code, which may set local 2 to what it settles.
func filter(code ...any) []byte {
	textLen := unsafe.Offsetof(windowLayout.Text) + 4
	text := unsafe.Offsetof(windowLayout.Text)
	body := wasmtest.Code(magic(abi.MagicWindow, abi.WindowSize, 0x00),
		// the text must lie within the record
		0x20, 0, 0x35, 2, U(text), 0x20, 0, 0x35, 2, U(textLen), 0x7c, 0x20, 1, 0xad, 0x56, 0x04, 0x40, 0x00, 0x0b,
		0x20, 0, 0x28, 2, U(textLen), 0x21, 2,
		0x41, S(actionAt), 0x41, abi.ActionPass, 0x36, 2, 0,
		wasmtest.Code(code...),
		0x41, S(settledAt), 0x20, 2, 0x36, 2, 0, answer(verdict+1))
	return skeleton("sb_filter", verdictBytes(), abi.Version, body)
}

func verdictBytes() []byte {
	b, err := binary.Append(nil, binary.LittleEndian, abi.Verdict{Magic: abi.MagicVerdict, HeaderSize: uint16(abi.VerdictSize)})
	if err != nil {
		panic(err)
	}
	return append(b, 'x')
}

// count adds one to the global and leaves it on the stack.
func count() []byte { return wasmtest.Code(0x23, 0, 0x41, 1, 0x6a, 0x24, 0, 0x23, 0) }

// weigh sets the plan's weight to the i32 that code leaves.
func weigh(code ...any) []byte {
	return wasmtest.Code(0x41, S(weightAt), wasmtest.Code(code...), 0x36, 2, 0)
}

func loop(code ...any) []byte {
	return wasmtest.Code(0x03, 0x40, wasmtest.Code(code...), 0x0c, 0, 0x0b)
}

// moreUnless asks for more text until there is enough, or no more.
func moreUnless(enough int) []byte {
	flags := unsafe.Offsetof(windowLayout.Flags)
	return wasmtest.Code(0x20, 2, 0x41, S(enough), 0x49, 0x20, 0, 0x28, 2, U(flags), 0x41, abi.WindowFinal, 0x71, 0x45, 0x71, 0x04, 0x40,
		0x41, S(actionAt), 0x41, abi.ActionMore, 0x36, 2, 0, 0x41, 0, 0x21, 2, 0x0b)
}

// imports makes a route that imports log.
func imports(m *wasmtest.Module) { m.Import("sb", "log", "iii", "") }

var granted = module.Default(module.Route, "m")

func none() *module.Manifest {
	m := *granted
	m.Grants = nil
	return &m
}

// sins are modules with one fault each, and the case that must find it.
var sins = []struct {
	what, found string
	code        []byte
	manifest    *module.Manifest
}{
	{"another ABI", "abi", skeleton("sb_route", planBytes(), 2<<16, routeBody()), nil},
	{"no entry", "abi", skeleton("route", planBytes(), abi.Version, routeBody()), nil},
	{"no grant", "abi", skeleton("sb_route", planBytes(), abi.Version, routeBody(), imports), none()},
	{"noise", "abi", []byte("\x00asm\x01\x00\x00\x00\x0b"), nil},
	{"a target that does not exist", "answers", route(0x41, S(planAt+abi.PlanSize), 0x41, S(64), 0x36, 2, 0), nil},
	{"a trap on many targets", "answers", route(0x20, 0, 0x28, 2, U(unsafe.Offsetof(requestLayout.Targets)), 0x41, S(64), 0x46, 0x04, 0x40, 0x00, 0x0b), nil},
	{"a loop on many targets", "fuel", route(0x20, 0, 0x28, 2, U(unsafe.Offsetof(requestLayout.Targets)), 0x41, S(64), 0x46, 0x04, 0x40, loop(), 0x0b), nil},
	{"state", "determinism", route(weigh(count())), nil},
	{"a read behind the record", "bounds", route(weigh(0x20, 0, 0x20, 1, 0x6a, 0x28, 2, 0)), nil},
	{"strides by heart", "grease", route(weigh(0x20, 0, 0x28, 2, U(uintptr(abi.RequestSize)+unsafe.Offsetof(abi.Target{}.Weight)))), nil},
	{"a loop over what the record claims", "garbage", route(
		0x20, 0, 0x28, 2, U(unsafe.Offsetof(requestLayout.Targets)), 0x21, 2,
		0x03, 0x40, 0x20, 2, 0x41, 1, 0x6b, 0x22, 2, 0x41, S(0), 0x4a, 0x0d, 0, 0x0b), nil},
	{"a leak", "leak", route(count(), 0x41, S(1023), 0x71, 0x45, 0x04, 0x40, 0x41, 1, 0x40, 0, 0x1a, 0x0b), nil},
	{"a window held back", "holdback", filter(moreUnless(300)), nil},
	{"a final window held back", "answers", filter(0x41, S(actionAt), 0x41, abi.ActionMore, 0x36, 2, 0, 0x41, 0, 0x21, 2), nil},
	{"a mark for each window", "chunking", filter(0x41, S(actionAt), 0x41, abi.ActionReplace, 0x36, 2, 0,
		0x41, S(planAt+16), 0x42, S(1<<32|verdict), 0x37, 3, 0), nil},
	{"passes what it does not know", "closed", skeleton("sb_filter", verdictBytes(), abi.Version, wasmtest.Code(
		0x41, S(actionAt), 0x41, abi.ActionPass, 0x36, 2, 0,
		0x41, S(settledAt), 0x20, 0, 0x28, 2, U(unsafe.Offsetof(windowLayout.Text)+4), 0x36, 2, 0, answer(verdict))), nil},
}

// TestSins: each fault is found by the case that is meant for it, and no other.
func TestSins(t *testing.T) {
	for _, sin := range sins {
		t.Run(sin.what, func(t *testing.T) {
			o := Options{Kind: module.Route, Manifest: sin.manifest, Quick: true}
			if strings.Contains(string(sin.code), "sb_filter") {
				o.Kind = module.Filter
			}
			r, err := Verify(sin.code, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Failures(); !slices.Equal(got, []string{sin.found}) {
				var b strings.Builder
				r.Print(&b)
				t.Errorf("found by %v; want %s\n%s", got, sin.found, b.String())
			}
		})
	}
}

// TestSaints pass.
func TestSaints(t *testing.T) {
	f := func(kind module.Kind, code []byte) {
		t.Helper()
		r, err := Verify(code, Options{Kind: kind, Manifest: nil, Quick: true})
		if err != nil {
			t.Fatal(err)
		}
		if r.Count(Failed)+r.Count(LeftOut) > 0 {
			var b strings.Builder
			r.Print(&b)
			t.Errorf("%s", b.String())
		}
	}
	f(module.Route, route())
	f(module.Filter, filter())
	f(module.Filter, filter(moreUnless(200)))
}
