package e2e_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// TestLimitsOfTwoGateways: limits that two gateways change at once are those of
// one of them, at both, and whoever names a revision that is no more is told;
// what runs when they are removed ends as it must.
func TestLimitsOfTwoGateways(t *testing.T) {
	t.Parallel()
	up, url := newUpstream(t), pgtest.New(t)
	nodes := []*gateway{newGateway(t, nodeConfig(up.URL, url)), newGateway(t, nodeConfig(up.URL, url))}
	var made struct{ Token string }
	if nodes[0].call("POST", "/admin/teams", map[string]any{"name": "core"}, nil) != 200 ||
		nodes[0].call("POST", "/admin/keys", map[string]any{"name": "k", "team": "core"}, &made) != 200 {
		t.Fatal("no key")
	}
	becomes(t, nodes, made.Token, "own", 200)
	type stored struct{ Revision int64 }
	put := func(node, requests int, revision int64) (int, stored) {
		var s stored
		return nodes[node].call("PUT", "/admin/limits/team/core", map[string]any{"limits": []any{map[string]any{"requests": requests, "per": "hour"}}, "revision": revision}, &s), s
	}
	_, was := put(0, 1000, 0)
	for i := range 10 {
		both := func(revision int64) (codes [2]int, last int64) {
			var got [2]stored
			var wg sync.WaitGroup
			for n := range nodes {
				wg.Go(func() { codes[n], got[n] = put(n, 1000+10*i+n, revision) })
			}
			wg.Wait()
			return codes, max(got[0].Revision, got[1].Revision)
		}
		if codes, _ := both(was.Revision); codes != [2]int{200, 409} && codes != [2]int{409, 200} {
			t.Fatalf("of one revision: %v; want one 200 and one 409", codes)
		}
		codes, last := both(0)
		if codes != [2]int{200, 200} {
			t.Errorf("of whichever revision: %v; want 200 of both", codes)
		}
		was.Revision = last
	}
	holds := func(node int) string {
		var applied struct {
			Applies []struct{ Limit map[string]any }
		}
		nodes[node].call("GET", "/admin/limits/team/core", nil, &applied)
		return fmt.Sprint(applied)
	}
	put(1, 0, 0)
	becomes(t, nodes, made.Token, "own", 429)
	if a, b := holds(0), holds(1); a != b {
		t.Errorf("one holds %s, the other %s", a, b)
	}
	if nodes[0].call("DELETE", "/admin/limits/team/core", nil, nil) != 200 {
		t.Error("not removed")
	}
	becomes(t, nodes, made.Token, "own", 200)
}
