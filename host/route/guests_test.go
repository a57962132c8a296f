package route

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

type (
	U = wasmtest.U
	S = wasmtest.S
)

// Where the guests of these tests keep things.
const (
	goodPlan = 512
	badPlan  = 768
	buffer   = 1024
)

// planBytes is a plan of these targets.
func planBytes(targets ...uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, abi.PlanSize+len(targets)*abi.AttemptSize)
	le.PutUint32(b, abi.MagicPlan)
	le.PutUint16(b[6:], uint16(abi.PlanSize))
	le.PutUint32(b[8:], uint32(len(targets)))
	le.PutUint32(b[12:], uint32(abi.AttemptSize))
	for i, t := range targets {
		le.PutUint32(b[abi.PlanSize+i*abi.AttemptSize:], t)
	}
	return b
}

// with returns b with a 32-bit field replaced.
func with(b []byte, at int, v uint32) []byte {
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}

// answer is code that answers n bytes at an address.
func answer(at, n uint32) []any { return []any{0x42, S(int64(at)<<32 | int64(n)), 0x0f} }

// fussy is a guest that answers target 0 to ordinary requests and does what bad
// says to those that stream. plan is what lies at badPlan.
func fussy(bad []any, plan []byte, more ...func(m *wasmtest.Module)) []byte {
	m := &wasmtest.Module{}
	m.Memory(1)
	m.Data(goodPlan, string(planBytes(0)))
	m.Data(badPlan, string(plan))
	m.Func("sb_abi", "", "i", "", 0x41, S(abi.Version))
	m.Func("sb_buf", "i", "I", "", 0x42, S(buffer<<32|32<<10))
	code := append([]any{0x20, 0, 0x28, 2, 12, 0x41, abi.FlagStream, 0x71, 0x04, 0x40}, bad...)
	code = append(append(code, 0x0b), answer(goodPlan, uint32(len(planBytes(0))))...)
	m.Func("sb_route", "ii", "I", "", code...)
	for _, add := range more {
		add(m)
	}
	return m.Bytes()
}

const firstMore = 3 // index of the first function that more adds

// badGuests are all that can go wrong in a module, by the fault that it is.
var badGuests = []struct {
	name, fault string
	wasm        []byte
}{
	{"loops", "fuel", fussy([]any{0x03, 0x40, 0x0c, 0, 0x0b}, nil)},
	{"recurses", "fuel", fussy([]any{0x10, firstMore}, nil, func(m *wasmtest.Module) { m.Func("", "", "", "", 0x10, firstMore) })},
	{"calls exponentially", "fuel", fussy([]any{0x10, firstMore}, nil, func(m *wasmtest.Module) {
		for i := range 40 {
			m.Func("", "", "", "", 0x10, U(firstMore+i+1), 0x10, U(firstMore+i+1))
		}
		m.Func("", "", "", "")
	})},
	{"fills memory for ever", "fuel", fussy([]any{0x03, 0x40, 0x41, 0, 0x41, 1, 0x41, S(1 << 16), 0xfc, 11, 0, 0x0c, 0, 0x0b}, nil)},
	{"traps", "trap", fussy([]any{0x00}, nil)},
	{"divides by zero", "trap", fussy([]any{0x41, 1, 0x41, 0, 0x6d, 0x1a}, nil)},
	{"reads outside of memory", "trap", fussy([]any{0x41, 0x7f, 0x28, 2, 0, 0x1a}, nil)},
	{"calls nothing", "trap", fussy([]any{0x41, 0, 0x11, 0, 0, 0x1a}, nil, func(m *wasmtest.Module) { m.Table() })},
	{"eats memory", "memory", fussy([]any{0x03, 0x40, 0x41, 16, 0x40, 0, 0x41, 0x7f, 0x47, 0x0d, 0, 0x0b, 0x00}, nil)},
	{"eats tables", "memory", fussy([]any{0x03, 0x40, 0xd0, 0x70, 0x41, S(1 << 14), 0xfc, 15, 0, 0x41, 0x7f, 0x47, 0x0d, 0, 0x0b, 0x00}, nil,
		func(m *wasmtest.Module) { m.Table() })},
	{"answers a bad index", "bad_answer", fussy(answer(badPlan, 64), planBytes(8))},
	{"answers a huge index", "bad_answer", fussy(answer(badPlan, 64), planBytes(1<<31))},
	{"answers an index twice", "bad_answer", fussy(answer(badPlan, 96), planBytes(1, 1))},
	{"answers more attempts than it wrote", "bad_answer", fussy(answer(badPlan, 64), with(planBytes(1), 8, 3))},
	{"answers more attempts than targets", "bad_answer", fussy(answer(badPlan, 64), with(planBytes(1), 8, 1<<31))},
	{"answers a short stride", "bad_answer", fussy(answer(badPlan, 64), with(planBytes(1), 12, 4))},
	{"answers a refusal with attempts", "bad_answer", fussy(answer(badPlan, 64), with(planBytes(1), 16, 7))},
	{"answers a reason outside", "bad_answer", fussy(answer(badPlan, 64), with(with(planBytes(1), 24, 60), 28, 60))},
	{"answers no plan", "bad_answer", fussy(answer(goodPlan+4, 64), nil)},
	{"answers too little", "bad_answer", fussy(answer(goodPlan, 31), nil)},
	{"points outside of memory", "bad_answer", fussy(answer(0xfffffff0, 64), nil)},
	{"points over the end of memory", "bad_answer", fussy(answer(1<<16-32, 64), nil)},
	{"answers more than memory", "bad_answer", fussy(answer(1, 0xffffffff), nil)},
}

// request is a call with 8 candidates that makes a fussy guest misbehave, or not.
func requestFor(id int, key string, bad bool) *call.Call {
	c := someCall(rand.New(rand.NewPCG(uint64(id), 3)), 8)
	c.Principal = &call.Principal{KeyID: key}
	c.Facts.Stream = bad
	return c
}

// order is a plan's indexes.
func order(c *call.Call) []uint8 {
	var out []uint8
	for _, a := range c.Plan.Attempts[:c.Plan.N] {
		out = append(out, a.Index)
	}
	return out
}

// builtinOrder is what the built-in order would be.
func builtinOrder(c *call.Call) []uint8 {
	other := &call.Call{ID: c.ID, Received: c.Received, Candidates: c.Candidates}
	Builtin(other)
	return order(other)
}

func TestBadGuestCostsOneRequest(t *testing.T) {
	for _, g := range badGuests {
		t.Run(g.name, func(t *testing.T) {
			h := load(t, "fussy", g.wasm)
			good, bad := requestFor(1, "k", false), requestFor(2, "k", true)
			for range 3 {
				h.Plan(good)
				if !slices.Equal(order(good), []uint8{0}) || good.Plan.Route != h.Stats().Version {
					t.Fatalf("ordinary request got %v by %s", order(good), good.Plan.Route)
				}
				h.Plan(bad)
				if !slices.Equal(order(bad), builtinOrder(bad)) || bad.Plan.Route != "builtin" || bad.Plan.Code != 0 || len(bad.Plan.Reason()) != 0 {
					t.Fatalf("bad request got %v by %s; want the built-in order", order(bad), bad.Plan.Route)
				}
				if n := h.Stats().Instances; n != 0 {
					t.Fatalf("%d instances after a fault; want 0", n)
				}
			}
			if s := h.Stats(); s.Faults[g.fault] != 3 || s.Calls != 6 {
				t.Errorf("faults %v in %d calls; want 3 of %s in 6", s.Faults, s.Calls, g.fault)
			}
		})
	}
}

func TestBadGuestLeavesOthersAlone(t *testing.T) {
	for _, g := range badGuests {
		t.Run(g.name, func(t *testing.T) {
			h := load(t, "fussy", g.wasm)
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() {
					for i := range 50 {
						c := requestFor(i, "k", worker == 0 && i%5 == 0)
						h.Plan(c)
						if !c.Facts.Stream && c.Plan.Route == "builtin" {
							t.Errorf("ordinary request fell back: %+v", h.Stats())
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestBadGuestIsRefused(t *testing.T) {
	abiOnly := func(export string, params, results string, code ...any) []byte {
		m := &wasmtest.Module{}
		m.Memory(1)
		m.Func("sb_abi", "", "i", "", 0x41, S(abi.Version))
		m.Func("sb_buf", "i", "I", "", 0x42, S(buffer<<32|32<<10))
		m.Func(export, params, results, "", code...)
		return m.Bytes()
	}
	start := func(code ...any) []byte {
		return fussy(nil, nil, func(m *wasmtest.Module) { m.Start(m.Func("", "", "", "", code...)) })
	}
	initialize := func(code ...any) []byte {
		return fussy(nil, nil, func(m *wasmtest.Module) { m.Func("_initialize", "", "", "", code...) })
	}
	bad := map[string][]byte{
		"nothing":                nil,
		"text":                   []byte("module"),
		"no entry":               abiOnly("other", "ii", "I", 0x42, 0),
		"entry of another shape": abiOnly("sb_route", "i", "I", 0x42, 0),
		"unknown import": fussy(nil, nil, func(m *wasmtest.Module) {
			*m = wasmtest.Module{}
			m.Import("env", "abort", "iiii", "")
		}),
		"start loops":             start(0x03, 0x40, 0x0c, 0, 0x0b),
		"start traps":             start(0x00),
		"_initialize loops":       initialize(0x03, 0x40, 0x0c, 0, 0x0b),
		"_initialize traps":       initialize(0x00),
		"misses its configurator": fussy(nil, nil), // config is given below
	}
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for name, code := range bad {
		var config []byte
		if name == "misses its configurator" {
			config = []byte(`{"a":1}`)
		}
		if code == nil {
			code = []byte{}
		}
		if err := r.Load(name, name, code, config); err == nil {
			t.Errorf("%s: module was loaded", name)
		}
		if r.Handle(name) != nil {
			t.Errorf("%s: has a handle", name)
		}
	}
}

func TestRefusalAndDecline(t *testing.T) {
	refusal := with(with(with(append(planBytes(), "too dear"...), 16, 402), 24, 32), 28, 8)
	h := load(t, "refuses", fussy(answer(badPlan, 40), refusal))
	c := requestFor(1, "k", true)
	h.Plan(c)
	if c.Plan.Code != 402 || c.Plan.N != 0 || string(c.Plan.Reason()) != "too dear" || c.Plan.Route == "builtin" {
		t.Errorf("got code %d, %d attempts, reason %q by %s", c.Plan.Code, c.Plan.N, c.Plan.Reason(), c.Plan.Route)
	}
	h = load(t, "declines", fussy([]any{0x42, 0, 0x0f}, nil))
	h.Plan(c)
	if c.Plan.Code != 0 || c.Plan.Route != "builtin" || !slices.Equal(order(c), builtinOrder(c)) {
		t.Errorf("declined: got %v by %s", order(c), c.Plan.Route)
	}
	if s := h.Stats(); s.Declined != 1 || s.Faults["bad_answer"] != 0 {
		t.Errorf("got %+v; want one declined", s)
	}
}

// TestLongRecord asks a guest whose buffer cannot hold the record.
func TestLongRecord(t *testing.T) {
	h := load(t, "fussy", fussy(nil, nil))
	c := requestFor(1, "k", false)
	long := *c.Candidates[0].Target
	long.Region = string(make([]byte, 40<<10))
	c.Candidates[0].Target = &long
	h.Plan(c)
	if c.Plan.Route != "builtin" || h.Stats().Faults["bad_answer"] != 1 {
		t.Errorf("planned by %s with %v", c.Plan.Route, h.Stats().Faults)
	}
}

func TestErrorsAnswerIs(t *testing.T) {
	var p call.Plan
	if err := decode(nil, 1, &p); !errors.Is(err, ErrBadPlan) {
		t.Errorf("got %v; want ErrBadPlan", err)
	}
}
