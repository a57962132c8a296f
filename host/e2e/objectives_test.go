package e2e_test

import (
	"encoding/json"
	"syscall"
	"testing"
	"time"
)

// fares is what is read of GET /admin/providers/health.
type fares struct {
	Provider string
	Now      struct {
		Up    bool
		State string
	}
	Adapter struct {
		PID      int
		Restarts int
		RSS      int64 `json:"rss_bytes"`
		Version  string
	}
	Minutes []struct {
		Attempts, Failed int64
		Down             float64 `json:"down_seconds"`
	}
	Targets []struct {
		Target, Breaker string
		Minutes         []struct{ Attempts int64 }
	}
	Objective *struct {
		Availability struct {
			Target, Actual float64
			Left           float64 `json:"budget_left"`
		}
	}
}

// fares tells how a provider fares and has fared.
func (g *gateway) fares(provider string) fares {
	g.t.Helper()
	var out struct{ Providers []fares }
	if err := json.Unmarshal([]byte(g.must("GET", "/admin/providers/health?provider="+provider, "")), &out); err != nil || len(out.Providers) != 1 {
		g.t.Fatalf("health of %s: %+v, %v", provider, out, err)
	}
	return out.Providers[0]
}

// TestProvidersHealth: a provider that loses its adapter is seen to, and to
// recover; what is known of it is kept over a restart.
func TestProvidersHealth(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100")+`
objectives: {default: {availability: 99, latency: 2s}, providers: {demo: {availability: 50}}}
`)
	for range 5 {
		if status, body, _, err := g.chat(request("own", "hi", false)); status != 200 || err != nil {
			t.Fatalf("status %d, %v: %s", status, err, body)
		}
	}
	f := g.fares("demo")
	if !f.Now.Up || f.Now.State != "running" || f.Adapter.PID == 0 || f.Adapter.RSS == 0 || len(f.Minutes) == 0 || len(f.Targets) == 0 {
		t.Fatalf("demo: %+v", f)
	}
	if f.Objective.Availability.Target != 50 || f.Objective.Availability.Actual != 100 || f.Objective.Availability.Left != 1 {
		t.Errorf("its objective: %+v", f.Objective.Availability)
	}
	before := f.Adapter.PID
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		f = g.fares("demo")
		if f.Now.Up && f.Adapter.PID != before && f.Adapter.Restarts == 1 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("demo does not come back: %+v", f)
		}
	}
	g.stop()
	g.start()
	if f = g.fares("demo"); f.Minutes[0].Attempts < 5 {
		t.Errorf("after a restart %d attempts are known; want 5", f.Minutes[0].Attempts)
	}
	if status, body := g.admire("GET", "/admin/providers/health?provider=none", adminToken, ""); status != 404 {
		t.Errorf("an unknown provider: %d %s", status, body)
	}
}
