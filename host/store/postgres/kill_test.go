package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
)

// These tests kill nodes that spend from budgets which they share, again and
// again, and compare what upstream has billed, what requests that were cut off
// are charged beyond it, and what the bank has out.

var kills = flag.Int("kills", 9, "how often TestKillNodes kills a node")

const (
	childEnv = "SIGNALBOX_TEST_NODE_DIR" // be a node with this directory
	urlEnv   = "SIGNALBOX_TEST_NODE_URL"
	nodes    = 3
	spenders = 16
	keys     = 8
	keyMax   = 4_000_000
	orgMax   = 24_000_000
)

func init() {
	dir := os.Getenv(childEnv)
	if dir == "" {
		return
	}
	if err := child(dir, os.Getenv(urlEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bills survive a kill: what upstream has billed, by key, what requests that
// were cut off are charged beyond it, and for each spender its last request.
type bills struct {
	file  *disk.Mapping
	cells []atomic.Int64
}

func openBills(dir string) (*bills, error) {
	file, _, err := disk.Map(filepath.Join(dir, "bills"), 4096)
	if err != nil {
		return nil, err
	}
	return &bills{file, unsafe.Slice((*atomic.Int64)(unsafe.Pointer(&file.Data[0])), 512)}, nil
}

func (b *bills) billed(k int) *atomic.Int64 { return &b.cells[k] }
func (b *bills) extra(k int) *atomic.Int64  { return &b.cells[keys+k] }
func (b *bills) last(g int) (id, cost *atomic.Int64) {
	at := 2*keys + 2*g
	return &b.cells[at], &b.cells[at+1]
}

// node is one that has recovered what a kill left.
type node struct {
	store *postgres.Store
	pool  *budget.Pool
	bills *bills
}

func openNode(ctx context.Context, dir, url string) (n *node, err error) {
	n = &node{}
	if n.bills, err = openBills(dir); err != nil {
		return nil, err
	}
	if n.store, err = postgres.Open(ctx, url, postgres.Options{Node: store.Node{ID: filepath.Base(dir)}}); err != nil {
		return nil, err
	}
	if n.pool, err = budget.Open(ctx, dir, n.store.Bank(), budget.Options{Idle: 200 * time.Millisecond, Look: 20 * time.Millisecond}); err != nil {
		return nil, err
	}
	for _, o := range n.pool.Orphans() {
		n.resolve(o)
	}
	return n, nil
}

// resolve charges an orphan that was sent what it had reserved, as the gateway does.
func (n *node) resolve(o budget.Orphan) {
	if !o.Sent {
		n.pool.Resolve(o, budget.Amounts{})
		return
	}
	billed := int64(0)
	for g := range spenders {
		if id, cost := n.bills.last(g); id.Load() == int64(o.ID) {
			billed = cost.Load()
		}
	}
	n.bills.extra(int(o.ID) % keys).Add(o.Amounts[call.UnitUSD] - billed)
	n.pool.Resolve(o, o.Amounts)
}

func (n *node) close() error {
	err := n.pool.Close()
	n.store.Close()
	n.bills.file.Close()
	return err
}

func (n *node) chain(k int) (*budget.Chain, error) {
	total := call.Window{Unit: "total", Size: 1}
	return n.pool.Chain([]call.Limit{
		{Scope: fmt.Sprint("key/", k), Window: total, Max: keyMax},
		{Scope: fmt.Sprint("key/", k), Unit: call.UnitTokens, Window: total, Max: keyMax},
		{Scope: "org/o", Window: total, Max: orgMax},
		{Scope: "env/e", Window: call.Window{Unit: "day", Size: 1, Rolling: true}, Max: orgMax},
	})
}

// child spends until it is killed, or all is spent.
func child(dir, url string) error {
	n, err := openNode(context.Background(), dir, url)
	if err != nil {
		return err
	}
	fmt.Println("spending")
	errs := make(chan error, spenders)
	base := time.Now().UnixNano()
	for g := range spenders {
		go func() {
			ch, err := n.chain(g % keys)
			for i := int64(0); err == nil; i++ {
				n.request(call.ID((base+i*spenders+int64(g))/keys*keys+int64(g%keys)), g, ch)
			}
			errs <- err
		}()
	}
	return <-errs
}

// request is one request's way through budget and upstream. What is sent costs
// up to what is reserved for it.
func (n *node) request(id call.ID, g int, ch *budget.Chain) (passed bool) {
	var ticket budget.Ticket
	bound := 1 + rand.Int64N(1500)
	if d := n.pool.Reserve(&ticket, id, ch, time.Now(), budget.Amounts{bound, bound}); d != nil {
		time.Sleep(time.Millisecond) // as a caller that has to come back
		return false
	}
	defer ticket.Release()
	if rand.IntN(8) == 0 {
		return true // given up before anything was sent
	}
	ticket.Sent()
	cost := 1 + rand.Int64N(bound)
	lastID, lastCost := n.bills.last(g)
	lastID.Store(0)
	lastCost.Store(cost)
	lastID.Store(int64(id))
	n.bills.billed(int(id) % keys).Add(cost)
	ticket.Settle(budget.Amounts{cost, cost})
	return true
}

func TestKillNodes(t *testing.T) {
	url, root := pgtest.New(t), t.TempDir()
	var left atomic.Int64
	left.Store(int64(*kills))
	var wg sync.WaitGroup
	for i := range nodes {
		dir := filepath.Join(root, fmt.Sprint("node", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := killOne(dir, url); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all := make([]*node, nodes)
	for i := range all {
		n, err := openNode(t.Context(), filepath.Join(root, fmt.Sprint("node", i)), url)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = n
	}
	compareNodes(t, all)
}

// killOne starts a node and kills it while it spends, or while it recovers.
func killOne(dir, url string) error {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+dir, urlEnv+"="+url)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if rand.IntN(4) > 0 {
		_, _ = out.Read(make([]byte, 1))
	}
	timer := time.AfterFunc(time.Duration(rand.IntN(400))*time.Millisecond, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	if err := c.Wait(); err == nil || err.Error() != "signal: killed" {
		return fmt.Errorf("the node ended by itself: %w", err)
	}
	return nil
}

// compareNodes spends all that is left over all nodes at once, closes them and
// compares the sums.
func compareNodes(t *testing.T, all []*node) {
	t.Helper()
	var wg sync.WaitGroup
	for i, n := range all {
		for g := range keys {
			wg.Go(func() { n.drain(t, g, call.ID(1+(i*keys+g)*1000*keys+g)) })
		}
	}
	wg.Wait()
	sums := [keys]int64{}
	var spent int64
	for _, n := range all {
		for k := range keys {
			sum := n.bills.billed(k).Load() + n.bills.extra(k).Load()
			sums[k] += sum
			spent += sum
		}
		if s := n.pool.Stats(); s.Overruns != 0 || s.Fenced {
			t.Errorf("stats %+v", s)
		}
	}
	for _, n := range all[1:] {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}
	if err := all[0].pool.Close(); err != nil {
		t.Error(err)
	}
	accounts, err := all[0].store.Bank().Accounts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	all[0].store.Close()
	all[0].bills.file.Close()
	out := map[string]int64{}
	for _, a := range accounts {
		unit, _ := budget.SplitName(a.Window)
		out[unit.String()+" "+a.Scope] += a.Granted
		if len(a.Leases) > 0 {
			t.Errorf("%s: leases %+v are left", a.Scope, a.Leases)
		}
	}
	for k, sum := range sums {
		key := fmt.Sprint("key/", k)
		if usd, tokens := out["usd_nano "+key], out["tokens "+key]; usd != sum || tokens != sum || sum > keyMax {
			t.Errorf("%s: the bank has %d nano-dollars and %d tokens out, %d were spent of %d", key, usd, tokens, sum, keyMax)
		}
	}
	if org, env := out["usd_nano org/o"], out["usd_nano env/e"]; org != spent || env != spent || spent > orgMax {
		t.Errorf("the bank has %d out for the organisation, %d for the environment; %d were spent of %d", org, env, spent, orgMax)
	}
	if spent < orgMax*99/100 {
		t.Errorf("%d of %d could be spent; want 99 %%", spent, orgMax)
	}
	t.Logf("%d of %d were spent", spent, orgMax)
}

// drain spends in small requests until nothing of its budgets is left.
func (n *node) drain(t *testing.T, k int, id call.ID) {
	ch, err := n.chain(k)
	if err != nil {
		t.Error(err)
		return
	}
	for refused := 0; refused < 20; id += keys {
		var ticket budget.Ticket
		if d := n.pool.Reserve(&ticket, id, ch, time.Now(), budget.Amounts{1500, 1500}); d != nil {
			refused++
			continue
		}
		refused = 0
		ticket.Sent()
		n.bills.billed(k).Add(1500)
		ticket.Settle(budget.Amounts{1500, 1500})
	}
}
