package sqlite_test

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
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// These tests kill a process that spends money, again and again, and compare
// three sums: what upstream billed, what the ledger says, what the bank has out.

var kills = flag.Int("kills", 10, "how often TestKill kills its child")

const (
	childEnv = "SIGNALBOX_TEST_SPEND_IN" // the data directory: be the child
	pointEnv = "SIGNALBOX_TEST_DIE_AT"   // where in its first request the child kills itself
	spenders = 64
	keys     = 16
	keyMax   = 6_000_000
	orgMax   = 10_000_000_000
	// recovered marks the rows of requests that a kill cut off.
	recovered = "recovered"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := spend(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// books is a data directory, open and recovered as the host does it.
type books struct {
	store  *sqlite.Store
	ledger *ledger.Ledger
	pool   *budget.Pool
	bills  []atomic.Int64 // per key, what upstream has billed; survives a kill
	bill   *disk.Mapping
	point  string // where to die
}

// at dies at a point of a request's way, if it is the chosen one.
func (b *books) at(point string) {
	if b.point == point {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func openBooks(dir string) (b *books, err error) {
	ctx := context.Background()
	b = &books{}
	if b.bill, _, err = disk.Map(filepath.Join(dir, "bills"), 4096); err != nil {
		return nil, err
	}
	b.bills = unsafe.Slice((*atomic.Int64)(unsafe.Pointer(&b.bill.Data[0])), keys)
	if b.store, err = sqlite.Open(ctx, "sqlite:"+filepath.Join(dir, "signalbox.db"), sqlite.Options{}); err != nil {
		return nil, err
	}
	opts := ledger.Options{Segment: 64 << 10, FoldEvery: 20 * time.Millisecond, SyncEvery: 20 * time.Millisecond}
	if b.ledger, err = ledger.Open(ctx, filepath.Join(b.store.Dir(), "journal"), b.store, opts); err != nil {
		return nil, err
	}
	if b.pool, err = budget.Open(ctx, b.store.Dir(), b.store.Bank(), budget.Options{Idle: 30 * time.Millisecond}); err != nil {
		return nil, err
	}
	for _, o := range b.pool.Orphans() {
		cost, found, err := b.ledger.Row(ctx, o.ID)
		if err != nil {
			return nil, err
		}
		if !found && o.Sent {
			cost = o.Amounts[call.UnitUSD]
			r := call.Record{ID: o.ID, Cost: cost, Target: recovered, KeyID: keyOf(int(o.ID) % keys), Provenance: call.CostEstimated}
			if err := b.ledger.Append(&r); err != nil {
				return nil, err
			}
		}
		b.pool.Resolve(o, took(cost))
	}
	return b, nil
}

func (b *books) close(t *testing.T) {
	t.Helper()
	for _, err := range []error{b.pool.Close(), b.ledger.Close(context.Background()), b.store.Close(), b.bill.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
}

// took is what a request takes that costs n: as many tokens, to keep it simple.
func took(n int64) (a budget.Amounts) {
	if n > 0 {
		a = budget.Amounts{n, n, 1}
	}
	return a
}

func keyOf(k int) string { return fmt.Sprintf("k%02d", k) }

// chain is key k's: its own budget, its team's and the organisation's.
func (b *books) chain(k int) (*budget.Chain, error) {
	total := call.Window{Unit: "total", Size: 1}
	return b.pool.Chain([]call.Limit{
		{Scope: "key/" + keyOf(k), Window: total, Max: keyMax},
		{Scope: fmt.Sprint("team/", k%4), Window: call.Window{Unit: "minute", Size: 1}, Max: orgMax},
		{Scope: "org/o", Window: total, Max: orgMax},
		{Scope: "key/" + keyOf(k), Unit: call.UnitTokens, Window: total, Max: keyMax},
		{Scope: "key/" + keyOf(k), Unit: call.UnitRequests, Window: total, Max: orgMax},
		{Scope: "env/e", Window: call.Window{Unit: "minute", Size: 1, Rolling: true}, Max: orgMax},
	})
}

// spend is the child: many requests at once until it is killed.
func spend(dir string) error {
	b, err := openBooks(dir)
	if err != nil {
		return err
	}
	b.point = os.Getenv(pointEnv)
	var seq atomic.Int64
	seq.Store(int64(call.FirstID(time.Now()))/keys + 1)
	var wg sync.WaitGroup
	errs := make(chan error, spenders)
	crowd := spenders
	if b.point != "" {
		crowd = 1
	}
	for g := range crowd {
		wg.Go(func() {
			k := g % keys
			ch, err := b.chain(k)
			for n := 0; err == nil; n++ {
				err = b.request(call.ID(seq.Add(1)*keys+int64(k)), k, ch)
				if g == 0 && n == 100 {
					fmt.Println("busy")
				}
			}
			errs <- err
		})
	}
	return <-errs
}

// request is one request's way through budget, upstream and ledger.
func (b *books) request(id call.ID, k int, ch *budget.Chain) error {
	var ticket budget.Ticket
	bound := 1 + rand.Int64N(5000)
	if b.pool.Reserve(&ticket, id, ch, time.Now(), took(bound)) != nil {
		return nil
	}
	defer ticket.Release()
	b.at("reserved")
	if b.point == "" && rand.IntN(8) == 0 {
		return nil // gave up before anything was sent
	}
	if rand.IntN(8) == 0 && ticket.Extend(budget.Amounts{1000, 1000}) == nil {
		bound += 1000
	}
	ticket.Sent()
	b.at("sent")
	cost := 1 + rand.Int64N(bound)
	b.bills[k].Add(cost)
	r := call.Record{
		ID: id, KeyID: keyOf(k), KeyName: keyOf(k), Org: "o", Target: "demo/echo", Status: 200,
		Usage: wire.Usage{Input: cost}, Cost: cost, Reserved: bound, Provenance: call.CostReported,
	}
	if err := b.ledger.Append(&r); err != nil {
		return err
	}
	b.at("appended")
	ticket.Settle(took(cost))
	b.at("settled")
	return nil
}

// TestKillAtPoint kills the child at each step of a request.
func TestKillAtPoint(t *testing.T) {
	for _, point := range []string{"reserved", "sent", "appended", "settled"} {
		dir := t.TempDir()
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+dir, pointEnv+"="+point)
		child.Stderr = os.Stderr
		if err := child.Run(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("at %s: the child ended by itself: %v", point, err)
		}
		b, err := openBooks(dir)
		if err != nil {
			t.Fatal(err)
		}
		exact, estimated, rows := compare(t, b, dir)
		wantRow, wantEstimate := point != "reserved", point == "sent"
		if (rows == 1) != wantRow || (estimated > 0) != wantEstimate || (exact > 0) != (wantRow && !wantEstimate) {
			t.Errorf("at %s: %d rows, %d nano-dollars, %d more estimated", point, rows, exact, estimated)
		}
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	for i := range *kills {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+dir)
		child.Stderr = os.Stderr
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Every other kill comes early, so that it may hit the recovery from the last.
		if i%2 == 0 {
			_, _ = stdout.Read(make([]byte, 1)) // until the child is busy
		}
		timer := time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { _ = child.Process.Kill() })
		if err := child.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("the child ended by itself: %v", err)
		}
		timer.Stop()
	}
	b, err := openBooks(dir)
	if err != nil {
		t.Fatal(err)
	}
	exact, estimated, rows := compare(t, b, dir)
	t.Logf("%d rows, %d nano-dollars, %d more estimated", rows, exact, estimated)
	if rows == 0 {
		t.Error("nothing was spent at all")
	}
}

// compare closes b and compares its sums, then checks that all of the rest is usable.
func compare(t *testing.T, b *books, dir string) (sumExact, sumEstimated, rows int64) {
	t.Helper()
	b.close(t)
	b, err := openBooks(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close(t)
	if n := len(b.pool.Orphans()); n != 0 {
		t.Errorf("%d orphans are left", n)
	}
	ctx := context.Background()
	exact, estimated := map[string]int64{}, map[string]int64{}
	usage, err := b.store.Usage(ctx, call.UsageQuery{By: []string{"key_id", "model"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range usage.Rows {
		rows += u.Requests
		if u.Keys[1] == recovered {
			estimated[u.Keys[0]] += u.Cost
		} else {
			exact[u.Keys[0]] += u.Cost
		}
	}
	bank := map[string]int64{}
	accounts, err := b.store.Bank().Accounts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		unit, _ := budget.SplitName(a.Window)
		bank[unit.String()+a.Scope[:4]] += a.Granted
		bank[unit.String()+a.Scope] += a.Granted
	}
	all, requests := int64(0), int64(0)
	for k := range keys {
		key, billed := keyOf(k), b.bills[k].Load()
		booked := exact[key] + estimated[key]
		all += booked
		sumExact += exact[key]
		sumEstimated += estimated[key]
		if usd, tokens := bank["usd_nanokey/"+key], bank["tokenskey/"+key]; usd != booked || tokens != booked {
			t.Errorf("%s: the bank has %d nano-dollars and %d tokens out, the ledger says %d", key, usd, tokens, booked)
		}
		requests += bank["requestskey/"+key]
		if billed < exact[key] || billed > booked {
			t.Errorf("%s: upstream billed %d; the ledger has %d and %d estimated", key, billed, exact[key], estimated[key])
		}
		if billed > keyMax || booked > keyMax {
			t.Errorf("%s: spent %d (billed %d) of %d", key, booked, billed, keyMax)
		}
		var ticket budget.Ticket
		ch, err := b.chain(k)
		if err != nil {
			t.Fatal(err)
		}
		if d := b.pool.Reserve(&ticket, 1, ch, time.Now(), took(keyMax-booked+1)); d == nil || d.Unavailable {
			t.Errorf("%s: more than the rest: got %+v; want a refusal", key, d)
		}
		if d := b.pool.Reserve(&ticket, 1, ch, time.Now(), took(keyMax-booked)); d != nil {
			t.Errorf("%s: the rest of %d is not usable: %+v", key, keyMax-booked, *d)
		}
		ticket.Release()
	}
	if org, team, env := bank["usd_nanoorg/"], bank["usd_nanoteam"], bank["usd_nanoenv/"]; org != all || team != all || env != all {
		t.Errorf("the bank has %d out for the organisation, %d for teams, %d for the environment; the ledger says %d", org, team, env, all)
	}
	if requests != rows {
		t.Errorf("the bank has %d requests out; the ledger has %d rows", requests, rows)
	}
	return sumExact, sumEstimated, rows
}
