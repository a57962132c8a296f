package route

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// needed is goldenCall with what modules can ask for.
func needed() *call.Call {
	c := goldenCall()
	c.Principal.User = "ann"
	c.Find = func(c *call.Call, n call.Needs) {
		w := &c.Wants
		if n&call.NeedSession != 0 {
			w.Session, w.Prefix, w.Last = 0x0102030405060708, 0x1112131415161718, "anthropic/claude-haiku-4-5"
		}
		if n&call.NeedBudget != 0 {
			w.Budget, w.BudgetMax = 250_000_000, 1_000_000_000
		}
		if n&call.NeedMetadata != 0 {
			w.Meta = append(w.Meta[:0], "tier=gold\nzone=eu"...)
		}
		if n&call.NeedFeatures != 0 {
			w.Features = abi.Features{Messages: 1, SystemBytes: 2, UserBytes: 3, Words: 4, LongWords: 5, Sentences: 6, Questions: 7, Lines: 8,
				CodeLines: 9, Items: 10, Numbers: 11, Signs: 12, Hard: 13, Easy: 14, Foreign: 15}
		}
	}
	c.Wants.NeedTags, c.Wants.DenyTags, c.Wants.Priority = 0b1, 0b10, 2
	return c
}

const allNeeds = call.NeedSession | call.NeedBudget | call.NeedIdentity | call.NeedMetadata | call.NeedFeatures

// recordOf encodes a call for a module with needs.
func recordOf(c *call.Call, needs call.Needs) []byte {
	c.Need(needs)
	b := make([]byte, recordSize(c, needs))
	for i := range b {
		b[i] = 0xee
	}
	encode(b, c, noon.UnixMilli(), seedOf(c), needs)
	return b
}

func TestGoldenRecordOfAllNeeds(t *testing.T) {
	golden(t, "request_full.sbr1", recordOf(needed(), allNeeds))
}

// TestNeedsAreApart: a module sees what it asks for and nothing else.
func TestNeedsAreApart(t *testing.T) {
	f := func(needs call.Needs, want func(*Shown) bool) {
		t.Helper()
		s, err := Show(recordOf(needed(), needs), []string{"eu", "beta"})
		if err != nil {
			t.Fatal(err)
		}
		shown := call.Needs(0)
		for need, there := range map[call.Needs]bool{
			call.NeedSession: s.Session != "" || s.Prefix != "" || s.Sticky != "", call.NeedBudget: s.BudgetLeft != 0 || s.BudgetOf != 0,
			call.NeedIdentity: s.Key != "" || s.Team != "" || s.User != "", call.NeedMetadata: s.Metadata != nil, call.NeedFeatures: s.Features != nil} {
			if there {
				shown |= need
			}
		}
		if shown != needs || !want(s) {
			t.Errorf("needs %b: shown %b: %+v", needs, shown, s)
		}
	}
	f(0, func(s *Shown) bool {
		return slices.Equal(s.NeedTags, []string{"eu"}) && slices.Equal(s.DenyTags, []string{"beta"}) && s.Priority == 2 &&
			s.Model == "fast" && s.Tenant == "acme" && s.LastError == "overloaded" && s.Attempt == 1
	})
	f(call.NeedSession, func(s *Shown) bool {
		return s.Session == "0102030405060708" && s.Prefix == "1112131415161718" && s.Sticky == "anthropic/claude-haiku-4-5"
	})
	f(call.NeedBudget, func(s *Shown) bool { return s.BudgetLeft == 250_000_000 && s.BudgetOf == 1_000_000_000 })
	f(call.NeedIdentity, func(s *Shown) bool { return s.Key == "k-12" && s.Team == "core" && s.User == "ann" })
	f(call.NeedMetadata, func(s *Shown) bool { return slices.Equal(s.Metadata, []string{"tier=gold", "zone=eu"}) })
	f(call.NeedFeatures, func(s *Shown) bool { return s.Features.Foreign == 15 && s.Features.Messages == 1 })
	f(allNeeds, func(s *Shown) bool { return len(s.Candidates) == 2 && s.Candidates[0].Circuit == "closed" })
}

// TestLiveStateIsShown of targets that are full, resting or broken.
func TestLiveStateIsShown(t *testing.T) {
	c := goldenCall()
	a := c.Candidates[0].Target
	a.MaxInFlight, a.Breaker = 4, &call.Breaker{Errors: 0.5, Attempts: 1, Window: 1e10, Rest: 1e9, MaxRest: 1e9}
	s, err := Show(recordOf(c, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	one, two := s.Candidates[0], s.Candidates[1]
	if one.InFlight != 2 || one.MaxInFlight != 4 || *one.RequestsLeft != 100 || *one.TokensLeft != 100_000 || one.RetryAfterMS != 0 || one.TTFTMS != 256 {
		t.Errorf("%+v", one)
	}
	if two.RetryAfterMS != 2500 || two.Target != "anthropic/claude-haiku-4-5" || !slices.Equal(one.Tags, []string{"tag 0", "tag 2"}) {
		t.Errorf("%+v", two)
	}
	pass, ok := a.Enter(noon.UnixMilli())
	if !ok {
		t.Fatal("the target is full")
	}
	pass.Judge(5, noon.UnixMilli())
	pass.Judge(6, noon.UnixMilli())
	pass.Leave()
	if s, err = Show(recordOf(c, 0), nil); err != nil || s.Candidates[0].Circuit != "open" || s.Candidates[0].RetryAfterMS == 0 {
		t.Errorf("after failures: %+v, %v", s.Candidates[0], err)
	}
	if Builtin(c); c.Plan.Attempts[0].Index == 0 {
		t.Error("the built-in order begins with a target whose breaker is open")
	}
	if _, err := Show([]byte("nonsense"), nil); err == nil {
		t.Error("nonsense was read")
	}
}

// TestKeepFollowsTheRecord: what the built-in order decides can be told from
// the record alone, whoever was asked before.
func TestKeepFollowsTheRecord(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	declines := load(t, "declines", fussy([]any{0x42, 0, 0x0f}, nil))
	var r Recording
	for i := range 400 {
		c := someCall(rng, 1+i%64)
		c.Facts.Stream = true // which makes the guest decline
		h := declines
		if i%2 == 0 {
			h = nil
		}
		h.Keep(c, &r)
		want := builtinOrder(c)
		if c.Plan.Route != builtin || !slices.Equal(order(c), want) {
			t.Fatalf("call %d: %v by %s; want %v", i, order(c), c.Plan.Route, want)
		}
		p, err := BuiltinOf(r.Record)
		if err != nil || p.N != c.Plan.N || !slices.Equal(p.Attempts[:p.N], c.Plan.Attempts[:p.N]) {
			t.Fatalf("call %d: the record says %+v, %v", i, p, err)
		}
		if (r.Module == "") != (h == nil) || len(r.Answer) != 0 {
			t.Fatalf("call %d: %q was asked and answered %d bytes", i, r.Module, len(r.Answer))
		}
	}
	c := someCall(rng, 3)
	c.Body = make([]byte, keptBody+1)
	asked := call.Needs(0)
	c.Find = func(_ *call.Call, n call.Needs) { asked |= n }
	if (*Handle)(nil).Keep(c, &r); asked&(call.NeedSession|call.NeedFeatures) != 0 {
		t.Errorf("a large body was looked through for %b", asked)
	}
	c.Candidates = nil
	if (*Handle)(nil).Keep(c, &r); len(r.Record) != 0 {
		t.Error("there is a record of no candidates")
	}
}

// TestRepeat repeats on the version in use, on one that is kept, or says that
// there is none.
func TestRepeat(t *testing.T) {
	r, err := New(Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Load("m", "", shipped(t), nil); err != nil {
		t.Fatal(err)
	}
	var rec Recording
	c := someCall(rand.New(rand.NewPCG(41, 42)), 8)
	h := r.Handle("m")
	h.Keep(c, &rec)
	same := func(source func(string, string) (lane.Source, error)) {
		t.Helper()
		got, err := r.Repeat(&rec, source)
		if err != nil || !got.Same || got.Plan.Route != rec.Module {
			t.Errorf("%+v, %v", got, err)
		}
	}
	gone := func(why string, source func(string, string) (lane.Source, error)) {
		t.Helper()
		if _, err := r.Repeat(&rec, source); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), why) {
			t.Errorf("got %v; want that it is gone: %s", err, why)
		}
	}
	same(nil)
	if h.Lane(rec.Module) != "active" || h.Lane("another") != "" || (*Handle)(nil).Lane(rec.Module) != "" {
		t.Errorf("lane of %s is %q", rec.Module, h.Lane(rec.Module))
	}
	other := fussy(nil, nil)
	for range 2 { // two versions later it is kept nowhere here
		if err := r.Load("m", "", other, nil); err != nil {
			t.Fatal(err)
		}
	}
	gone("", nil)
	gone("lost", func(string, string) (lane.Source, error) { return lane.Source{}, errors.New("lost") })
	gone("does not load", func(string, string) (lane.Source, error) { return lane.Source{Code: []byte("x")}, nil })
	gone("what is kept is m@", func(string, string) (lane.Source, error) { return lane.Source{Code: other}, nil })
	same(func(name, label string) (lane.Source, error) {
		if name != "m" || label != rec.Module {
			t.Errorf("asked for %q of %q", label, name)
		}
		return lane.Source{Code: shipped(t)}, nil
	})
}
