package provider

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestAdapterServes(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-planted")
	s := newSupervisor(t, nil)
	set := mustApply(t, s, self(t, "fake", nil))
	set.Commit()
	p := set.Provider("fake")
	a := ask(t, p, "secret-1")
	if a.Credential != "secret-1" || a.PPID != os.Getpid() || a.PGID != a.PID {
		t.Errorf("got %+v", a)
	}
	allowed := map[string]bool{"PATH": true, "SIGNALBOX_PLUGIN": true, "PLUGIN_MIN_PORT": true, "PLUGIN_MAX_PORT": true,
		"PLUGIN_PROTOCOL_VERSIONS": true, "PLUGIN_UNIX_SOCKET_DIR": true, "PWD": true, egress.FDVar: true}
	for _, v := range given {
		allowed[v] = true
	}
	for _, v := range a.Env {
		if name, _, _ := strings.Cut(v, "="); !allowed[name] {
			t.Errorf("the adapter sees %s", v)
		}
	}
	private(t, a.Dir)
	private(t, filepath.Dir(p.Endpoint(wire.OpChat, wire.OpenAIChat).Addr))
	st := s.Stats()[0]
	if st.State != Running || st.PID != a.PID || st.Version != "0.1.0" || len(st.SHA256) != 64 || len(st.Endpoints) != 1 {
		t.Errorf("got %+v", st)
	}
	if m := set.Models("fake"); len(m) != 1 || m[0].Name != "m" || m[0].Context != 1000 {
		t.Errorf("got models %+v", m)
	}
}

func private(t *testing.T, dir string) {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("%s has mode %o; want 700", dir, mode)
	}
}

func TestKilledAdapterComesBack(t *testing.T) {
	s := newSupervisor(t, nil)
	set := mustApply(t, s, self(t, "fake", nil))
	set.Commit()
	p := set.Provider("fake")
	first := ask(t, p, "")
	old := p.Endpoint(wire.OpChat, wire.OpenAIChat)
	changed := p.Changed()
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	<-changed // withdrawn
	until(t, "restart", p.Up)
	t.Logf("back after %v", time.Since(at))
	second := ask(t, p, "")
	if second.PID == first.PID {
		t.Error("the same process")
	}
	if p.Endpoint(wire.OpChat, wire.OpenAIChat) == old {
		t.Error("the dead process's endpoint is still published")
	}
	until(t, "count", func() bool { return s.Stats()[0].Restarts == 1 })
	if _, err := os.Stat(filepath.Dir(old.Addr)); !os.IsNotExist(err) {
		t.Errorf("the dead process's folder is still there: %v", err)
	}
}
