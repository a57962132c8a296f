package host

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/alert"
	"github.com/signalbox-ai/signalbox/host/config"
)

// TestReloadIsTakenWholeOrNotAtAll: where the very last that can fail does, the
// versions of filters, nothing of a reload is in use, nor after a restart.
func TestReloadIsTakenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	copied := func(name, of, salt string) { // a custom section makes another version of it
		t.Helper()
		code, err := os.ReadFile(filepath.Join("..", "plugins", filepath.FromSlash(of)))
		if err != nil {
			t.Fatal(err)
		}
		write(name, string(code)+"\x00\x02\x01"+salt)
	}
	load := func(n string) (*config.Config, error) {
		copied("mine.wasm", "routes/priority/priority.wasm", n)
		copied("hide.wasm", "filters/pii/pii.wasm", n)
		cfg, err := config.Load(config.Sources{Home: "..", File: write("signalbox.yaml", strings.NewReplacer("N", n, "DIR", dir).Replace(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: admin-token-for-tests-only, tokens: [{name: aN, value: token-of-administrator-N, role: viewer}]}
store: {url: "sqlite:DIR/state/signalbox.db"}
providers: {demo: {adapter: demo}}
routes: {mine: {module: DIR/mine.wasm}, mineN: {module: DIR/mine.wasm}}
filters: {hide: {module: DIR/hide.wasm}, hideN: {module: DIR/hide.wasm}}
keys: [{name: dev, value: sk-dev-000000000N, budgets: [{usd: N, window: day}]}]
alerts: {to: {hookN: {webhook: "http://127.0.0.1:1/N"}}}
`))})
		if err == nil {
			cfg.Providers = nil // an adapter is a program of its own
			maps.DeleteFunc(cfg.Routes, func(name string, _ config.Route) bool { return !strings.HasPrefix(name, "mine") })
		}
		return cfg, err
	}
	cfg, err := load("1")
	if err != nil {
		t.Fatal(err)
	}
	open := func(cfg *config.Config) *Host {
		t.Helper()
		h, err := New(t.Context(), cfg, Options{Load: func() (*config.Config, error) { return load("2") }})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := open(cfg)
	closed := func() {
		t.Helper()
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}
	defer func() { closed() }()
	route, hide := h.router.Lanes("mine").Active, h.filters.Lanes("hide").Active
	if route == "" || hide == "" {
		t.Fatalf("route %q and filter %q are in use", route, hide)
	}
	// is reports what of configuration n is in use.
	is := func(n string) (seen []string) {
		t.Helper()
		for what, it := range map[string]bool{
			"generation": h.gen.Load().handles["mine"+n] != nil,
			"route":      h.router.Lanes("mine"+n).Active != "",
			"filter":     h.filters.Handle("hide"+n) != nil && h.filters.Lanes("hide"+n).Active != "",
			"key": func() bool {
				_, err := h.keys.Authenticate([]byte("sk-dev-000000000"+n), time.Now())
				return err == nil
			}(),
			"administrator": func() bool {
				_, err := h.admins.Authenticate([]byte("token-of-administrator-"+n), time.Now())
				return err == nil
			}(),
			"receiver": !errors.Is(h.alerts.Test(t.Context(), "hook"+n), alert.ErrNoReceiver), // nobody hears it
		} {
			if it {
				seen = append(seen, what)
			}
		}
		return seen
	}
	disk := func(script string) {
		t.Helper()
		conn, err := sqlite.OpenConn(filepath.Join(dir, "state", "signalbox.db"), sqlite.OpenReadWrite)
		if err == nil {
			conn.SetBusyTimeout(time.Minute)
			err = errors.Join(sqlitex.ExecuteScript(conn, script, nil), conn.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const all = 6
	if seen := is("1"); len(seen) != all {
		t.Fatalf("of the first configuration %v are in use", seen)
	}
	disk("CREATE TRIGGER broken BEFORE INSERT ON module_version WHEN NEW.kind = 'filter' BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
	if err := h.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatalf("reload: %v", err)
	}
	check := func(when string) {
		t.Helper()
		if seen := is("2"); len(seen) > 0 {
			t.Errorf("%s: of the refused configuration %v are in use", when, seen)
		}
		if seen := is("1"); len(seen) != all {
			t.Errorf("%s: of the one before only %v are in use", when, seen)
		}
		if r, f := h.router.Lanes("mine").Active, h.filters.Lanes("hide").Active; r != route || f != hide {
			t.Errorf("%s: route %s and filter %s are in use; want %s and %s", when, r, f, route, hide)
		}
	}
	check("after the refusal")
	disk("DROP TRIGGER broken")
	closed()
	if cfg, err = load("1"); err != nil {
		t.Fatal(err)
	}
	h = open(cfg)
	check("after a restart")
	if err := h.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if seen := is("2"); len(seen) != all {
		t.Errorf("of the repaired configuration only %v are in use", seen)
	}
	if seen := is("1"); len(seen) > 0 {
		t.Errorf("of the replaced configuration %v are in use", seen)
	}
	if r, f := h.router.Lanes("mine").Active, h.filters.Lanes("hide").Active; r == route || f == hide {
		t.Errorf("route %s and filter %s are still in use", r, f)
	}
}
