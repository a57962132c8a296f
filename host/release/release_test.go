package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

func TestLifeOfAVersion(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.configure(picks(0), "")
	h.is(0)
	v := h.push(picks(1), `{"name":"m","version":"1.2.0","kind":"route","abi":"sb/1"}`)
	if v.State != Pushed || v.Tag != "1.2.0" || v.Known || h.push(picks(1), `{"abi":"sb/1","kind":"route","name":"m","version":"1.2.0"}`).Known != true {
		t.Fatalf("got %+v", v)
	}
	h.is(0)
	if _, err := h.Canary(ctx, "m", "1.2.0", Split{Share: 0.5, Guard: lane.DefaultGuard}, admin); code(err) != "unproven" {
		t.Errorf("a canary without proof: %v", err)
	}
	if _, err := h.Promote(ctx, "m", "1.2.0", admin); code(err) != "unproven" {
		t.Errorf("promoted without proof: %v", err)
	}
	if report, err := h.Replay(ctx, "m", v.SHA256[:8], Query{}, admin); err != nil || string(report) != `{"decisions":1}` || h.state(v.Label) != Replayed {
		t.Errorf("replay: %s, %v", report, err)
	}
	h.must(h.Shadow(ctx, "m", "", admin))
	h.is(0)
	h.must(h.Canary(ctx, "m", "", Split{Share: 1, By: lane.ByKey, Guard: lane.DefaultGuard}, admin))
	h.is(1)
	h.restart(picks(0)) // a canary goes on
	h.is(1)
	if _, err := h.Promote(ctx, "m", "", admin); code(err) != "unproven" || !strings.Contains(err.Error(), "has served 1 requests") {
		t.Errorf("promoted too early: %v", err)
	}
	for i := range 60 {
		h.serves("k", i)
	}
	h.must(h.Promote(ctx, "m", "", admin))
	h.is(1)
	h.restart(picks(0)) // what was promoted stays while the seed does
	h.is(1)
	h.must(h.Rollback(ctx, "m", "", admin))
	h.is(0)
	if h.state(v.Label) != RolledBack {
		t.Errorf("state %s", h.state(v.Label))
	}
	h.must(h.Rollback(ctx, "m", "1.2.0", admin)) // and there again: it has been active
	h.is(1)
	h.configure(picks(2), "") // the configuration changes: its version is active
	h.is(2)
	h.restart(picks(2))
	h.is(2)
	h.configure(picks(1), "")
	if s := h.story(); strings.Count(s, "config: the module of the configuration") != 2 || !strings.Contains(s, "config: first start") {
		t.Errorf("history:\n%s", s)
	}
}

func TestNames(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.configure(picks(0), "")
	a := h.push(picks(1), `{"name":"m","version":"1.2.0","kind":"route","abi":"sb/1"}`)
	b := h.push(picks(2), `{"name":"m","version":"1.2.0","kind":"route","abi":"sb/1"}`)
	f := func(ref, want, code2 string) {
		t.Helper()
		v, err := h.Shadow(ctx, "m", ref, admin)
		if v.Label != want || err != nil && code(err) != code2 {
			t.Errorf("%q is %q, %v; want %q", ref, v.Label, err, want)
		}
	}
	f("1.2.0", "", "conflict")
	f("1.3.0", "", "not_found")
	f(a.SHA256[:8], a.Label, "")
	f(strings.ToUpper(b.SHA256[:8]), b.Label, "")
	_, suffix, _ := strings.Cut(b.Label, "@")
	f(suffix, b.Label, "")
	f("", b.Label, "")
	if _, err := h.Shadow(ctx, "m", "1.2.0", admin); !strings.Contains(err.Error(), a.Label) || !strings.Contains(err.Error(), b.Label) {
		t.Errorf("an ambiguous name: %v", err)
	}
	if _, err := h.Shadow(ctx, "other", "", admin); code(err) != "not_found" || !strings.Contains(err.Error(), "there are m") {
		t.Errorf("a name of nobody: %v", err)
	}
	src, err := h.Source(ctx, "m", a.Label)
	if err != nil || string(src.Code) != string(picks(1)) || src.Manifest.Version != "1.2.0" {
		t.Errorf("source of %s: %v, %v", a.Label, src.Manifest, err)
	}
	if _, err := h.Source(ctx, "m", "m@nothing"); code(err) != "not_found" {
		t.Errorf("source of nothing: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.configure(picks(0), `{"a":1}`)
	f := func(want string, up Upload) {
		t.Helper()
		if _, err := h.Push(ctx, "m", up, admin); code(err) != want {
			t.Errorf("got %v; want %s", err, want)
		}
	}
	f("module_refused", Upload{})
	f("module_refused", Upload{Source: wasm.Source{Code: []byte("\x00asm\x01\x00\x00\x00")}})
	f("module_refused", Upload{Source: wasm.Source{Code: picks(1), Manifest: []byte(`{"name":"m","kind":"filter","abi":"sb/1"}`)}})
	f("module_refused", Upload{Source: wasm.Source{Code: picks(1), Manifest: []byte(`{"name":"m","kind":"route","abi":"sb/1","sha256":"` + strings.Repeat("0", 64) + `"}`)}})
	f("module_refused", Upload{Source: wasm.Source{Code: make([]byte, wasm.MaxModule+1)}})
	f("invalid_request", Upload{Source: wasm.Source{Code: picks(1)}, Config: []byte(`[1]`)})
	f("invalid_request", Upload{Source: wasm.Source{Code: picks(1)}, Config: []byte(`{"a":`)})
	if v := h.push(picks(1), ""); !strings.Contains(v.Label, "+") {
		t.Errorf("%s has not the configuration of the active version", v.Label)
	}
	split := Split{Share: 0.1, Guard: lane.DefaultGuard}
	for _, share := range []float64{0, -1, 1.5} {
		if _, err := h.Canary(ctx, "m", "", Split{Share: share, Guard: lane.DefaultGuard}, admin); code(err) != "invalid_request" {
			t.Errorf("a share of %v: %v", share, err)
		}
	}
	if _, err := h.Canary(ctx, "m", "", Split{Share: 0.1}, admin); code(err) != "invalid_request" {
		t.Errorf("no guard: %v", err)
	}
	active := mustList(t, h)[0].Active
	_, ref, _ := strings.Cut(active, "@")
	for what, do := range map[string]func() (Version, error){
		"shadow":  func() (Version, error) { return h.Shadow(ctx, "m", ref, admin) },
		"canary":  func() (Version, error) { return h.Canary(ctx, "m", ref, split, admin) },
		"promote": func() (Version, error) { return h.Promote(ctx, "m", ref, admin) },
		"end":     func() (Version, error) { return h.EndShadow(ctx, "m", admin) },
	} {
		if _, err := do(); code(err) != "conflict" {
			t.Errorf("%s of the active version: %v", what, err)
		}
	}
	if _, err := h.Rollback(ctx, "m", "", admin); code(err) != "not_found" {
		t.Errorf("rollback to nothing: %v", err)
	}
	h.proof = &Proof{Report: json.RawMessage(`{}`), Summary: "3 failures"}
	if _, err := h.Replay(ctx, "m", "", Query{}, admin); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Canary(ctx, "m", "", split, admin); code(err) != "unproven" {
		t.Errorf("a canary whose replay failed: %v", err)
	}
	h.must(h.Canary(ctx, "m", "", split, Act{Who: "admin", Force: true, Why: "a drill"}))
	if s := h.story(); !strings.Contains(s, "canary admin: without proof: 10 % by request: a drill") {
		t.Errorf("history:\n%s", s)
	}
}

func mustList(t *testing.T, h *house) []Module {
	t.Helper()
	list, err := h.List("")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// settled waits until the registry has written down what the fleet did.
func (h *house) settled(what string) {
	h.t.Helper()
	for range 5000 {
		if strings.Contains(h.story(), what) {
			return
		}
		h.Registry.mu.Lock()
		err := h.heed()
		h.Registry.mu.Unlock()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	h.t.Fatalf("%q never happened:\n%s", what, h.story())
}

func TestWhatLeavesByItself(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.configure(picks(0), "")
	bad := h.push(picks(-1), "")
	h.must(h.Canary(ctx, "m", "", Split{Share: 1, Guard: lane.DefaultGuard}, Act{Force: true}))
	for i := range 50 {
		if got := h.serves("k", i); got != 0 {
			t.Fatalf("call %d went to %d; want the active version in the canary's place", i, got)
		}
	}
	h.settled("rolled_back gateway: faults: 50 of 50")
	if h.state(bad.Label) != RolledBack || mustList(t, h)[0].Canary != "" {
		t.Errorf("state %s", h.state(bad.Label))
	}
	h.must(h.Promote(ctx, "m", bad.Label[2:], Act{Force: true}))
	for i := range 3 {
		h.serves(fmt.Sprint(i), i)
	}
	h.settled("quarantined gateway")
	h.is(0)
	if h.state(bad.Label) != Quarantined {
		t.Errorf("state %s", h.state(bad.Label))
	}
	h.restart(picks(0))
	h.is(0)

	h.configure(picks(-1), "") // now by the configuration; before it was 0
	for i := range 3 {
		h.serves(fmt.Sprint(i), i)
	}
	h.is(0)
	h.configure(picks(-1), "")
	h.is(0) // the same seed is not tried again
	h.configure(picks(3), "")
	h.is(3)
}

func TestOldVersionsGo(t *testing.T) {
	h := newHouse(t)
	h.configure(picks(0), "")
	first := h.push(picks(1), "")
	for i := range 6 {
		h.push(picks(1), fmt.Sprintf(`{"name":"m","version":"1.%d.0","kind":"route","abi":"sb/1"}`, i))
	}
	if n := len(mustList(t, h)[0].Versions); n != 4 || h.state(first.Label) != "gone" {
		t.Errorf("%d versions are kept; want the active one and 3", n)
	}
	other := h.push(picks(2), "")
	for i := range 4 {
		h.push(picks(1), fmt.Sprintf(`{"name":"m","version":"2.%d.0","kind":"route","abi":"sb/1"}`, i))
	}
	if _, err := h.store.ModuleCode(t.Context(), other.SHA256); err == nil {
		t.Error("code of a version that has gone is kept")
	}
	if _, err := h.store.ModuleCode(t.Context(), first.SHA256); err != nil {
		t.Error(err)
	}
}

// TestConfigurationIsWhole commits configurations that cannot be, and ones
// without a route.
func TestConfigurationIsWhole(t *testing.T) {
	h := newHouse(t)
	h.configure(picks(0), "")
	err := h.commit(map[string]Seed{"m": {Source: wasm.Source{Code: picks(1)}}, "n": {Source: wasm.Source{Code: []byte("text")}}}, "")
	if err == nil || !strings.Contains(err.Error(), `cannot load route "n"`) {
		t.Fatalf("got %v", err)
	}
	h.is(0)
	p, err := h.Prepare(t.Context(), map[string]Seed{"m": {Source: wasm.Source{Code: picks(1)}}}, "")
	if err != nil {
		t.Fatal(err)
	}
	p.Abort()
	p.Abort()
	h.is(0)
	if err := h.commit(nil, ""); err != nil {
		t.Fatal(err)
	}
	h.is(-1)
	if list := mustList(t, h); len(list) != 1 || list[0].Configured || list[0].Active != "" || list[0].Versions[0].Lane != "" {
		t.Errorf("got %+v of no configuration", list)
	}
	h.configure(picks(0), "")
	h.is(0)
	v := h.push(picks(1), "")
	h.must(h.Promote(t.Context(), "m", v.Label[2:], Act{Force: true}))
	if err := h.commit(map[string]Seed{"m": {Source: wasm.Source{Code: picks(0)}}}, "eu\nus"); err != nil { // other tags
		t.Fatal(err)
	}
	h.is(1)
}

// TestSpoiledStore starts with a version whose code is not what was pushed.
func TestSpoiledStore(t *testing.T) {
	h := newHouse(t)
	h.configure(picks(0), "")
	v := h.push(picks(1), "")
	h.must(h.Promote(t.Context(), "m", v.Label[2:], Act{Force: true}))
	h.close()
	spoil(t, filepath.Join(h.dir, "signalbox.db"), picks(1), picks(2))
	h.open()
	h.configure(picks(0), "")
	h.is(0)
	if s := h.story(); !strings.Contains(s, "quarantined gateway: what is kept of") {
		t.Errorf("history:\n%s", s)
	}
}

// spoil replaces bytes in a file.
func spoil(t *testing.T, path string, from, to []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := strings.ReplaceAll(string(b), string(from), string(to))
	if out == string(b) {
		t.Fatal("the code is not in the file as it is")
	}
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWishOfTheLast takes the only version out, whose manifest asks for refusals.
func TestWishOfTheLast(t *testing.T) {
	h := newHouse(t)
	seed := map[string]Seed{"m": {Source: wasm.Source{Code: picks(-1), Manifest: []byte(`{"name":"m","kind":"route","abi":"sb/1","on_error":"refuse"}`)}}}
	if err := h.commit(seed, ""); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		h.serves(fmt.Sprint(i), i)
	}
	h.settled("quarantined gateway")
	refuses := func() bool {
		c := &call.Call{Candidates: []call.Candidate{{Target: &call.Target{State: call.NewTargetState()}}}}
		h.router.Handle("m").Plan(c)
		return c.Plan.Code == route.CodeFailed
	}
	if !refuses() {
		t.Error("a request passes after the only version has been taken out")
	}
	h.close()
	h.open()
	if err := h.commit(seed, ""); err != nil {
		t.Fatal(err)
	}
	if !refuses() {
		t.Error("a request passes after a restart")
	}
}

// TestPushBeforeTheConfiguration: a name that no configuration has yet can be
// given versions; what is next is said, and a configuration that names it finds
// them.
func TestPushBeforeTheConfiguration(t *testing.T) {
	h := newHouse(t)
	h.configure(picks(0), "")
	ctx := t.Context()
	push := func(name string, code []byte) (Receipt, error) {
		return h.Push(ctx, name, Upload{Source: wasm.Source{Code: code}}, admin)
	}
	later, err := push("later", picks(2))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := push("later", picks(2)); err != nil || !again.Known || again.Label != later.Label {
		t.Errorf("pushed again: %+v, %v", again, err)
	}
	if _, err := push("broken", []byte("no module")); code(err) != "module_refused" {
		t.Errorf("what is no module: %v", err)
	}
	if _, err := push("no name", picks(1)); code(err) != "invalid_request" {
		t.Errorf("what is no name: %v", err)
	}
	if h.router.Handle("later") != nil {
		t.Error("a name that no configuration has is run")
	}
	for what, step := range map[string]func() (Version, error){
		"shadow": func() (Version, error) { return h.Shadow(ctx, "later", "", admin) },
		"canary": func() (Version, error) {
			return h.Canary(ctx, "later", "", Split{Share: 1, Guard: lane.DefaultGuard}, admin)
		},
		"promote": func() (Version, error) {
			return h.Promote(ctx, "later", later.Label[6:], Act{Who: "admin", Force: true})
		},
		"rollback": func() (Version, error) { return h.Rollback(ctx, "later", "", admin) },
	} {
		if _, err := step(); code(err) != "conflict" || !strings.Contains(err.Error(), "add it there (routes: {later: {module: FILE}}) and reload") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := h.List("broken"); code(err) != "not_found" {
		t.Errorf("a name that has neither: %v", err)
	}
	is := func(when string, configured bool, states ...string) {
		t.Helper()
		list, err := h.List("")
		if err != nil || len(list) != 2 || list[0].Name != "later" || list[0].Configured != configured || len(list[0].Versions) != len(states) {
			t.Fatalf("%s: %+v, %v", when, list, err)
		}
		for i, v := range list[0].Versions {
			if v.State != states[i] {
				t.Errorf("%s: %s is %s; want %s", when, v.Label, v.State, states[i])
			}
		}
	}
	is("pushed", false, Pushed)
	h.restart(picks(0))
	is("after a restart", false, Pushed)
	named := map[string]Seed{"m": {Source: wasm.Source{Code: picks(0)}}, "later": {Source: wasm.Source{Code: picks(3)}}}
	if err := h.commit(named, ""); err != nil {
		t.Fatal(err)
	}
	is("named, with another module", true, Active, Pushed)
	h.must(h.Promote(ctx, "later", later.Label[6:], Act{Who: "admin", Force: true}))
	is("promoted", true, Superseded, Active)
}

// TestCommitOfTwoKinds: of two kinds both are taken into use or neither, and what
// changes with them does between what comes and what goes.
func TestCommitOfTwoKinds(t *testing.T) {
	h := newHouse(t)
	h.configure(picks(0), "")
	var notices lane.Notices
	others, err := route.New(route.Options{Notify: notices.Add})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(t.Context(), Options{Kind: "other", Fleet: others, Store: &h.disk, Notices: &notices,
		Check: func(s wasm.Source) (*module.Manifest, string, error) { return s.Check(module.Route, h.keys) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		second.Close()
		if err := others.Close(); err != nil {
			t.Error(err)
		}
	})
	commit := func(first map[string]Seed, used func()) error {
		t.Helper()
		p, err := h.Prepare(t.Context(), first, "")
		if err != nil {
			t.Fatal(err)
		}
		q, err := second.Prepare(t.Context(), map[string]Seed{"o": {Source: wasm.Source{Code: picks(1)}}}, "")
		if err != nil {
			t.Fatal(err)
		}
		return Commit(t.Context(), used, p, q)
	}
	never := func() { t.Error("something changes with what is not taken into use") }
	h.disk.full.Store(true)
	if err := commit(map[string]Seed{"n": {Source: wasm.Source{Code: picks(2)}}}, never); !errors.Is(err, errFull) {
		t.Fatal(err)
	}
	h.is(0)
	if others.Lanes("o").Active != "" || h.router.Lanes("n").Active != "" {
		t.Error("something of a refused configuration is in use")
	}
	h.disk.full.Store(false)
	meetings := 0
	h.disk.meet = func() { // another gateway comes first: all is tried again
		meetings++
		o := h.beside(picks(0))
		o.push(picks(3), "")
	}
	between := false
	if err := commit(map[string]Seed{"n": {Source: wasm.Source{Code: picks(2)}}}, func() {
		between = others.Lanes("o").Active != "" && h.router.Lanes("n").Active != "" && h.router.Lanes("m").Active != ""
	}); err != nil {
		t.Fatal(err)
	}
	if !between || meetings != 1 || h.router.Lanes("m").Active != "" {
		t.Errorf("between what comes and what goes: %v; another came first %d times; what goes is %q", between, meetings, h.router.Lanes("m").Active)
	}
}
