package release

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// picks is a module whose plans are target first, or that traps below 0.
func picks(first int) []byte {
	const at, buffer = 512, 1024
	le := binary.LittleEndian
	plan := make([]byte, abi.PlanSize+abi.AttemptSize)
	le.PutUint32(plan, abi.MagicPlan)
	le.PutUint16(plan[6:], uint16(abi.PlanSize))
	le.PutUint32(plan[8:], 1)
	le.PutUint32(plan[12:], uint32(abi.AttemptSize))
	le.PutUint32(plan[abi.PlanSize:], uint32(first))
	m := &wasmtest.Module{}
	m.Memory(1)
	m.Data(at, string(plan))
	m.Func("sb_abi", "", "i", "", 0x41, wasmtest.S(abi.Version))
	m.Func("sb_buf", "i", "I", "", 0x42, wasmtest.S(buffer<<32|32<<10))
	m.Func("sb_configure", "ii", "i", "", 0x41, wasmtest.S(0))
	if first < 0 {
		m.Func("sb_route", "ii", "I", "", 0x00)
	} else {
		m.Func("sb_route", "ii", "I", "", 0x42, wasmtest.S(int64(at)<<32|int64(len(plan))))
	}
	return m.Bytes()
}

// house is what a host would be: a store that lasts, a router, a registry.
type house struct {
	t       *testing.T
	dir     string
	store   *sqlite.Store
	disk    disk
	router  *route.Router
	notices lane.Notices
	*Registry
	proof *Proof
	keep  int
	keys  trust.Keys
}

// disk is a store that can be full.
type disk struct {
	*sqlite.Store
	full atomic.Bool
	meet func() // what happens elsewhere before the next change is kept
}

var errFull = errors.New("the disk is full")

func (d *disk) SaveModules(ctx context.Context, changes ...call.ModuleChange) error {
	if d.full.Load() {
		return errFull
	}
	if meet := d.meet; meet != nil {
		d.meet = nil
		meet()
	}
	return d.Store.SaveModules(ctx, changes...)
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), keep: 3, proof: &Proof{Report: json.RawMessage(`{"decisions":1}`), Passed: true, Summary: "fine"}}
	h.open()
	t.Cleanup(h.close)
	return h
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.store, err = sqlite.Open(h.t.Context(), "sqlite:"+filepath.Join(h.dir, "signalbox.db"), sqlite.Options{}); err != nil {
		h.t.Fatal(err)
	}
	h.disk.Store = h.store
	h.start()
}

// beside is a second gateway on the same store, configured like h.
func (h *house) beside(seed []byte) *house {
	h.t.Helper()
	o := &house{t: h.t, dir: h.t.TempDir(), keep: h.keep, proof: h.proof, store: h.store}
	o.disk.Store = h.store
	o.start()
	h.t.Cleanup(func() {
		o.Registry.Close()
		if err := o.router.Close(); err != nil {
			h.t.Error(err)
		}
	})
	o.configure(seed, "")
	return o
}

// start makes the router and the registry.
func (h *house) start() {
	h.t.Helper()
	var err error
	if h.router, err = route.New(route.Options{Notify: h.notices.Add, CacheDir: filepath.Join(h.dir, "cache")}); err != nil {
		h.t.Fatal(err)
	}
	h.Registry, err = Open(h.t.Context(), Options{Kind: module.Route, Fleet: h.router, Store: &h.disk, Notices: &h.notices, Keep: h.keep,
		Check:   func(s wasm.Source) (*module.Manifest, string, error) { return s.Check(module.Route, h.keys) },
		Vouched: func(signer string) bool { return h.keys.Vouched(signer) },
		Replay: func(context.Context, string, lane.Source, Query) (*Proof, error) {
			if h.proof == nil {
				return nil, errors.New("no decisions")
			}
			return h.proof, nil
		}})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) close() {
	h.Registry.Close()
	if err := errors.Join(h.router.Close(), h.store.Close()); err != nil {
		h.t.Error(err)
	}
}

// restart closes and opens, with the same seed.
func (h *house) restart(seed []byte) {
	h.t.Helper()
	h.restartWith(map[string]Seed{"m": {Source: wasm.Source{Code: seed}}})
}

func (h *house) restartWith(seeds map[string]Seed) {
	h.t.Helper()
	h.close()
	h.open()
	if err := h.commit(seeds, ""); err != nil {
		h.t.Fatal(err)
	}
}

// configure commits a configuration whose one route is "m".
func (h *house) configure(seed []byte, settings string) {
	h.t.Helper()
	if err := h.commit(map[string]Seed{"m": {Source: wasm.Source{Code: seed}, Config: []byte(settings)}}, ""); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) commit(seeds map[string]Seed, tags string) error {
	p, err := h.Prepare(h.t.Context(), seeds, tags)
	if err != nil {
		return err
	}
	return p.Commit(h.t.Context())
}

// serves is the first target of a decision of "m", -1 for the built-in order.
func (h *house) serves(key string, id int) int {
	c := &call.Call{ID: call.ID(id << 22), Received: time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC), Principal: &call.Principal{KeyID: key}}
	for i := range 4 {
		c.Candidates = append(c.Candidates, call.Candidate{Target: &call.Target{Name: fmt.Sprint("p/", i), State: call.NewTargetState()}})
	}
	h.router.Handle("m").Plan(c)
	if c.Plan.Route == "builtin" {
		return -1
	}
	return int(c.Plan.Attempts[0].Index)
}

func (h *house) is(want int) {
	h.t.Helper()
	if got := h.serves("k", 1); got != want {
		h.t.Fatalf("target %d is tried first; want %d\n%s", got, want, h.story())
	}
}

func (h *house) story() string {
	events, err := h.History("m")
	if err != nil {
		h.t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s %s %s: %s\n", e.Version, e.What, e.Who, e.Why)
	}
	return b.String()
}

func (h *house) push(code []byte, manifest string) Receipt {
	h.t.Helper()
	got, err := h.Push(h.t.Context(), "m", Upload{Source: wasm.Source{Code: code, Manifest: []byte(manifest)}}, Act{Who: "admin"})
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

func (h *house) state(label string) string {
	h.t.Helper()
	list, err := h.List("m")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, v := range list[0].Versions {
		if v.Label == label {
			return v.State
		}
	}
	return "gone"
}

var admin = Act{Who: "admin"}

// must fails the test on err.
func (h *house) must(_ Version, err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%v\n%s", err, h.story())
	}
}

// code is an error's code, "" for none.
func code(err error) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}
