package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// listed is what the admin API tells of one routing module.
func (g *gateway) listed(name string) (active string, versions map[string]string) {
	g.t.Helper()
	req, err := http.NewRequest("GET", g.admin+"/admin/routes/"+name, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	var list struct {
		Modules []struct {
			Active   string
			Versions []struct{ Label, State string }
		}
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list.Modules) != 1 {
		g.t.Fatalf("got %s, %v", raw, err)
	}
	versions = map[string]string{}
	for _, v := range list.Modules[0].Versions {
		versions[v.Label] = v.State
	}
	return list.Modules[0].Active, versions
}

// TestKillWhilePromoting kills the gateway while several clients push, promote,
// roll back and reload: afterwards exactly one version is active, it serves, and
// it is one of those whose promotion may have been the last.
func TestKillWhilePromoting(t *testing.T) {
	up := newUpstream(t)
	module, err := os.ReadFile(filepath.Join(bin, "plugins", "routes", "priority.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	r := &releases{gateway: newGateway(t, config(up.URL, "1000")+"routes: {priority: {module: builtin:priority}}\n")}
	r.push(module, 6)
	for round := range 3 {
		var steps atomic.Int64
		var wg sync.WaitGroup
		enough := make(chan struct{})
		post := func(path string, body any) bool {
			b, err := json.Marshal(body)
			if err != nil {
				t.Error(err)
				return false
			}
			req, err := http.NewRequest("POST", r.admin+path, strings.NewReader(string(b)))
			if err != nil {
				t.Error(err)
				return false
			}
			req.Header.Set("Authorization", "Bearer "+adminToken)
			resp, err := client.Do(req)
			if err != nil {
				return false // it has been killed
			}
			defer resp.Body.Close()
			raw, _ := io.ReadAll(resp.Body)
			if resp.StatusCode >= 500 {
				t.Errorf("POST %s: %d %s", path, resp.StatusCode, raw)
			}
			if steps.Add(1) == 30 {
				close(enough)
			}
			return true
		}
		for c := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					label := r.labels[(i+c)%len(r.labels)]
					going := true
					switch (i + c) % 8 {
					case 3:
						going = post("/admin/routes/priority/rollback", map[string]any{"force": true})
					case 5:
						going = post("/admin/routes/priority/versions", map[string]any{"code": slices.Concat(module, []byte{0, 3, 1, 's', byte(i % 6)})})
					case 7:
						going = post("/admin/reload", map[string]any{})
					default:
						going = post("/admin/routes/priority/promote", map[string]any{"version": label[len("priority@"):], "force": true})
					}
					if !going {
						return
					}
				}
			})
		}
		<-enough
		r.kill()
		wg.Wait()
		r.start()
		active, versions := r.listed("priority")
		n := 0
		for _, state := range versions {
			if state == "active" {
				n++
			}
		}
		status, body, header, err := r.chat(request("fast", "hi", false))
		if err != nil || status != 200 || header.Get("X-Signalbox-Route") != active || versions[active] != "active" || n != 1 {
			t.Fatalf("round %d: active is %s of %v; served with %d by %s, %v: %s", round, active, versions, status, header.Get("X-Signalbox-Route"), err, body)
		}
	}
}
