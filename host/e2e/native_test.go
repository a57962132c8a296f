package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// tells asks the admin API and reads its answer into to.
func (g *gateway) tells(path string, to any) {
	g.t.Helper()
	if status, text := g.adminDo("GET", path, ""); status != 200 || json.Unmarshal([]byte(text), to) != nil {
		g.t.Fatalf("GET %s: %d %s", path, status, text)
	}
}

// money is what the key's budget has spent and reserved, in nano-dollars.
func (g *gateway) money() (spent, reserved int64) {
	g.t.Helper()
	var page struct {
		Budgets []struct {
			Scope           string
			Spent, Reserved int64
		}
	}
	g.tells("/admin/budgets", &page)
	for _, b := range page.Budgets {
		if strings.HasPrefix(b.Scope, "key/") {
			spent, reserved = b.Spent, b.Reserved
		}
	}
	return spent, reserved
}

// agree compares the provider's bill, the ledger and the budget once the batch is over.
func (b *batcher) agree(g *gateway, id string) {
	g.t.Helper()
	b.mu.Lock()
	billed := b.billed
	for id, n := range b.ids {
		if n != 1 {
			g.t.Errorf("%s was carried out %d times", id, n)
		}
	}
	b.mu.Unlock()
	u := g.usageOf("?origin=batch/" + id)
	if u.Nano != billed {
		g.t.Errorf("the provider bills %d; the ledger has %d", billed, u.Nano)
	}
	var spent, reserved int64
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if spent, reserved = g.money(); spent == billed && reserved == 0 {
			return
		}
	}
	g.t.Errorf("the provider bills %d; the budget has spent %d, and %d is reserved", billed, spent, reserved)
}

// check compares what the batch says of its lines with what was carried out.
func (b *batcher) check(g *gateway, a batchAnswer, n int, codes map[string]int) {
	g.t.Helper()
	got := map[string]int{}
	all := g.results(a)
	for i := range n {
		code, ok := all[fmt.Sprintf("id-%d", i)]
		if !ok {
			code = "lost"
		}
		got[code]++
	}
	if fmt.Sprint(got) != fmt.Sprint(codes) || len(all) != n {
		g.t.Errorf("%d lines ended as %v; want %v", len(all), got, codes)
	}
	if a.Counts.Total != n || a.Counts.Completed != codes[""] {
		g.t.Errorf("the batch says %+v; want %d, %d of them well", a.Counts, n, codes[""])
	}
}

func (g *gateway) native(input string) batchAnswer {
	g.t.Helper()
	var a batchAnswer
	g.well("POST", "/v1/batches", "application/json", fmt.Appendf(nil, `{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, input), &a)
	return a
}

type batchRow struct {
	Mode, Provider, Status string
	ProviderStatus         string  `json:"provider_status"`
	CostUSD                float64 `json:"cost_usd"`
	Why                    string
}

func (g *gateway) row(id string) (r batchRow) {
	g.t.Helper()
	g.tells("/admin/batches/"+id, &r)
	return r
}

// TestNativeBatch: a batch that one provider can have is carried out there, at
// half price, and three sums agree; lines that are refused do not leave.
func TestNativeBatch(t *testing.T) {
	t.Parallel()
	up := newBatcher(t)
	g := newGateway(t, config(up.door.URL, "1000"))
	const lines = 300
	text := strings.Replace(batchInput(lines), `line 7"`, `faulty"`, 1)
	a := g.over(g.native(g.upload(text)).ID)
	up.check(g, a, lines, map[string]int{"": lines - 1, "400": 1})
	up.agree(g, a.ID)
	if r := g.row(a.ID); a.Status != "completed" || r.Mode != "native" || r.Provider != "up" || r.ProviderStatus != "completed" {
		t.Errorf("the batch ended as %+v, %+v", a, r)
	}
	if up.created != 1 || up.count("POST /v1/chat/completions") != 0 || up.billed != (lines-1)*halfNano {
		t.Errorf("%d batches were made, %d requests, for %d", up.created, up.count("POST /v1/chat/completions"), up.billed)
	}
	if up.count("DELETE /v1/files/{id}") != 3 {
		t.Errorf("%d files were removed; want those of input, output and errors", up.count("DELETE /v1/files/{id}"))
	}
}

// TestNativeBatchSurvivesKills: whatever it was at when the gateway was killed,
// the provider carries out every line once, and the sums agree.
func TestNativeBatchSurvivesKills(t *testing.T) {
	t.Parallel()
	up := newBatcher(t)
	up.survives(newGateway(t, config(up.door.URL, "1000")), []kill{
		{pattern: "POST /v1/files"},
		{pattern: "POST /v1/batches"},                            // it is made, and nobody hears of it
		{pattern: "GET /v1/batches/{id}"},                        // while it is waited for
		{pattern: "GET /v1/files/{id}/content", before: up.free}, // before the answers
		{pattern: "half GET /v1/files/{id}/content"},             // amid them
	})
}

// kill is when the provider is asked for something.
type kill struct {
	pattern       string
	before, after func() // nil: nothing
}

// survives makes a batch and kills the gateway again and again: the provider
// carries out every line once, and the sums agree.
func (b *batcher) survives(g *gateway, kills []kill) {
	b.t.Helper()
	const lines = 400
	b.hold = true
	release := b.stall(kills[0].pattern)
	a := g.native(g.upload(batchInput(lines)))
	for i, k := range kills {
		if k.before != nil {
			k.before()
		}
		select {
		case <-b.reached:
		case <-time.After(time.Minute):
			b.t.Fatalf("%s is not asked for:\n%s", k.pattern, g.output())
		}
		g.kill()
		release()
		if k.after != nil {
			k.after()
		}
		if i+1 < len(kills) { // before the gateway starts: it goes on at once
			release = b.stall(kills[i+1].pattern)
		}
		g.start()
	}
	a = g.over(a.ID)
	b.check(g, a, lines, map[string]int{"": lines})
	b.agree(g, a.ID)
	if a.Status != "completed" || b.created != 1 {
		b.t.Errorf("the batch ended as %+v; %d were made", a, b.created)
	}
}

// shared is the configuration of nodes that share a PostgreSQL.
func shared(t *testing.T, text, more string) string {
	return strings.Replace(text, `store: {url: "sqlite:state/signalbox.db"}`,
		fmt.Sprintf("store: {url: %q, dir: state}\nsecrets: {key: a-key-that-the-nodes-of-a-test-share}\n%s", pgtest.New(t), more), 1)
}

// TestNativeBatchMovesToAnotherNode: another node goes on with what one that
// died has sent and paid for, and gives back what was not spent.
func TestNativeBatchMovesToAnotherNode(t *testing.T) {
	t.Parallel()
	up := newBatcher(t)
	text := shared(t, config(up.door.URL, "1000"), "")
	first, second := newGateway(t, text), newGateway(t, text)
	const lines = 200
	up.hold, up.end, up.done = true, "expired", 150
	a := first.native(first.upload(batchInput(lines)))
	for end := time.Now().Add(time.Minute); up.count("GET /v1/batches/{id}") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nobody asks for the batch:\n%s", first.output())
		}
	}
	if _, reserved := first.money(); reserved < lines*halfNano {
		t.Errorf("%d is reserved while the batch runs; want %d at least", reserved, lines*halfNano)
	}
	first.kill()
	up.free()
	a = second.over(a.ID)
	up.check(second, a, lines, map[string]int{"": 150, "batch_expired": 50})
	if a.Status != "expired" || up.created != 1 {
		t.Errorf("the batch ended as %+v; %d were made", a, up.created)
	}
	first.start() // it hands back what it had leased beside
	up.agree(second, a.ID)
}

// TestNativeBatchIsCancelled: at the provider too, and what it had carried out
// by then is paid for.
func TestNativeBatchIsCancelled(t *testing.T) {
	t.Parallel()
	up := newBatcher(t)
	up.cancelled(newGateway(t, config(up.door.URL, "1000")), "POST /v1/batches/{id}/cancel")
}

// cancelled makes a batch and cancels it amid its lines.
func (b *batcher) cancelled(g *gateway, pattern string) {
	b.t.Helper()
	const lines = 50
	b.hold, b.done = true, 20
	a := g.native(g.upload(batchInput(lines)))
	eventually(b.t, "the batch is begun", func() bool { return g.row(a.ID).ProviderStatus == "in_progress" })
	if r := g.row(a.ID); r.Provider != "up" || r.Mode != "native" {
		b.t.Errorf("the admin API shows %+v", r)
	}
	if _, reserved := g.money(); reserved < lines*halfNano {
		b.t.Errorf("%d is reserved while the batch runs; want %d at least", reserved, lines*halfNano)
	}
	g.well("POST", "/v1/batches/"+a.ID+"/cancel", "application/json", nil, nil)
	a = g.over(a.ID)
	b.check(g, a, lines, map[string]int{"": 20, "batch_cancelled": 30})
	b.agree(g, a.ID)
	if a.Status != "cancelled" || b.count(pattern) == 0 {
		b.t.Errorf("the batch ended as %+v", a)
	}
}

// TestNativeBatchIsRefused: what a provider does not take the gateway carries
// out itself, unless the caller has asked for the provider alone.
func TestNativeBatchIsRefused(t *testing.T) {
	t.Parallel()
	up := newBatcher(t)
	g := newGateway(t, strings.Replace(config(up.door.URL, "0.02"), "own: {targets: [{model: demo/echo}]", "own: {targets: [{model: demo/echo}, {model: up/m}]", 1)+"batches: {mode: native}\n")
	f := func(input, status, code, why string) {
		t.Helper()
		a := g.over(g.native(g.upload(input)).ID)
		r := g.row(a.ID)
		got := ""
		if a.Errors != nil && len(a.Errors.Data) > 0 {
			got = a.Errors.Data[0].Code
		}
		if a.Status != status || got != code || !strings.Contains(r.Why, why) {
			t.Errorf("it ended as %+v with %s (%+v); want %s with %s", a, got, r, status, code)
		}
		if spent, reserved := g.money(); spent != 0 || reserved != 0 {
			t.Errorf("%s: %d is spent, %d reserved; want nothing", code, spent, reserved)
		}
	}
	up.refuse = "billing_limit"
	f(batchInput(3), "failed", "invalid_request", "")
	up.refuse, up.end = "", "failed"
	f(batchInput(3), "failed", "token_limit_exceeded", "")
	f(batchFor("own", 3), "failed", "batch_not_native", "") // the demo provider has no batches
	f(batchInput(100), "failed", "batch_not_native", "")    // at half a cent for ten, a hundred cost more than two cents
	if up.created != 1 {
		t.Errorf("%d batches were made; want the one that failed", up.created)
	}
}
