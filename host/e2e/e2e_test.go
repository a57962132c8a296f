package e2e_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// config serves the upstream at url; budget is dollars a day for the one key.
func config(url, budget string) string {
	host := strings.TrimPrefix(url, "http://")
	return fmt.Sprintf(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
providers:
  up: {adapter: openai, config: {base_url: %q}, hosts: [%q], credentials: [{name: main, value: "${env:PROVIDER_KEY}"}]}
  demo: {adapter: demo}
models:
  fast: {targets: [{model: up/m}], route: priority}
  safe: {targets: [{model: demo/echo}, {model: up/m}], route: priority}
  own: {targets: [{model: demo/echo}], route: priority}
prices: {"up/m": {input_per_mtok: 0, output_per_mtok: %d, max_output: 1000}}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}", team: core, budgets: [{usd: %s, window: day}]}]
`, url+"/v1", host, outputPrice, budget)
}

// TestBudgetUnderConcurrency: of a thousand requests at once on a budget for a
// hundred, exactly a hundred pass, and three sums agree: the upstream's own
// bill, the ledger, the budget.
func TestBudgetUnderConcurrency(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "0.1")) // 100 × 100 tokens × 10 $/M
	var passed, refused, other atomic.Int64
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			status, body, _, err := g.chat(request("fast", "slow", i%2 == 0))
			switch {
			case err == nil && status == 200:
				passed.Add(1)
			case err == nil && status == 402 && strings.Contains(body, "budget_exceeded"):
				refused.Add(1)
			default:
				other.Add(1)
				t.Errorf("status %d, %v: %s", status, err, body)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 100 || refused.Load() != 900 {
		t.Errorf("%d passed, %d were refused, %d failed; want 100 and 900", passed.Load(), refused.Load(), other.Load())
	}
	u := g.usage()
	if want := int64(100 * answerNano); up.billed.Load() != want || u.Nano != want {
		t.Errorf("upstream billed %d, the ledger has %d, the budget is %d", up.billed.Load(), u.Nano, want)
	}
	if u.Requests != 1000 {
		t.Errorf("the ledger has %d requests, want all 1000, refused ones too", u.Requests)
	}
}

var rounds = flag.Int("rounds", 3, "how often a gateway is killed")

// TestKilledGatewayLosesNothing: whatever was answered before kill -9 is in the
// ledger after the restart, and what was open is settled or released.
func TestKilledGatewayLosesNothing(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100"))
	var answered atomic.Int64
	for range *rounds {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if status, _, _, err := g.chat(request("fast", "hi", false)); err == nil && status == 200 {
						answered.Add(1)
					} else if err != nil {
						return // killed
					}
				}
			})
		}
		for more := answered.Load() + 100 + rand.Int64N(900); answered.Load() < more; {
			time.Sleep(time.Millisecond)
		}
		g.kill()
		close(stop)
		wg.Wait()
		g.start()
	}
	u := g.usage()
	if u.Requests < answered.Load() {
		t.Errorf("%d requests were answered, the ledger has %d", answered.Load(), u.Requests)
	}
	if billed := up.billed.Load(); u.Nano < billed {
		t.Errorf("the upstream billed %d, the ledger has %d", billed, u.Nano)
	}
	if own := g.usageOf("?key=dev"); own != u {
		t.Errorf("of %+v in all, %+v is the key's own", u, own)
	}
	if most := up.calls.Load()*answerNano + 16*int64(*rounds)*answerNano; u.Nano > most {
		t.Errorf("the ledger has %d for %d upstream calls: more than what was open can explain", u.Nano, up.calls.Load())
	}
}

// TestKilledAdapterIsBackByItself: kill -9 of an adapter under load fails no
// request, since none had a byte of its answer.
func TestKilledAdapterIsBackByItself(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100"))
	stop := make(chan struct{})
	var ok atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		model := []string{"safe", "own"}[i%2]
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, body, _, err := g.chat(request(model, "hi", false))
				if err != nil || status != 200 {
					t.Errorf("%s: status %d, %v: %s", model, status, err, body)
					return
				}
				ok.Add(1)
			}
		})
	}
	for range 3 {
		before := ok.Load()
		for ok.Load() < before+200 {
			time.Sleep(time.Millisecond)
		}
		if err := syscall.Kill(adapterPID(t, g, "demo"), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	before := ok.Load()
	for ok.Load() < before+200 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	wg.Wait()
}

// adapterPID finds the child of the gateway whose command line names adapter.
func adapterPID(t *testing.T, g *gateway, adapter string) int {
	t.Helper()
	for range 500 {
		out, err := exec.Command("pgrep", "-P", strconv.Itoa(g.cmd.Process.Pid), "-f", adapter).Output()
		if pid, perr := strconv.Atoi(strings.TrimSpace(strings.SplitN(string(out), "\n", 2)[0])); err == nil && perr == nil {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no child of the gateway is called %q", adapter)
	return 0
}

// TestReloadUnderLoad: neither SIGHUP nor a changed file fails a request, a bad
// configuration changes nothing, and a good one is in force afterwards.
func TestReloadUnderLoad(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100"))
	stop := make(chan struct{})
	var ok atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, body, _, err := g.chat(request("fast", "hi", false))
				if err != nil || status != 200 {
					t.Errorf("status %d, %v: %s", status, err, body)
					return
				}
				ok.Add(1)
			}
		})
	}
	wait := func(what string) {
		for from, seen := ok.Load(), 0; !t.Failed(); {
			seen = strings.Count(g.output(), what)
			if seen > 0 && ok.Load() > from+100 {
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	for range 3 {
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		wait("configuration reloaded")
	}
	g.write("providers: {up: {adaptor: openai}}")
	wait("did you mean")
	g.write(strings.Replace(config(up.URL, "100"), "fast:", "faster: {targets: [{model: up/m}]}\n  fast:", 1))
	for !t.Failed() {
		if status, _, _, _ := g.chat(request("faster", "hi", false)); status == 200 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
}

// TestLeavingCallerIsSettled: the upstream's request ends and the ledger has
// what was used so far, marked as an estimate.
func TestLeavingCallerIsSettled(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100"))
	req, _ := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(request("fast", "endless", true)))
	req.Header.Set("Authorization", "Bearer "+callerKey)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	for range 20 {
		lines.Scan()
	}
	_ = resp.Body.Close()
	<-up.gone
	for g.usage().Requests == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if u := g.usage(); u.Nano <= 0 || u.Nano > answerNano {
		t.Errorf("the ledger has %d nano-dollars, want more than none and at most the reserved %d", u.Nano, answerNano)
	}
}
