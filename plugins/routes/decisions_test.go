package routes_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/route"
)

// firsts counts which target comes first in n requests.
func firsts(t *testing.T, h *route.Handle, n int, change func(*call.Call, int), places ...place) map[string]int {
	t.Helper()
	got := map[string]int{}
	for i := range n {
		c := request(uint64(i)*7919+1, places...)
		if change != nil {
			change(c, i)
		}
		got[order(t, h, c)[0]]++
	}
	return got
}

// shares asserts that targets come first about as often as they should.
func shares(t *testing.T, got map[string]int, want map[string]float64) {
	t.Helper()
	n := 0
	for _, count := range got {
		n += count
	}
	for name, share := range want {
		is := float64(got[name]) / float64(n)
		if spread := 4*math.Sqrt(share*(1-share)/float64(n)) + 1e-9; math.Abs(is-share) > spread {
			t.Errorf("%s comes first in %.3f of %d requests; want %.3f", name, is, n, share)
		}
	}
}

func TestWeighted(t *testing.T) {
	places := []place{{name: "p/a", weight: 3, priority: 9}, {name: "p/b", weight: 1}, {name: "p/c", weight: 4, rests: true}}
	h := load(t, "weighted", "")
	shares(t, firsts(t, h, 3000, nil, places...), map[string]float64{"p/a": 0.75, "p/b": 0.25, "p/c": 0})
	h = load(t, "weighted", `{"weights": {"p/b": 9, "p/a": 1, "p/\u0063": 0}}`)
	places[2].rests = false
	shares(t, firsts(t, h, 3000, nil, places...), map[string]float64{"p/a": 0.1, "p/b": 0.9, "p/c": 0})
	goes(t, h, request(1, places[2]), "drawn by weight", "p/c")
}

func TestRoundRobin(t *testing.T) {
	h := load(t, "round-robin", "")
	places := []place{{name: "p/a"}, {name: "p/b", priority: 1}, {name: "p/full", most: 2, inFlight: 2}, {name: "p/c", priority: 2, weight: 9},
		{name: "p/rests", rests: true}}
	for i := range 7 {
		turn := []string{"p/a", "p/b", "p/c", "p/a", "p/b"}[i%3:][:3]
		goes(t, h, request(uint64(i), places...), "in turn", append(slices.Clone(turn), "p/full", "p/rests")...)
	}
	other := request(1, places...)
	other.Model = &call.Model{Name: "another"}
	goes(t, h, other, "in turn", "p/a", "p/b", "p/c", "p/full", "p/rests")
}

func TestLeastBusy(t *testing.T) {
	limits, weights := "least in flight for its limit", "least in flight for its weight"
	a, b := place{name: "p/a", inFlight: 8, most: 20, weight: 1}, place{name: "p/b", inFlight: 2, most: 4, weight: 1}
	h := load(t, "least-busy", "")
	goes(t, h, request(1, b, a), limits, "p/a", "p/b")
	b.inFlight, a.inFlight = 4, 19
	goes(t, h, request(1, b, a), limits, "p/a", "p/b") // b is full
	a.most = 0
	goes(t, h, request(1, b, a), weights, "p/a", "p/b")
	b.inFlight = 3
	goes(t, h, request(1, a, b), weights, "p/b", "p/a")
	a.weight = 10
	goes(t, h, request(1, b, a), weights, "p/a", "p/b")
	goes(t, load(t, "least-busy", `{"by": "limit"}`), request(1, a, b), limits, "p/b", "p/a")
	a.most = 20
	goes(t, load(t, "least-busy", `{"by": "weight"}`), request(1, a, b), weights, "p/a", "p/b")
}

func TestLeastLatency(t *testing.T) {
	fast, slow := place{name: "p/fast", ttft: 100 * time.Millisecond, token: time.Millisecond}, place{name: "p/slow", ttft: 900 * time.Millisecond, token: time.Millisecond}
	h := load(t, "least-latency", "")
	goes(t, h, request(1, slow, fast), "faster of two", "p/fast", "p/slow")
	fast.token = 20 * time.Millisecond // over 256 tokens it is the slower one, over 8 it is not
	goes(t, h, request(1, fast, slow), "faster of two", "p/slow", "p/fast")
	c := request(1, slow, fast)
	c.Facts.MaxTokens = 8
	goes(t, h, c, "faster of two", "p/fast", "p/slow")
	goes(t, load(t, "least-latency", `{"answer_tokens": 8}`), request(1, slow, fast), "faster of two", "p/fast", "p/slow")
	fast.rests = true
	goes(t, h, request(1, fast, slow), "fastest", "p/slow", "p/fast")
	failing := slow
	failing.name, failing.failed = "p/failing", 5
	goes(t, h, request(1, failing, slow), "faster of two", "p/slow", "p/failing")

	// Of eight, the fastest gets a quarter of the requests and the slowest none:
	// one is in two drawn of eight that often.
	var eight []place
	want := map[string]float64{}
	for i := range 8 {
		name := fmt.Sprintf("p/%d", i)
		eight = append(eight, place{name: name, ttft: time.Duration(i+1) * 100 * time.Millisecond, token: time.Millisecond})
		want[name] = float64(7-i) / 28
	}
	shares(t, firsts(t, h, 4000, nil, eight...), want)
	fresh := firsts(t, h, 200, nil, place{name: "p/new"}, place{name: "p/old", ttft: time.Second})
	if fresh["p/new"] == 0 {
		t.Error("what has not been measured is never asked")
	}
}

func TestCheapest(t *testing.T) {
	a, b := place{name: "p/a", in: 1000, out: 2000}, place{name: "p/b", in: 100, out: 4000}
	free := place{name: "p/free"}
	h := load(t, "cheapest", "")
	long := request(1, b, a, free)
	long.Facts.MaxTokens = 100 // 1000 tokens in, 100 out: input counts most
	goes(t, h, long, "cheapest first", "p/b", "p/a", "p/free")
	goes(t, load(t, "cheapest", `{"answer_tokens": 2000}`), request(1, b, a), "cheapest first", "p/a", "p/b")
	goes(t, load(t, "cheapest", `{"unpriced": "first"}`), request(1, b, a, free), "cheapest first", "p/free", "p/a", "p/b")
	b.failed = 10
	goes(t, h, request(1, b, a), "cheapest first", "p/a", "p/b")
	shares(t, firsts(t, h, 1000, nil, place{name: "p/x", in: 5, out: 5}, place{name: "p/y", in: 5, out: 5}), map[string]float64{"p/x": 0.5, "p/y": 0.5})
}

func TestBudgetAware(t *testing.T) {
	best := place{name: "p/best", in: 3000, out: 15_000}
	middle := place{name: "p/middle", priority: 1, in: 500, out: 2000}
	small := place{name: "p/small", priority: 2, in: 100, out: 400}
	h := load(t, "budget-aware", "")
	f := func(left, of int64, reason string, want ...string) {
		t.Helper()
		c := request(1, small, middle, best)
		c.Wants.Budget, c.Wants.BudgetMax = left, of
		goes(t, h, c, reason, want...)
	}
	const usd = 1_000_000_000
	f(0, 0, "budget is plenty: as configured", "p/best", "p/middle", "p/small")
	f(9*usd, 10*usd, "budget is plenty: as configured", "p/best", "p/middle", "p/small")
	f(3*usd, 10*usd, "budget drains: cost counts more", "p/middle", "p/best", "p/small")
	f(2*usd, 10*usd, "budget drains: cost counts more", "p/middle", "p/small", "p/best")
	f(usd, 10*usd, "budget is nearly spent: cheapest", "p/small", "p/middle", "p/best")
	f(5_000, 10*usd, "budget is nearly spent: cheapest", "p/small", "p/middle", "p/best")
	h = load(t, "budget-aware", `{"save_below": 1, "strict_below": 0.95}`)
	f(9*usd, 10*usd, "budget is nearly spent: cheapest", "p/small", "p/middle", "p/best")
	h = load(t, "budget-aware", `{"save_below": 0, "strict_below": 0}`)
	f(5_000, 10*usd, "budget is plenty: as configured", "p/middle", "p/small", "p/best") // the best costs more than is left
}

func TestCascade(t *testing.T) {
	small := place{name: "p/small", in: 100, out: 400, quality: 0.3, priority: 2}
	middle := place{name: "p/middle", in: 500, out: 2000, quality: 0.9, priority: 1}
	big := place{name: "p/big", in: 3000, out: 9000, quality: 0.6}
	f := func(h *route.Handle, reason string, checked int, want []string, places ...place) {
		t.Helper()
		c := request(1, places...)
		goes(t, h, c, reason, want...)
		for i, a := range c.Plan.Attempts[:c.Plan.N] {
			if is := a.Flags&call.AttemptCheck != 0; is != (i < checked) {
				t.Errorf("attempt %d is checked: %v", i, is)
			}
		}
	}
	h := load(t, "cascade", "")
	f(h, "cheap first, checked", 2, []string{"p/small", "p/middle", "p/big"}, big, middle, small)
	f(load(t, "cascade", `{"checks": 1}`), "cheap first, checked", 1, []string{"p/small", "p/middle", "p/big"}, big, middle, small)
	f(load(t, "cascade", `{"by": "quality"}`), "cheap first, checked", 2, []string{"p/small", "p/big", "p/middle"}, big, middle, small)
	f(load(t, "cascade", `{"by": "priority"}`), "cheap first, checked", 2, []string{"p/big", "p/middle", "p/small"}, big, middle, small)
	big.rests = true
	f(h, "cheap first, checked", 1, []string{"p/small", "p/middle", "p/big"}, big, middle, small)
	middle.rests = true
	f(h, "one is ready: unchecked", 0, []string{"p/small", "p/middle", "p/big"}, big, middle, small)
}

func TestSticky(t *testing.T) {
	places := []place{{name: "one/a"}, {name: "one/b"}, {name: "two/c"}, {name: "two/d"}, {name: "three/e"}}
	h := load(t, "sticky", "")
	c := request(1, places...)
	c.Wants.Session, c.Wants.Last = 42, "two/d"
	got := order(t, h, c)
	if got[0] != "two/d" || got[1] != "two/c" || string(c.Plan.Reason()) != "answered the session last" {
		t.Errorf("got %v, %q; want the target, then its provider's others", got, c.Plan.Reason())
	}
	c.Candidates[3].Target.State.CooldownUntil.Store(noon.UnixMilli() + 1000)
	if got := order(t, h, c); got[0] != "two/c" || got[4] != "two/d" || string(c.Plan.Reason()) != "by session" {
		t.Errorf("got %v, %q while it rests", got, c.Plan.Reason())
	}
	only := load(t, "sticky", `{"only": true}`)
	if got := order(t, only, c); len(got) != 5 {
		t.Errorf("got %v while it rests; want all", got)
	}
	c.Candidates[3].Target.State.CooldownUntil.Store(0)
	goes(t, only, c, "answered the session last: no other may", "two/d")

	// A session without a history has a place of its own, which stays when
	// another target leaves.
	moved := 0
	for session := range uint64(500) {
		c := request(session*3+1, places...)
		c.Wants.Session = session + 1
		first := order(t, h, c)[0]
		c = request(session*5+2, slices.Concat(places[3:], places[:2])...) // another order, and two/c is gone
		c.Wants.Session = session + 1
		if again := order(t, h, c)[0]; again != first {
			moved++
			if first != "two/c" {
				t.Fatalf("session %d moves from %s to %s", session, first, again)
			}
		}
	}
	if moved < 60 || moved > 140 { // a fifth
		t.Errorf("%d of 500 sessions have moved", moved)
	}
	weighted := []place{{name: "p/a", weight: 3}, {name: "p/b", weight: 1}}
	want := map[string]float64{"p/a": 0.75, "p/b": 0.25}
	shares(t, firsts(t, h, 3000, func(c *call.Call, i int) { c.Wants.Session = uint64(i+1) * 0x9e3779b97f4a7c15 }, weighted...), want)
	shares(t, firsts(t, h, 3000, func(c *call.Call, i int) { c.Wants.Session = uint64(i + 1) }, weighted...), want)

	c = request(7, places...)
	c.Wants.Prefix = 99
	byPrefix := order(t, h, c)[0]
	c.ID = 8
	if got := order(t, h, c)[0]; got != byPrefix || string(c.Plan.Reason()) != "by prompt prefix" {
		t.Errorf("the same prefix goes to %s, then to %s, %q", byPrefix, got, c.Plan.Reason())
	}
	drawn := firsts(t, load(t, "sticky", `{"prefix": false}`), 300, func(c *call.Call, _ int) { c.Wants.Prefix = 99 }, places...)
	if len(drawn) != 5 {
		t.Errorf("without a session %v come first; want all", drawn)
	}
}

func TestAB(t *testing.T) {
	places := []place{{name: "p/a1", priority: 1}, {name: "p/a2"}, {name: "p/b"}}
	config := `{"salt": "spring", "by": "session", "arms": [{"name": "old", "share": 90, "targets": ["p/a1", "p/a2"]}, {"name": "new", "share": 10, "targets": ["p/b"]}]%s}`
	h := load(t, "ab", fmt.Sprintf(config, ""))
	session := func(c *call.Call, i int) { c.Wants.Session = uint64(i + 1) }
	shares(t, firsts(t, h, 3000, session, places...), map[string]float64{"p/a1": 0.45, "p/a2": 0.45, "p/b": 0.1})
	arm := func(h *route.Handle, id, session uint64) string {
		c := request(id, places...)
		c.Wants.Session = session
		order(t, h, c)
		return string(c.Plan.Reason())
	}
	other, differ := load(t, "ab", strings.Replace(fmt.Sprintf(config, ""), "spring", "autumn", 1)), 0
	for s := range uint64(200) {
		if a, b := arm(h, s, s+1), arm(h, s+1000, s+1); a != b || a != "arm old" && a != "arm new" {
			t.Fatalf("session %d is of %q, then of %q", s, a, b)
		}
		if arm(other, 1, s+1) != arm(h, 1, s+1) {
			differ++
		}
	}
	if differ == 0 {
		t.Error("another salt splits alike")
	}
	places[2].rests = true
	for s := range uint64(50) {
		if got := arm(h, 1, s+1); got != "arm old" && got != "arm new, of which none is ready" {
			t.Errorf("session %d is of %q while the new arm rests", s, got)
		}
	}
	only := load(t, "ab", fmt.Sprintf(config, `, "only": true`))
	for s := range uint64(50) {
		c := request(1, places...)
		c.Wants.Session = s + 1
		if got := order(t, only, c); len(got) != 2 && !slices.Equal(got, []string{"p/b"}) {
			t.Errorf("session %d goes to %v", s, got)
		}
	}
	c := request(1, places[:2]...) // policy has left nothing of the new arm
	for s := range uint64(50) {
		c.Wants.Session = s + 1
		if got := order(t, only, c); len(got) != 2 {
			t.Errorf("session %d goes to %v", s, got)
		}
	}
	h = load(t, "ab", "")
	if h.Plan(c); c.Plan.Route != "builtin" {
		t.Errorf("without arms %s plans", c.Plan.Route)
	}
}

func TestTags(t *testing.T) {
	const eu, fast = 1, 2
	places := []place{{name: "p/us", tags: fast, region: "us-east"}, {name: "p/eu", tags: eu, region: "eu-west", priority: 1},
		{name: "p/both", tags: eu | fast, region: "eu-north", priority: 2}}
	h := load(t, "tags", `{"rules": [
		{"name": "gold", "if": {"meta.tier": ["gold", "silver"], "team": ["core"]}, "need": ["eu", "fast"]},
		{"name": "nordic", "if": {"user": ["nils*"]}, "regions": ["eu-n*"], "only": true},
		{"name": "nowhere", "if": {"key": ["k9"]}, "regions": ["mars"], "only": true},
		{"name": "stream", "if": {"stream": true}, "avoid": ["eu"]},
		{"name": "eu", "if": {"tenant": ["acme"], "model": ["smart"]}, "need": ["eu"], "only": true}]}`, "eu", "fast")
	f := func(reason string, change func(c *call.Call), want ...string) {
		t.Helper()
		c := request(1, places...)
		change(c)
		goes(t, h, c, reason, want...)
	}
	f("rule gold", func(c *call.Call) { c.Wants.Meta = []byte("plan=x\ntier=silver") }, "p/both", "p/us", "p/eu")
	f("rule eu", func(c *call.Call) { c.Wants.Meta = []byte("tier=golden") }, "p/eu", "p/both")
	f("rule nordic", func(c *call.Call) { c.Principal.User = "nils.h" }, "p/both")
	f("rule stream", func(c *call.Call) { c.Facts.Stream = true }, "p/us", "p/eu", "p/both")
	f("rule eu", func(c *call.Call) {}, "p/eu", "p/both")
	f("no rule", func(c *call.Call) { c.Model = &call.Model{Name: "other"} }, "p/us", "p/eu", "p/both")
	c := request(1, places...)
	c.Principal.KeyID = "k9"
	if h.Plan(c); c.Plan.Code != 403 || string(c.Plan.Reason()) != "no target has the tags and region that the rule needs" {
		t.Errorf("got code %d, %q", c.Plan.Code, c.Plan.Reason())
	}
	goes(t, load(t, "tags", ""), request(1, places...), "no rule", "p/us", "p/eu", "p/both")
}

func TestLeastLatencyHedges(t *testing.T) {
	c := request(1, place{name: "p/a"}, place{name: "p/b"}, place{name: "p/c"})
	order(t, load(t, "least-latency", `{"hedge_ms": 250}`), c)
	var hedges []time.Duration
	for _, a := range c.Plan.Attempts[:c.Plan.N] {
		hedges = append(hedges, a.Hedge)
	}
	if want := []time.Duration{0, 250 * time.Millisecond, 0}; !slices.Equal(hedges, want) {
		t.Errorf("hedges after %v, want %v", hedges, want)
	}
}
