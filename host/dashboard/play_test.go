package dashboard_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestPlaygroundStaysWithinItsBudget however many ask at once, and what they
// said is neither in the log, the audit log nor any other file.
func TestPlaygroundStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	const budget, prompt = 0.002, "a prompt that nobody else is to read"
	g := startGateway(t, usualConfig+"playground: {budgets: [{usd: 0.002, window: day}]}\n")
	body := `{"model":"demo/echo","max_tokens":40,"messages":[{"role":"user","content":"` + strings.Repeat(prompt+" ", 4) + `"}]}`
	var wg sync.WaitGroup
	var mu sync.Mutex
	by := map[int]int{}
	for range 32 {
		wg.Go(func() {
			status, _ := send(t, "POST", g.admin+"/admin/playground/v1/chat/completions", ownerToken, body)
			mu.Lock()
			defer mu.Unlock()
			by[status]++
		})
	}
	wg.Wait()
	if by[200] == 0 || by[402] == 0 || by[200]+by[402]+by[429] != 32 {
		t.Errorf("32 at once are answered with %v; want some, and the rest refused", by)
	}
	g.until("/admin/usage?by=origin&origin=playground&status=200", `"requests":`+strconv.Itoa(by[200])+`,`)
	var usage struct {
		Total struct {
			Cost json.Number `json:"cost_usd"`
		}
	}
	g.ask("GET", "/admin/usage?by=origin&origin=playground", "", &usage)
	if cost, err := usage.Total.Cost.Float64(); err != nil || cost <= 0 || cost > budget {
		t.Errorf("the playground has spent %s of %v: %v", usage.Total.Cost, budget, err)
	}
	if !g.end() {
		t.Fatal("the gateway did not stop")
	}
	if strings.Contains(g.output(), prompt) {
		t.Error("the log has a prompt")
	}
	g.noFileHas(prompt)
}

// noFileHas looks through all that the gateway has written.
func (g *gateway) noFileHas(text string) {
	g.t.Helper()
	var seen int
	err := filepath.WalkDir(g.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if seen++; strings.Contains(string(b), text) {
			g.t.Errorf("%s has what was asked", path)
		}
		return err
	})
	if err != nil || seen < 2 {
		g.t.Errorf("%d files were read: %v", seen, err)
	}
}

// TestTicketsLetNobodyIn: what the playground uses within counts nowhere else.
func TestTicketsLetNobodyIn(t *testing.T) {
	t.Parallel()
	g := theGateway(t)
	const ask = `{"model":"smart","messages":[{"role":"user","content":"hello"}]}`
	for _, key := range []string{"signalbox-ticket/", "signalbox-ticket/ABCDEFGHIJKLMNOPQRSTUVWXYZ", "signalbox/playground"} {
		if status, body := send(t, "POST", g.data+"/v1/chat/completions", key, ask); status != http.StatusUnauthorized {
			t.Errorf("the key %s is answered with %d %s", key, status, body)
		}
		req, err := http.NewRequest("POST", g.admin+"/admin/playground/v1/chat/completions", strings.NewReader(ask))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+ownerToken)
		req.Header.Set("X-Signalbox-Key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("the virtual key %s is answered with %d", key, resp.StatusCode)
		}
	}
}
