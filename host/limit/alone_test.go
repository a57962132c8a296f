package limit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/door"
	"github.com/signalbox-ai/signalbox/host/limit"
	"github.com/signalbox-ai/signalbox/host/limit/redistest"
)

// impatient gives a Redis up in less than a second, but not one that answers on
// a crowded machine.
const impatient = 600 * time.Millisecond

// doors are three nodes, each with a way of its own to one Redis.
func doors(t *testing.T, server *redistest.Server, exact bool, limits ...call.Limit) (nodes []*node, ways []*door.Door) {
	t.Helper()
	server.Client("flushall")
	for i := range 3 {
		way := server.Door()
		ways = append(ways, way)
		nodes = append(nodes, newNode(t, "redis://"+way.Address(), limit.Options{Exact: exact, Timeout: impatient, Node: string(rune('a' + i))}, limits...))
	}
	known(t, nodes)
	return nodes, ways
}

// known waits until each of the nodes knows of the others.
func known(t *testing.T, nodes []*node) {
	t.Helper()
	until(t, "the nodes know of each other", func() bool {
		for _, n := range nodes {
			if s := n.Stats(); s.Nodes != 3 || !s.Shared {
				return false
			}
		}
		return true
	})
}

// heard waits until each node has asked how the counters stand.
func heard(t *testing.T, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		from := n.Stats().Rounds
		until(t, "it has asked again", func() bool { return n.Stats().Rounds > from+4 })
	}
}

// count is how many of so many requests each node lets in, at once.
func count(nodes []*node, each int) int64 {
	var passed atomic.Int64
	var wg sync.WaitGroup
	for _, n := range nodes {
		for range each {
			wg.Go(func() {
				if n.take() == nil {
					passed.Add(1)
				}
			})
		}
	}
	wg.Wait()
	return passed.Load()
}

// TestLostReply: what was taken by a round whose reply was late is taken once,
// and is the node's.
func TestLostReply(t *testing.T) {
	nodes, ways := doors(t, redistest.Start(t), false, rateOf(call.UnitRequests, 10, "hour"))
	ways[0].Delay(impatient * 2)
	var passed int64
	var wg sync.WaitGroup
	wg.Go(func() { passed = count(nodes[:1], 4) })
	until(t, "a reply is late", func() bool { return nodes[0].Stats().Failed > 0 })
	ways[0].Delay(0)
	wg.Wait()
	if passed != 4 || nodes[0].Stats().Alone != 0 {
		t.Errorf("%d of 4 passed; %+v", passed, nodes[0].Stats())
	}
	until(t, "the rest passes elsewhere", func() bool { passed += count(nodes[1:], 1); return passed >= 10 })
	if passed += count(nodes, 20); passed != 10 {
		t.Errorf("%d passed of 10", passed)
	}
}

// TestLostInMidWindow: when all nodes lose what they share, what they let in
// together is no more than what was left, and all of it if each is asked.
func TestLostInMidWindow(t *testing.T) {
	server := redistest.Start(t)
	for _, exact := range []bool{false, true} {
		nodes, ways := doors(t, server, exact, rateOf(call.UnitRequests, 10, "hour"))
		passed := count(nodes, 1) // each has seen the counter
		passed += count(nodes[:1], 3)
		heard(t, nodes)
		for _, way := range ways {
			way.Shut()
		}
		passed += count(nodes, 20)
		if passed > 10 || passed < 8 {
			t.Errorf("exact %v: %d passed of 10, of which 6 with Redis", exact, passed)
		}
		for _, way := range ways {
			way.Open()
		}
		for _, n := range nodes {
			until(t, "Redis is back", func() bool { return n.Stats().Shared })
		}
		passed += count(nodes, 20)
		if passed > 10 {
			t.Errorf("exact %v: %d passed of 10, when Redis is back", exact, passed)
		}
		until(t, "what was left passes", func() bool { passed += count(nodes, 1); return passed >= 10 })
		if passed += count(nodes, 20); passed != 10 {
			t.Errorf("exact %v: %d passed of 10 in the end", exact, passed)
		}
		for _, n := range nodes {
			n.Stop()
		}
	}
}

// TestLostMemory: a Redis that starts anew is told what nodes have let in.
func TestLostMemory(t *testing.T) {
	server := redistest.Start(t)
	nodes, _ := doors(t, server, false, rateOf(call.UnitRequests, 10, "hour"))
	passed := count(nodes, 2)
	heard(t, nodes)
	server.Stop()
	passed += count(nodes[:1], 20)
	server.Run()
	for _, n := range nodes {
		until(t, "Redis is back", func() bool { return n.Stats().Shared })
	}
	passed += count(nodes, 20)
	if passed > 10 {
		t.Errorf("%d passed of 10", passed)
	}
	until(t, "what was left passes", func() bool { passed += count(nodes, 1); return passed >= 10 })
	if passed += count(nodes, 20); passed != 10 {
		t.Errorf("%d passed of 10 in the end", passed)
	}
}

// TestSlowForAll: a Redis that is slow for a while lets no more in than one that is not.
func TestSlowForAll(t *testing.T) {
	nodes, ways := doors(t, redistest.Start(t), false, rateOf(call.UnitRequests, 10, "hour"))
	for _, way := range ways {
		way.Delay(impatient / 10)
	}
	if n := count(nodes, 60); n != 10 {
		t.Errorf("%d passed of 10", n)
	}
	for _, way := range ways {
		way.Delay(impatient * 10)
	}
	if n := count(nodes, 60); n != 0 {
		t.Errorf("%d passed beyond 10", n)
	}
}

// TestNoneSeen: nodes that have never seen a counter have their share of it,
// rounded so that the sum is the limit.
func TestNoneSeen(t *testing.T) {
	server := redistest.Start(t)
	f := func(most int64, want int64) {
		t.Helper()
		nodes, ways := doors(t, server, false, rateOf(call.UnitRequests, most, "hour"))
		for _, way := range ways {
			way.Shut()
		}
		if n := count(nodes, 20); n != want {
			t.Errorf("%d passed; want %d", n, want)
		}
		for _, n := range nodes {
			n.Stop()
		}
	}
	f(10, 10)
	f(2, 2)
	n := newNode(t, "redis://127.0.0.1:1", limit.Options{Timeout: impatient, Nodes: 3}, rateOf(call.UnitRequests, 10, "hour"))
	if n := count([]*node{n}, 20); n != 3 {
		t.Errorf("%d passed at a node that has never seen Redis; want 3", n)
	}
}
