package e2e_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var swaps = flag.Int("swaps", 10, "swaps of the routing module in each round of TestSwapsUnderLoad")

// admins posts to the admin API and decodes its answer.
func (g *gateway) admins(path string, body, answer any) {
	g.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		g.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", g.admin+path, bytes.NewReader(b))
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
	if err != nil || resp.StatusCode != 200 {
		g.t.Fatalf("POST %s: %d %s, %v", path, resp.StatusCode, raw, err)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		g.t.Fatal(err)
	}
}

// releases puts versions of one module in use, in turn.
type releases struct {
	*gateway
	labels []string
	turn   int64
	order  sync.Map     // label → the last turn in which it was promoted
	newest atomic.Int64 // turn whose promotion has been answered
}

type released struct{ Label string }

// push pushes so many versions of a module: a section of its own makes each
// another.
func (r *releases) push(module []byte, versions int) {
	r.t.Helper()
	for n := range versions {
		var v released
		r.admins("/admin/routes/priority/versions", map[string]any{"code": slices.Concat(module, []byte{0, 3, 1, 's', byte(n)})}, &v)
		r.labels = append(r.labels, v.Label)
	}
}

// swap promotes the next version.
func (r *releases) swap() {
	r.t.Helper()
	r.turn++
	label := r.labels[r.turn%int64(len(r.labels))]
	r.order.Store(label, r.turn)
	var v released
	r.admins("/admin/routes/priority/promote", map[string]any{"version": label[len("priority@"):], "force": true}, &v)
	r.newest.Store(r.turn)
}

// load sends requests from 4 clients, each every 4 ms, until stop, and returns
// how long they took.
func (r *releases) load(stop <-chan struct{}) []time.Duration {
	var wg sync.WaitGroup
	took := make([][]time.Duration, 4)
	for c := range took {
		wg.Go(func() {
			pace := time.NewTicker(4 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				least, begin := r.newest.Load(), time.Now()
				status, body, header, err := r.chat(request("fast", "hi", false))
				took[c] = append(took[c], time.Since(begin))
				n, known := r.order.Load(header.Get("X-Signalbox-Route"))
				if err != nil || status != 200 || !known || n.(int64) < least {
					r.t.Errorf("status %d, %v, by version %v (%s) after %d was in use: %s", status, err, n, header.Get("X-Signalbox-Route"), least, body)
					return
				}
			}
		})
	}
	wg.Wait()
	return slices.Concat(took...)
}

// TestSwapsUnderLoad promotes a version every 100 ms while requests run: none
// is lost, and none is planned by a version that had been replaced before it
// was sent. The log tells the percentiles beside those of rounds without swaps;
// -args -swaps 100 makes the rounds longer.
func TestSwapsUnderLoad(t *testing.T) {
	up := newUpstream(t)
	module, err := os.ReadFile(filepath.Join(bin, "plugins", "routes", "priority.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	r := &releases{gateway: newGateway(t, config(up.URL, "1000")+"routes: {priority: {module: builtin:priority}}\n")}
	r.push(module, 12)
	r.swap()
	took := map[bool][]time.Duration{}
	for round := range 4 {
		swapping := round%2 == 1
		tick := time.NewTicker(100 * time.Millisecond)
		stop := make(chan struct{})
		done := make(chan []time.Duration)
		go func() { done <- r.load(stop) }()
		for range *swaps {
			<-tick.C
			if swapping {
				r.swap()
			}
		}
		close(stop)
		took[swapping] = append(took[swapping], <-done...)
		tick.Stop()
	}
	for _, swapping := range []bool{false, true} {
		d := took[swapping]
		slices.Sort(d)
		t.Logf("swaps %t: %d requests, p50 %v, p90 %v, p99 %v", swapping, len(d), d[len(d)/2], d[len(d)*90/100], d[len(d)*99/100])
	}
}
