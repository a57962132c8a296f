package postgres_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// node opens a node with a directory of its own.
func openTestNode(t *testing.T, url, name string) *node {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	n, err := openNode(t.Context(), dir, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.close() })
	return n
}

// spend makes a reservation of n and spends it; it reports whether it passed.
func (n *node) spend(t *testing.T, amount int64) (passed bool) {
	t.Helper()
	ch, err := n.pool.Chain([]call.Limit{{Scope: "team/a", Window: call.Window{Unit: "total", Size: 1}, Max: 1_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	var ticket budget.Ticket
	if d := n.pool.Reserve(&ticket, 1, ch, time.Now(), budget.Amounts{amount}); d != nil {
		return false
	}
	ticket.Settle(budget.Amounts{amount})
	return true
}

func execute(t *testing.T, url, query string, args ...any) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// TestClocksDiffer: lives and recalls go by the database's clock, whatever those
// of the nodes say.
func TestClocksDiffer(t *testing.T) {
	for _, hours := range []string{"+ 3600000", "- 3600000"} {
		url := pgtest.New(t)
		a, b := openTestNode(t, url, "a"), openTestNode(t, url, "b")
		execute(t, url, "CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint "+hours+"'")
		if err := a.store.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !a.spend(t, 1000) || !b.spend(t, 1_000_000-1000) {
			t.Error("what node a holds cannot be had")
		}
		if _, err := b.store.Fence(t.Context(), "a", false); !errors.Is(err, store.ErrNodeLives) {
			t.Errorf("a node that lives can be fenced: %v", err)
		}
	}
}

// TestLeasesAreRecalled: what one node holds and does not use, another gets
// that would be refused otherwise, and all of the budget can be spent.
func TestLeasesAreRecalled(t *testing.T) {
	url := pgtest.New(t)
	a, b := openTestNode(t, url, "a"), openTestNode(t, url, "b")
	for range 40 {
		if !a.spend(t, 1000) || !b.spend(t, 1000) {
			t.Fatal("refused though there is room")
		}
	}
	if held := a.pool.Stats().Held; held == 0 {
		t.Fatal("node a has fetched nothing ahead of need")
	}
	if !b.spend(t, 1_000_000-80_000) {
		t.Error("what node a holds cannot be had")
	}
	if b.spend(t, 1) || a.spend(t, 1) {
		t.Error("there is more than there was")
	}
}

func TestFencedNodeStops(t *testing.T) {
	url := pgtest.New(t)
	a, b := openTestNode(t, url, "a"), openTestNode(t, url, "b")
	if !a.spend(t, 200_000) {
		t.Fatal("refused though there is room")
	}
	if _, err := b.store.Fence(t.Context(), "a", false); !errors.Is(err, store.ErrNodeLives) {
		t.Errorf("a node that lives can be fenced: %v", err)
	}
	if _, err := b.store.Fence(t.Context(), "c", true); !errors.Is(err, store.ErrNodeUnknown) {
		t.Errorf("a node that does not exist can be fenced: %v", err)
	}
	if _, err := b.store.Fence(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	if _, err := a.store.Bank().(budget.Shared).Wanted(t.Context()); !errors.Is(err, call.ErrBankFenced) {
		t.Errorf("a fenced node that asks for nothing hears %v", err)
	}
	for range 200 { // what it had is used up, or it hears of the fence
		if !a.spend(t, 10_000) {
			break
		}
	}
	if a.spend(t, 1) || !a.pool.Stats().Fenced {
		t.Errorf("a fenced node goes on: %+v", a.pool.Stats())
	}
	again := filepath.Join(t.TempDir(), "a")
	if err := os.Mkdir(again, 0o700); err != nil {
		t.Fatal(err)
	}
	back, err := openNode(t.Context(), again, url)
	if err != nil { // it has rows of its ledger to hand in
		t.Fatal(err)
	}
	defer back.close()
	if back.spend(t, 1) || !back.pool.Stats().Fenced {
		t.Error("a fenced node spends when it is back")
	}
	if n, err := b.store.Fence(t.Context(), "a", false); err != nil || n != 0 {
		t.Errorf("fenced twice: %d, %v", n, err)
	}
}

// TestBankThatWasSetBack: a failover that lost a grant is seen by the next batch.
func TestBankThatWasSetBack(t *testing.T) {
	url := pgtest.New(t)
	a := openTestNode(t, url, "a")
	if !a.spend(t, 1000) {
		t.Fatal("refused though there is room")
	}
	execute(t, url, "UPDATE bank_node SET seq = seq - 1")
	for range 1000 {
		if !a.spend(t, 100_000) {
			break
		}
	}
	if !a.pool.Stats().Fenced {
		t.Errorf("a node goes on after its bank was set back: %+v", a.pool.Stats())
	}
}

// TestGrantsShrinkWithNodes: of what is left a node gets its share at most.
func TestGrantsShrinkWithNodes(t *testing.T) {
	url := pgtest.New(t)
	ask := func(n *node) int64 {
		b := n.store.Bank()
		st, err := b.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Apply(t.Context(), st.Seq+1, []call.BankOp{{Scope: "key/" + n.store.Node().ID, Window: "total", Max: 1200, Want: 1200}})
		if err != nil {
			t.Fatal(err)
		}
		return got[0].Amount
	}
	for i, want := range []int64{600, 300, 200} {
		if got := ask(openTestNode(t, url, string(rune('a'+i)))); got != want {
			t.Errorf("with %d nodes a grant is %d; want %d", i+1, got, want)
		}
	}
}

// TestCopiedDirectory: of two processes with the same node's directory the
// first one stops.
func TestCopiedDirectory(t *testing.T) {
	url := pgtest.New(t)
	a := openTestNode(t, url, "a")
	openTestNode(t, url, "a")
	if _, err := a.store.Bank().(budget.Shared).Wanted(t.Context()); !errors.Is(err, call.ErrBankFenced) {
		t.Errorf("the first one, asking for nothing, hears %v", err)
	}
	for range 100 {
		if !a.spend(t, 100_000) {
			break
		}
	}
	if !a.pool.Stats().Fenced {
		t.Errorf("both go on: %+v", a.pool.Stats())
	}
}

// TestOldAccountsAreForgotten: accounts go two days after their window, with the
// leases of nodes that never came back.
func TestOldAccountsAreForgotten(t *testing.T) {
	url := pgtest.New(t)
	n := openTestNode(t, url, "n")
	b := n.store.Bank()
	if _, err := b.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, url, "UPDATE bank_node SET seq = 1022")
	now := time.Now()
	for i, age := range []time.Duration{72 * time.Hour, 24 * time.Hour} {
		op := call.BankOp{Scope: "key/a", Window: "1 day UTC", Start: int64(i), From: int64(i), End: now.Add(-age).Unix(), Max: 10, Need: 1}
		if _, err := b.Apply(t.Context(), int64(1023+i), []call.BankOp{op}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := b.Accounts(t.Context())
	if err != nil || len(all) != 1 || all[0].Start.Unix() != 1 || len(all[0].Leases) != 1 {
		t.Errorf("the accounts are %+v, %v; want the young one alone", all, err)
	}
}
