package policy

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // evaluations are mostly garbage
	goleak.VerifyTestMain(m)
}

// files is a bundle by path; a name without extension is a unit's Rego.
type files map[string]string

// permitAll is the unit that most test bundles add, so that only what is under
// test can deny.
const permitAll = "package signalbox.units.base\n\ndefault permit := false\n\npermit if input.principal.key_id != \"\"\n"

func (f files) write(t testing.TB, dir string) {
	t.Helper()
	for name, body := range f {
		if filepath.Ext(name) == "" && name != ".manifest" {
			body, name = "package signalbox.units."+name+"\n\n"+body, name+".rego"
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// folder writes f with the permitting unit into a new folder.
func (f files) folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	files{"base.rego": permitAll}.write(t, dir)
	f.write(t, dir)
	return dir
}

// slack is the deadline of tests that are not about it: machines stall.
const slack = time.Minute

func (f files) open(t testing.TB) *Engine {
	t.Helper()
	return openWith(t, Options{Path: f.folder(t), Deadline: slack})
}

func openWith(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func sampleCall() *call.Call {
	return &call.Call{
		ID: 7, Received: time.Date(2026, 5, 4, 12, 30, 0, 0, time.UTC), Op: wire.OpChat, Remote: netip.MustParseAddr("10.1.2.3"),
		Principal: &call.Principal{KeyID: "k-1", KeyName: "dev", Org: "acme", Project: "p-1", Team: "core", User: "u-1",
			Env: "prod", Roles: []string{"developer"}, Attrs: map[string]string{"cost_center": "c7"}},
		Model: &call.Model{Name: "openai/gpt-4o-mini"},
		Facts: scan.Facts{In: scan.Text, Size: 900, N: 1},
	}
}

func codesOf(d *call.Decision) string {
	var out []string
	for _, r := range d.Reasons {
		out = append(out, r.Code)
	}
	return strings.Join(out, ",")
}

func wantAllowed(t testing.TB, d *call.Decision) {
	t.Helper()
	if !d.Allow {
		t.Fatalf("refused: %v", d.Reasons)
	}
}

func wantDenied(t testing.TB, d *call.Decision, codes string) {
	t.Helper()
	if d.Allow || codesOf(d) != codes {
		t.Fatalf("got allow %v with %q, want a denial with %q", d.Allow, codesOf(d), codes)
	}
}
