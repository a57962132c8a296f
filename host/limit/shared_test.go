package limit_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/limit"
	"github.com/signalbox-ai/signalbox/host/limit/redistest"
	"github.com/signalbox-ai/signalbox/host/redis"
)

const patient = 5 * time.Second // no answer of a busy machine is late

func rateOf(unit call.Unit, n int64, window string) call.Limit {
	l := call.Limit{Scope: "org/a", Unit: unit, Max: n, Rate: true}
	if unit != call.UnitConcurrent {
		l.Window = call.Window{Unit: window, Size: 1}
	}
	return l
}

// node is one of several gateways.
type node struct {
	*limit.Limits
	chain *limit.Chain
	redis *redis.Client
}

func newNode(t testing.TB, url string, opt limit.Options, limits ...call.Limit) *node {
	t.Helper()
	c, err := redis.Open(redis.Options{URL: url, Timeout: opt.Timeout})
	if err != nil {
		t.Fatal(err)
	}
	opt.Remote = c
	l := limit.New(opt)
	t.Cleanup(func() { l.Stop(); c.Close() })
	ch, err := l.Chain(limits)
	if err != nil {
		t.Fatal(err)
	}
	return &node{l, ch, c}
}

func three(t testing.TB, url string, opt limit.Options, limits ...call.Limit) (nodes []*node) {
	for i := range 3 {
		opt.Node = fmt.Sprint("node", i)
		nodes = append(nodes, newNode(t, url, opt, limits...))
	}
	until(t, "the nodes know of each other", func() bool {
		for _, n := range nodes {
			if n.Stats().Nodes != 3 || !n.Stats().Shared {
				return false
			}
		}
		return true
	})
	return nodes
}

// until waits for what another goroutine or process brings about.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// storm has each node take from many goroutines until all are refused, and
// returns how many requests and tokens were let in.
func storm(nodes []*node, callers int, tokens func() int64) (passed, sum int64) {
	var p, s atomic.Int64
	var wg sync.WaitGroup
	for _, n := range nodes {
		for range callers {
			wg.Go(func() {
				for misses := 0; misses < 5; {
					var tk limit.Ticket
					k := tokens()
					if d := tk.Take(n.Limits, n.chain, time.Now(), k); d != nil {
						misses++
						time.Sleep(time.Duration(rand.Int64N(int64(20 * time.Millisecond)))) // callers come back
						continue
					}
					p.Add(1)
					s.Add(k)
				}
			})
		}
	}
	wg.Wait()
	return p.Load(), s.Load()
}

// TestThreeNodes: of what nodes share never more is taken than the limit, and
// all of it can be.
func TestThreeNodes(t *testing.T) {
	server := redistest.Start(t)
	f := func(exact bool, least float64, tokens func() int64, limits ...call.Limit) {
		t.Helper()
		server.Client("flushall")
		nodes := three(t, server.URL(), limit.Options{Exact: exact, Timeout: patient}, limits...)
		passed, sum := storm(nodes, 24, tokens)
		for _, l := range limits {
			got := passed
			if l.Unit == call.UnitTokens {
				got = sum
			}
			if got > l.Max {
				t.Errorf("exact %v: %d %s passed of %d", exact, got, l.Unit, l.Max)
			}
		}
		if got, want := float64(passed), least*float64(limits[0].Max); limits[0].Unit == call.UnitRequests && got < want {
			t.Errorf("exact %v: %v requests passed; want at least %v", exact, got, want)
		}
		if got, want := float64(sum), least*float64(limits[0].Max); limits[0].Unit == call.UnitTokens && got < want {
			t.Errorf("exact %v: %v tokens passed; want at least %v", exact, got, want)
		}
		for _, n := range nodes {
			if s := n.Stats(); s.Alone != 0 || s.Failed != 0 {
				t.Errorf("decided without the others: %+v", s)
			}
			n.Stop()
		}
	}
	none := func() int64 { return 0 }
	some := func() int64 { return 1 + rand.Int64N(50) }
	for _, exact := range []bool{false, true} {
		f(exact, 1, none, rateOf(call.UnitRequests, 10, "hour"))
		f(exact, 0.97, none, rateOf(call.UnitRequests, 5_000, "hour"))
		f(exact, 0.97, some, rateOf(call.UnitTokens, 50_000, "hour"))
		f(exact, 1, some, rateOf(call.UnitRequests, 100, "hour"), rateOf(call.UnitTokens, 1_000_000, "day"))
	}
}

// TestSlotsOfThreeNodes: never more run at once over all nodes than may, places
// that one gives up are another's, and a node that is gone holds none for ever.
func TestSlotsOfThreeNodes(t *testing.T) {
	server := redistest.Start(t)
	nodes := three(t, server.URL(), limit.Options{Timeout: patient}, rateOf(call.UnitConcurrent, 10, ""))
	var running, most, passed atomic.Int64
	var wg sync.WaitGroup
	for _, n := range nodes {
		for range 20 {
			wg.Go(func() {
				for range 100 {
					var tk limit.Ticket
					if tk.Take(n.Limits, n.chain, time.Now(), 0) != nil {
						continue
					}
					passed.Add(1)
					r := running.Add(1)
					for m := most.Load(); r > m && !most.CompareAndSwap(m, r); m = most.Load() {
					}
					running.Add(-1)
					tk.Settle(time.Now(), 0)
				}
			})
		}
	}
	wg.Wait()
	if most.Load() > 10 || passed.Load() == 0 {
		t.Errorf("%d ran at once of %d that passed; want 10 at most", most.Load(), passed.Load())
	}
	var all [10]limit.Ticket
	held := 0
	until(t, "one node has all places", func() bool {
		for held < len(all) && all[held].Take(nodes[0].Limits, nodes[0].chain, time.Now(), 0) == nil {
			held++
		}
		return held == len(all)
	})
	var other limit.Ticket
	if other.Take(nodes[1].Limits, nodes[1].chain, time.Now(), 0) == nil {
		t.Error("an eleventh request runs")
	}
	all[0].Settle(time.Now(), 0)
	until(t, "another node has the place that was left", func() bool {
		return other.Take(nodes[1].Limits, nodes[1].chain, time.Now(), 0) == nil
	})
}

// TestCorrectionsReachOthers: what one node has estimated and did not use, the
// others may, and what it used beyond they may not.
func TestCorrectionsReachOthers(t *testing.T) {
	server := redistest.Start(t)
	for _, exact := range []bool{false, true} {
		server.Client("flushall")
		nodes := three(t, server.URL(), limit.Options{Exact: exact, Timeout: patient}, rateOf(call.UnitTokens, 1000, "hour"))
		a, b := nodes[0], nodes[1]
		var first, second, third limit.Ticket
		if d := first.Take(a.Limits, a.chain, time.Now(), 900); d != nil {
			t.Fatalf("exact %v: refused: %+v", exact, d)
		}
		if d := second.Take(b.Limits, b.chain, time.Now(), 800); d == nil {
			t.Errorf("exact %v: 1700 tokens passed of 1000", exact)
		}
		first.Settle(time.Now(), 100)
		until(t, "what was not used is there for others", func() bool { return second.Take(b.Limits, b.chain, time.Now(), 800) == nil })
		second.Settle(time.Now(), 890)
		until(t, "what was used beyond is known to others", func() bool {
			if d := third.Take(a.Limits, a.chain, time.Now(), 50); d != nil {
				return true
			}
			third.Cancel(time.Now())
			return false
		})
		for _, n := range nodes {
			n.Stop()
		}
	}
}

// TestSlowAndGone: a Redis that is slow or gone holds requests up for the
// timeout a few times, then not at all; each node goes on with its part, and
// with all of the limit when the server is back.
func TestSlowAndGone(t *testing.T) {
	server := redistest.Start(t)
	for _, exact := range []bool{false, true} {
		server.Client("flushall")
		door := server.Door()
		n := newNode(t, "redis://"+door.Address(), limit.Options{Exact: exact, Timeout: 40 * time.Millisecond, Nodes: 3, Node: "a"}, rateOf(call.UnitRequests, 300, "hour"))
		until(t, "Redis is there", n.redis.Up)
		for range 20 {
			n.pass(t)
		}
		n.outage(t, "slow", func() { door.Delay(time.Second) }, func() { door.Delay(0) })
		n.outage(t, "shut", door.Shut, door.Open)
		n.outage(t, "killed", server.Stop, server.Run)
		if opened := n.redis.Stats().Opened; opened < 3 {
			t.Errorf("exact %v: Redis was given up on %d times; want 3", exact, opened)
		}
		door.Shut()
		until(t, "Redis is given up on", func() bool { n.take(); return !n.redis.Up() })
		count := 0
		for n.take() == nil {
			count++
		}
		if count > 100 {
			t.Errorf("exact %v: %d more passed without Redis; want the node's 100 in all", exact, count)
		}
		n.Stop()
	}
}

func (n *node) take() *limit.Denied {
	var tk limit.Ticket
	return tk.Take(n.Limits, n.chain, time.Now(), 0)
}

// pass takes, which must succeed, and reports whether it waited in vain for Redis.
func (n *node) pass(t *testing.T) (waited bool) {
	t.Helper()
	alone := n.Stats().Alone
	if d := n.take(); d != nil {
		t.Fatalf("refused: %+v", d)
	}
	return n.Stats().Alone > alone
}

func (n *node) outage(t *testing.T, name string, begin, end func()) {
	t.Helper()
	begin()
	waited := 0
	for range 20 {
		if n.pass(t) {
			waited++
		}
	}
	if waited > 6 {
		t.Errorf("%s: %d of 20 requests have waited for Redis", name, waited)
	}
	asked := 0
	until(t, "Redis is given up on", func() bool { // of a lease requests are let in without asking
		if n.redis.Up() && asked < 5 {
			asked++
			n.take()
		}
		return !n.redis.Up()
	})
	if n.pass(t) {
		t.Errorf("%s: a request still waits for Redis, which is gone", name)
	}
	end()
	until(t, "Redis is back", n.redis.Up)
}

// TestGoneFromTheStart: a gateway starts without its Redis.
func TestGoneFromTheStart(t *testing.T) {
	server := redistest.Start(t)
	door := server.Door()
	door.Shut()
	n := newNode(t, "redis://"+door.Address(), limit.Options{Timeout: patient, Nodes: 2, Node: "a"}, rateOf(call.UnitRequests, 10, "hour"))
	passed := 0
	for range 20 {
		var tk limit.Ticket
		if tk.Take(n.Limits, n.chain, time.Now(), 0) == nil {
			passed++
		}
	}
	if passed != 5 {
		t.Errorf("%d passed without Redis; want the node's half, 5", passed)
	}
	door.Open()
	until(t, "Redis is there", n.redis.Up)
	for range 20 {
		var tk limit.Ticket
		if tk.Take(n.Limits, n.chain, time.Now(), 0) == nil {
			passed++
		}
	}
	if passed != 10 {
		t.Errorf("%d passed in all; want 10", passed)
	}
}

func benchmarkShared(b *testing.B, exact bool) {
	server := redistest.Start(b)
	n := newNode(b, server.URL(), limit.Options{Exact: exact, Timeout: patient, Node: "a"},
		rateOf(call.UnitRequests, 1<<40, "minute"), rateOf(call.UnitTokens, 1<<40, "minute"), rateOf(call.UnitRequests, 1<<40, "hour"), rateOf(call.UnitConcurrent, 1<<20, ""))
	until(b, "Redis is there", n.redis.Up)
	before := n.Stats().Rounds
	for b.Loop() {
		var tk limit.Ticket
		tk.Take(n.Limits, n.chain, time.Now(), 100)
		tk.Settle(time.Now(), 80)
	}
	b.ReportMetric(float64(n.Stats().Rounds-before)/float64(b.N), "rounds/op")
}

func BenchmarkLeased(b *testing.B) { benchmarkShared(b, false) }
func BenchmarkExact(b *testing.B)  { benchmarkShared(b, true) }

// TestGuardedRedis: a user who may do no more than the documentation says, and
// scopes of any name, count each by itself; the largest limits are exact.
func TestGuardedRedis(t *testing.T) {
	server := redistest.Start(t)
	server.Client("acl", "setuser", "box", "on", ">secret", "~{signalbox}:*", "resetchannels",
		"+eval", "+evalsha", "+@hash", "+@sortedset", "+del", "+pexpire", "+time", "+ping", "+hello", "+client", "+select")
	for _, exact := range []bool{false, true} {
		n := newNode(t, "redis://box:secret@"+server.Door().Address(), limit.Options{Exact: exact, Timeout: patient, Node: "a b:\n}{"})
		until(t, "Redis is there", n.redis.Up)
		for _, name := range []string{"a", "a:3600", "}{signalbox}", "*", "ein Team\n\x00'\"$(x)", "a b", "ä", strings.Repeat("x", 256)} {
			ch, err := n.Chain([]call.Limit{{Scope: "team/" + name, Unit: call.UnitRequests, Max: 2, Rate: true, Window: call.Window{Unit: "hour", Size: 1}},
				{Scope: "team/" + name, Unit: call.UnitTokens, Max: 1 << 52, Rate: true, Window: call.Window{Unit: "hour", Size: 1}}})
			if err != nil {
				t.Fatal(err)
			}
			passed := 0
			for range 4 {
				var tk limit.Ticket
				if tk.Take(n.Limits, ch, time.Now(), 1<<51-1) == nil {
					passed++
				}
			}
			if passed != 2 {
				t.Errorf("exact %v: %d requests of team %q passed; want 2", exact, passed, name)
			}
			var tk limit.Ticket
			tokens, err := n.Chain([]call.Limit{{Scope: "team/" + name, Unit: call.UnitTokens, Max: 1 << 52, Rate: true, Window: call.Window{Unit: "hour", Size: 1}}})
			if err != nil {
				t.Fatal(err)
			}
			if d := tk.Take(n.Limits, tokens, time.Now(), 3); d == nil {
				t.Errorf("exact %v: %q: 2^52+1 tokens passed of 2^52", exact, name)
			}
			if d := tk.Take(n.Limits, tokens, time.Now(), 2); d != nil {
				t.Errorf("exact %v: %q: the last of 2^52 tokens are refused: %+v", exact, name, d)
			}
		}
		if s := n.Stats(); s.Failed+s.Alone != 0 {
			t.Errorf("exact %v: %+v", exact, s)
		}
		n.Stop()
		server.Client("flushall")
	}
}
