package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/trust/trusttest"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// manifested is guest code with what its manifest says.
func manifested(code []byte, m *module.Manifest) Module {
	d := described(code, slog.New(slog.DiscardHandler))
	d.Manifest = m
	return d
}

func manifest(grants ...string) *module.Manifest {
	return &module.Manifest{Name: "m", Kind: module.Route, ABI: module.ABI, Grants: grants}
}

func TestGrants(t *testing.T) {
	f := func(what string, m *module.Manifest, imports func(m *wasmtest.Module), want string) {
		t.Helper()
		v, err := newRuntime(t).Load(manifested(guest(echo, imports), m))
		if v != nil {
			v.Close()
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v; want %s", what, err, want)
		}
	}
	imports := func(module, name, params, results string) func(m *wasmtest.Module) {
		return func(m *wasmtest.Module) { m.Import(module, name, params, results) }
	}
	log := imports("sb", "log", "iii", "")
	f("no manifest", nil, log, "")
	f("granted", manifest(module.Log), log, "")
	f("not granted", manifest(), log, `it imports sb.log, which its manifest does not grant: write "grants": ["log"]`)
	f("another granted", manifest(module.Metrics), imports("sb", "counter_add", "iI", "I"), `write "grants": ["metrics", "counters"]`)
	f("unknown", nil, imports("sb", "fetch", "ii", "i"), "it imports sb.fetch, which the host does not offer")
	f("of another kind", nil, imports("sb", "log", "ii", ""), "another signature")
	f("from elsewhere", nil, imports("env", "abort", "iiii", ""), "it imports env.abort: a module gets functions of sb and wasi_snapshot_preview1 alone")
	f("WASI", manifest(), imports("wasi_snapshot_preview1", "fd_write", "iiii", "i"), "")
	f("no WASI", manifest(), imports("wasi_snapshot_preview1", "sock_open", "i", "i"), "is not of WASI preview 1")
}

func TestManifestLimits(t *testing.T) {
	spin := []any{0x03, 0x40, 0x0c, 0, 0x0b, 0x42, 0}
	rt := newRuntime(t)
	spent := func(m *module.Manifest) int64 {
		t.Helper()
		v, err := rt.Load(manifested(guest(spin, nil), m))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		s := &Slot{}
		s.Swap(v)
		in, err := s.Acquire()
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Call(4)
		n := in.Spent()
		in.Release(err)
		if !errors.Is(err, ErrFuel) {
			t.Errorf("got %v", err)
		}
		return n
	}
	less, more := manifest(), manifest()
	less.Fuel, more.Fuel = 5000, 10*Fuel
	if n := spent(less); n < 5000 || n > 5100 {
		t.Errorf("%d units were spent of 5000", n)
	}
	if n := spent(more); n < Fuel || n > Fuel+100 {
		t.Errorf("%d units were spent: the host's maximum is %d", n, Fuel)
	}
	pages := func(n int, memory int64, ok bool) {
		t.Helper()
		m := manifest()
		m.Memory = memory
		grow := []any{0x41, S(n - 1), 0x40, 0, 0x41, S(-1), 0x46, 0x04, 0x40, 0x00, 0x0b, 0x42, 0}
		v, err := rt.Load(manifested(guest(grow, nil), m))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		s := &Slot{}
		s.Swap(v)
		if _, err := ask(s, "x"); (err == nil) != ok || err != nil && !errors.Is(err, ErrMemory) {
			t.Errorf("%d pages within %d bytes: got %v", n, memory, err)
		}
	}
	pages(2, 128<<10, true)
	pages(3, 128<<10, false)
	pages(3, 128<<10+1, true) // begun pages count
	pages(8, 0, true)
	pages(9, 0, false)
	pages(100, 100<<16, true)
}

// TestLabel: what decides differently is called differently.
func TestLabel(t *testing.T) {
	rt := newRuntime(t)
	code := guest(echo, nil, func(m *wasmtest.Module) { m.Func("sb_configure", "ii", "i", "", 0x41, 0) })
	label := func(m *module.Manifest, config string) string {
		t.Helper()
		d := manifested(code, m)
		d.Config, d.Strict = []byte("record "+config), config != ""
		v, err := rt.Load(d)
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
		return v.Label
	}
	bare := label(nil, "")
	if len(bare) != len("m@")+12 {
		t.Errorf("without manifest and configuration it is called %s", bare)
	}
	seen := map[string]bool{bare: true}
	less := manifest()
	less.Fuel = 10_000
	for _, l := range []string{label(nil, "a"), label(nil, "b"), label(manifest(), ""), label(less, ""), label(manifest(), "a")} {
		if seen[l] || !strings.HasPrefix(l, bare+"+") || len(l) != len(bare)+9 {
			t.Errorf("one is called %s", l)
		}
		seen[l] = true
	}
	if a, b := label(manifest(module.Log, module.Metrics), ""), label(manifest(module.Metrics, module.Log), ""); a != b {
		t.Errorf("the order of grants makes %s of %s", b, a)
	}
}

func TestOpen(t *testing.T) {
	code := guest(echo, nil)
	sum := sha256.Sum256(code)
	text := fmt.Sprintf(`{"name":"m","version":"1.0.0","kind":"route","abi":"sb/1","sha256":%q}`, hex.EncodeToString(sum[:]))
	signer := trusttest.New()
	key, signature := signer.Key, signer.Sign([]byte(text))
	required, err := trust.Parse([]string{key}, true)
	if err != nil {
		t.Fatal(err)
	}
	optional, _ := trust.Parse([]string{key}, false)
	f := func(what, manifest, signature string, keys trust.Keys, want string) {
		t.Helper()
		dir := t.TempDir()
		for name, content := range map[string]string{"m.wasm": string(code), "m.json": manifest, "m.json.minisig": signature} {
			if content == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, m, err := Open(filepath.Join(dir, "m.wasm"), module.Route, keys)
		switch {
		case want == "" && (err != nil || len(got) != len(code) || (m == nil) != (manifest == "")):
			t.Errorf("%s: got %d bytes, %v, %v", what, len(got), m, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v; want %s", what, err, want)
		}
	}
	f("alone", "", "", trust.Keys{}, "")
	f("alone, though signatures are required", "", "", required, "it is not signed")
	f("with a manifest", text, "", trust.Keys{}, "")
	f("signed", text, signature, required, "")
	f("signed for nobody", text, signature, trust.Keys{}, "")
	f("with a manifest and no signature", text, "", required, "it is not signed")
	f("signed, with another manifest", strings.Replace(text, "1.0.0", "1.0.1", 1), signature, optional, "not of this content")
	f("a signature of nothing", "", signature, required, "no manifest")
	f("a manifest of another module", strings.Replace(text, hex.EncodeToString(sum[:4]), "00000000", 1), "", trust.Keys{}, "correct sha256")
	f("a filter", strings.Replace(text, `"route"`, `"filter"`, 1), "", trust.Keys{}, "is of a filter, a route is wanted")
	f("no manifest at all", "{", "", trust.Keys{}, "cannot read manifest")
	bare := `{"name":"m","kind":"route","abi":"sb/1"}`
	key, signature = signer.Key, signer.Sign([]byte(bare))
	required, _ = trust.Parse([]string{key}, true)
	f("signed without a hash", bare, signature, required, "no sha256")
	if _, _, err := Open(filepath.Join(t.TempDir(), "m.wasm"), module.Route, trust.Keys{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no module: got %v", err)
	}
}
