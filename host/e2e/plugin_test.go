package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// plugin runs a subcommand of "signalbox plugin" against the gateway.
func (g *gateway) plugin(args ...string) (string, error) {
	args = append([]string{"plugin"}, args...)
	args = append(args, "--address", strings.TrimPrefix(g.admin, "http://"), "--token", adminToken)
	out, err := exec.Command(filepath.Join(bin, "signalbox"), args...).CombinedOutput()
	return string(out), err
}

func (g *gateway) mustPlugin(want string, args ...string) {
	g.t.Helper()
	if out, err := g.plugin(args...); err != nil || !strings.Contains(out, want) {
		g.t.Errorf("plugin %s: %v: got %s; want %q", strings.Join(args, " "), err, out, want)
	}
}

// TestPluginLifecycle installs, upgrades and restarts an adapter by the
// command line while streams run, and finds the version again after a restart.
func TestPluginLifecycle(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100"))
	g.mustPlugin("running", "list")
	program := filepath.Join(bin, "plugins", "providers", "demo")
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for !stop.Load() {
				status, body, _, err := g.chat(request("demo/echo", "hi", true))
				if err != nil || status != 200 || !strings.Contains(body, "[DONE]") {
					t.Errorf("status %d, %v: %s", status, err, body)
				}
			}
		})
	}
	g.mustPlugin("installed demo@", "install", program)
	g.mustPlugin("is in use", "upgrade", "demo")
	for range 3 {
		g.mustPlugin("runs anew", "restart", "demo")
	}
	stop.Store(true)
	wg.Wait()
	g.mustPlugin("true", "list")
	g.mustPlugin("", "logs", "demo")
	for args, want := range map[string]string{
		"upgrade absent": "not installed", "restart absent": "there is no provider", "logs absent": "there is no provider",
		"install " + program + " --sha256 " + strings.Repeat("0", 64): "it has sha256", "install /etc/passwd": "not an executable",
	} {
		if out, err := g.plugin(strings.Fields(args)...); err == nil || !strings.Contains(out, want) && want != "not an executable" {
			t.Errorf("plugin %s: got %v, %s; want %q", args, err, out, want)
		}
	}
	g.stop()
	if _, err := os.Stat(filepath.Join(g.dir, "state", "adapters", "catalogue.json")); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.mustPlugin("true", "list")
	if status, body, _, err := g.chat(request("demo/echo", "hi", false)); err != nil || status != 200 {
		t.Errorf("status %d, %v: %s", status, err, body)
	}
}
