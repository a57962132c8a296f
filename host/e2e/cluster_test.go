package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/door"
	"github.com/signalbox-ai/signalbox/host/limit/redistest"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// cluster is several gateways that share a PostgreSQL with a synchronous
// standby and a Redis, each behind a door.
type cluster struct {
	t     *testing.T
	up    *upstream
	pg    *pgtest.Pair
	redis *redistest.Server
	way   *door.Door // to the Redis
	nodes []*gateway

	answered sync.Map // request id → true, of requests that callers saw answered
	passed   atomic.Int64
	refused  atomic.Int64
	failed   atomic.Int64
}

// newCluster starts n gateways; key says what limits the one key that they have,
// counters how they use the Redis.
func newCluster(t *testing.T, n int, key string, counters ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, up: newUpstream(t), pg: pgtest.NewPair(t), redis: redistest.Start(t)}
	c.way = c.redis.Door()
	for range n {
		c.nodes = append(c.nodes, newGateway(t, c.config(key, counters)))
	}
	return c
}

func (c *cluster) config(key string, counters []string) string {
	text := config(c.up.URL, "1000")
	text = strings.Replace(text, `store: {url: "sqlite:state/signalbox.db"}`,
		fmt.Sprintf("store: {url: %q, dir: state}\nsecrets: {key: a-key-that-the-nodes-of-a-test-share}\ncounters: {%s}", c.pg.URL(),
			strings.Join(append(counters, fmt.Sprintf("url: \"redis://%s\"", c.way.Address())), ", ")), 1)
	return strings.Replace(text, "budgets: [{usd: 1000, window: day}]", key, 1)
}

// ask sends one request to a node and notes how it went.
func (c *cluster) ask(node int, text string, stream bool) (status int) {
	status, _, header, err := c.nodes[node].chat(request("fast", text, stream))
	switch {
	case err == nil && status == 200:
		c.passed.Add(1)
		c.answered.Store(header.Get("X-Signalbox-Request-Id"), true)
	case err == nil && (status == 402 || status == 429):
		c.refused.Add(1)
	default:
		c.failed.Add(1)
	}
	return status
}

// rows are the ids of the ledger's requests and what they did cost, as a node exports them.
func (c *cluster) rows(node int) (cost map[string]int64, twice int) {
	c.t.Helper()
	g := c.nodes[node]
	req, err := http.NewRequest("GET", g.admin+"/admin/ledger", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		b, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("GET /admin/ledger: %d %s", resp.StatusCode, b)
	}
	cost = map[string]int64{}
	for dec := json.NewDecoder(resp.Body); dec.More(); {
		var row struct {
			ID   string      `json:"id"`
			Cost json.Number `json:"cost_usd"`
		}
		if err := dec.Decode(&row); err != nil {
			c.t.Fatal(err)
		}
		if _, known := cost[row.ID]; known {
			twice++
		}
		nano, err := call.ParseUSD(row.Cost.String())
		if err != nil {
			c.t.Fatal(err)
		}
		cost[row.ID] += nano
	}
	return cost, twice
}

// settled waits until every node has folded its journal: the ledger holds all
// that callers saw answered.
func (c *cluster) settled() map[string]int64 {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		for _, g := range c.nodes {
			g.usage() // which folds what is in the node's journal
		}
		cost, twice := c.rows(0)
		missing := 0
		c.answered.Range(func(id, _ any) bool {
			if _, ok := cost[id.(string)]; !ok {
				missing++
			}
			return true
		})
		if missing == 0 || time.Now().After(deadline) {
			if missing > 0 || twice > 0 {
				c.t.Errorf("%d answered requests are not in the ledger, %d are in it twice", missing, twice)
			}
			return cost
		}
	}
}

// balance compares the three sums: what the upstream billed, the ledger, the budget.
func (c *cluster) balance(budget int64) (ledger int64) {
	c.t.Helper()
	for _, n := range c.settled() {
		ledger += n
	}
	if billed := c.up.billed.Load(); billed > ledger {
		c.t.Errorf("the upstream billed %d, the ledger has %d", billed, ledger)
	}
	if ledger > budget {
		c.t.Errorf("the ledger has %d, the budget is %d: overspent", ledger, budget)
	}
	return ledger
}

// heals waits until the gateway reaches its store again, and its bank.
func (g *gateway) heals() {
	g.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, _ := g.adminDo("GET", "/admin/budgets", "") // which reads the store
		if status == 200 && strings.Contains(g.metrics(), "\nsignalbox_budget_bank_down 0\n") {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the store is not reached again: GET /admin/budgets is answered %d", status)
		}
	}
}

// killAdapter ends one of node's adapters at once.
func (c *cluster) killAdapter(node int) {
	c.t.Helper()
	for _, pid := range children(c.t, c.nodes[node].cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return
	}
	c.t.Error("the gateway has no adapter to kill")
}

func children(t *testing.T, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(strings.TrimPrefix(filepath.Dir(path), "/proc/"))
			pids = append(pids, pid)
		}
	}
	return pids
}
