package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// let takes all steps of r.
func let(t *testing.T, s store.Store, r call.Retention) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = s.Retain(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// keptRetained: whose an object is goes when it was neither made nor named of late.
func keptRetained(t *testing.T, open Opener) {
	s, ctx, now := open(), t.Context(), time.Now()
	var list []call.Kept
	add := func(tenant, id string, age time.Duration) {
		list = append(list, call.Kept{Provider: "p", ID: id, Tenant: tenant, Kind: "response", Created: now.Add(-age)})
	}
	add("us", "old", 50*time.Hour)
	add("us", "named", 50*time.Hour)
	add("us", "young", 30*time.Hour)
	for i := range 6000 { // more than one step takes
		add("them", fmt.Sprint("r", i), 49*time.Hour)
	}
	if err := s.Keep(ctx, list); err != nil {
		t.Fatal(err)
	}
	owns := func(tenant, want string, ids ...string) {
		t.Helper()
		got, err := s.Owns(ctx, "p", tenant, ids)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s owns %v: %v, %v; want %s", tenant, ids, got, err, want)
		}
	}
	owns("us", "[true]", "named")
	owns("them", "[false]", "old") // to be asked for by another is no use of it
	let(t, s, call.Retention{})
	let(t, s, call.Retention{Objects: now.Add(-48 * time.Hour)})
	owns("us", "[false true true]", "old", "named", "young")
	owns("them", "[false false]", "r0", "r5999")
	let(t, s, call.Retention{Objects: now.Add(-24 * time.Hour)})
	owns("us", "[true true]", "named", "young") // both have been named by now
	let(t, s, call.Retention{Objects: now.Add(time.Hour)})
	owns("us", "[false false]", "named", "young")
}

// keysRetained: revoked keys go, live ones stay however old they are.
func keysRetained(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	for i, name := range []string{"live", "long", "late"} {
		k := store.Key{MAC: []byte{byte(i)}, Created: noon.Add(time.Duration(i) * time.Second), Principal: call.Principal{KeyID: fmt.Sprint("sb-", name), KeyName: name}}
		if err := s.CreateKey(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	for name, at := range map[string]time.Time{"long": noon.AddDate(0, 0, 1), "late": noon.AddDate(0, 0, 9)} {
		if err := s.RevokeKey(ctx, name, at); err != nil {
			t.Fatal(err)
		}
	}
	f := func(r call.Retention, want string) {
		t.Helper()
		let(t, s, r)
		keys, err := s.Keys(ctx)
		got := ""
		for _, k := range keys {
			got += k.KeyName + " "
		}
		if err != nil || got != want {
			t.Errorf("the keys are %q, %v; want %q", got, err, want)
		}
	}
	f(call.Retention{}, "live long late ")
	f(call.Retention{Keys: noon.AddDate(0, 0, 5)}, "live late ")
	f(call.Retention{Keys: noon.AddDate(0, 0, 50)}, "live ")
}

// pledgesRetained: what was redeemed goes; what was not, stays.
func pledgesRetained(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	for id := range call.ID(3) {
		if ok, err := s.PutPledge(ctx, call.Pledge{ID: id + 1, Owner: "batch/b", Parts: []call.PledgePart{{Scope: "key/a", Window: "1 day UTC"}}}); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	for _, id := range []call.ID{2, 9} { // 9 was never put
		if _, err := s.RedeemPledge(ctx, id, []int64{0}); err != nil {
			t.Fatal(err)
		}
	}
	f := func(before time.Time, id call.ID, want bool) {
		t.Helper()
		let(t, s, call.Retention{Pledges: before})
		if got, err := s.Pledged(ctx, id); err != nil || got != want {
			t.Errorf("pledge %d is known: %v, %v; want %v", id, got, err, want)
		}
	}
	f(time.Now().Add(-time.Hour), 2, true)
	f(time.Now().Add(time.Hour), 2, false)
	f(time.Now().Add(time.Hour), 1, true)
	if ok, err := s.PutPledge(ctx, call.Pledge{ID: 9, Owner: "batch/b"}); err != nil || !ok {
		t.Errorf("what was redeemed before it was put is remembered for ever: %v, %v", ok, err)
	}
}
