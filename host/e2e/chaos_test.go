package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// chaos is how many rounds of faults the tests of faults play; "make chaos" plays more.
var chaos = flag.Int("chaos", 1, "rounds of faults")

// TestClusterBudget: on a budget for a hundred, exactly a hundred of a thousand
// requests at once to three gateways pass; the sums agree to the last digit.
func TestClusterBudget(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, "budgets: [{usd: 0.1, window: day}]")
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() { c.ask(i%3, "slow", i%2 == 0) })
	}
	wg.Wait()
	if n := c.passed.Load(); n != 100 || c.failed.Load() > 0 {
		t.Errorf("%d passed, %d were refused, %d failed; want exactly 100 and the rest refused", n, c.refused.Load(), c.failed.Load())
	}
	if ledger := c.balance(100 * answerNano); ledger != 100*answerNano || ledger != c.up.billed.Load() {
		t.Errorf("the ledger has %d, the upstream billed %d; want %d", ledger, c.up.billed.Load(), 100*answerNano)
	}
}

// TestClusterHalf: at half of what is reserved, nearly twice as many pass over
// time, and nothing is stranded.
func TestClusterHalf(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, "budgets: [{usd: 0.1, window: day}]")
	for range 60 {
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() { c.ask(i%3, "half", false) })
		}
		wg.Wait()
		if c.passed.Load() >= 199 {
			break
		}
	}
	if n := c.passed.Load(); n < 190 || n > 200 {
		t.Errorf("%d passed; want 190 to 200", n)
	}
	c.balance(100 * answerNano)
}

// TestClusterRate: of two hundred requests at once to three gateways ten pass
// where an hour takes ten.
func TestClusterRate(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, "rates: [{requests: 10, per: hour}]", "timeout: 5s") // a Redis that is given up is nobody's count
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() { c.ask(i%3, "slow", false) })
	}
	wg.Wait()
	if n := c.passed.Load(); n != 10 || c.failed.Load() > 0 {
		t.Errorf("%d passed, %d were refused, %d failed; want 10 and the rest refused", n, c.refused.Load(), c.failed.Load())
	}
}

// TestChaos: three gateways under load, of which one is killed and started
// again, as are an adapter, the Redis, and the PostgreSQL whose standby takes
// over. No money is spent twice or beyond the budget, no answered request is
// missing from the ledger, and what was stranded is back in the end.
func TestChaos(t *testing.T) {
	budget := int64(1000 + 2000**chaos) // answers
	c := newCluster(t, 3, fmt.Sprintf("budgets: [{usd: %d, window: day}]", budget*answerNano/1_000_000_000))
	ctx, stop := context.WithCancel(t.Context())
	var allowed atomic.Int64 // to pass so far: a fast machine must leave some of the budget for what comes
	var down [3]atomic.Bool
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				if node := n % 3; !down[node].Load() && c.passed.Load() < allowed.Load() {
					c.ask(node, "slow", n%2 == 0)
				} else {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	more := func(n int64) { // until so many more have passed
		t.Helper()
		from := c.passed.Load()
		allowed.Store(from + n + 150) // the faults that follow are played under load
		for deadline := time.Now().Add(time.Minute); c.passed.Load() < from+n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("only %d requests have passed in a minute, %d failed, %d were refused", c.passed.Load()-from, c.failed.Load(), c.refused.Load())
			}
		}
	}
	restart := func(node int) {
		down[node].Store(true)
		c.nodes[node].kill()
		more(20)
		c.nodes[node].start()
		down[node].Store(false)
	}
	for range *chaos {
		more(60)
		restart(1 + rand.IntN(2))
		more(60)
		c.killAdapter(0)
		more(60)
		c.redis.Stop()
		more(60)
		c.redis.Run()
		more(60)
	}
	c.pg.Failover()
	more(60)
	restart(1)
	more(60)
	stop()
	wg.Wait()
	spend(t, c, budget)
}

// spend uses the budget up and looks at the books.
func spend(t *testing.T, c *cluster, budget int64) {
	t.Helper()
	for idle := 0; idle < 20; {
		before := c.passed.Load()
		var wg sync.WaitGroup
		for i := range 48 {
			wg.Go(func() { c.ask(i%3, "rest", false) })
		}
		wg.Wait()
		if idle++; c.passed.Load() > before {
			idle = 0
		} else {
			time.Sleep(250 * time.Millisecond) // what lies with the nodes is on its way to where it is wanted
		}
	}
	ledger := c.balance(budget * answerNano)
	t.Logf("%d passed, %d were refused, %d failed; the upstream billed %d, the ledger has %d of %d nano-dollars",
		c.passed.Load(), c.refused.Load(), c.failed.Load(), c.up.billed.Load(), ledger, budget*answerNano)
	if stranded := budget*answerNano - ledger; stranded > budget*answerNano/100 {
		t.Errorf("%d of the budget is stranded: more than 1 %%", stranded)
	}
}

// TestSlowStores: with the PostgreSQL slow and then gone, and the Redis too,
// requests go on within what is leased and are recorded, and all heals.
func TestSlowStores(t *testing.T) {
	c := newCluster(t, 2, "budgets: [{usd: 100, window: day}], rates: [{requests: 100000, per: minute}]")
	serve := func(what string, n int) {
		t.Helper()
		for i := range n {
			if status := c.ask(i%2, "hi", i%3 == 0); status != 200 {
				t.Errorf("%s: request %d was answered %d", what, i, status)
			}
		}
	}
	serve("all well", 400) // leases grow with what is used
	c.pg.Door().Delay(2 * time.Second)
	c.way.Delay(2 * time.Second)
	begun := time.Now()
	serve("both slow", 20)
	t.Logf("20 requests took %s while both were 2 s late", time.Since(begun).Round(time.Millisecond))
	c.pg.Door().Shut()
	c.way.Shut()
	serve("both gone", 20)
	c.pg.Door().Delay(0)
	c.way.Delay(0)
	c.pg.Door().Open()
	c.way.Open()
	for _, g := range c.nodes {
		g.heals()
	}
	serve("both back", 400)
	if ledger := c.balance(100e9); ledger != c.passed.Load()*answerNano {
		t.Errorf("the ledger has %d; want %d", ledger, c.passed.Load()*answerNano)
	}
}
