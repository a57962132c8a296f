package call

import (
	"math"
	"testing"
	"time"
)

func TestPickCredentialByWeight(t *testing.T) {
	now := time.UnixMilli(1e12)
	p := &Provider{Credentials: []*Credential{{Name: "a", Weight: 3}, {Name: "b", Weight: 1}, {Name: "standby"}}}
	picked := map[string]int{}
	const n = 20_000
	for range n {
		c, ok := p.PickCredential(now)
		if !ok {
			t.Fatal("no credential is usable")
		}
		picked[c.Name]++
	}
	if picked["standby"] > 0 || math.Abs(float64(picked["a"])/n-0.75) > 0.03 {
		t.Errorf("got %v; want three a for each b, and no standby", picked)
	}
	p.Credentials[0].Bench(now)
	p.Credentials[1].CooldownUntil.Store(now.UnixMilli() + 1)
	if c, ok := p.PickCredential(now); !ok || c.Name != "standby" {
		t.Errorf("got %v, %v; want the standby", c, ok)
	}
	p.Credentials[2].Bench(now)
	if c, ok := p.PickCredential(now); ok {
		t.Errorf("got %v; want none", c.Name)
	}
}

func TestMintedCredentials(t *testing.T) {
	now := time.UnixMilli(1e12)
	f := func(c *Credential, token *Token, usable bool, secret string) {
		t.Helper()
		c.SetToken(token)
		if c.Usable(now.UnixMilli()) != usable || c.Secret() != secret {
			t.Errorf("%+v: usable %v, secret %q", token, c.Usable(now.UnixMilli()), c.Secret())
		}
	}
	f(&Credential{Value: "v"}, nil, true, "v")
	f(&Credential{Value: "v", Minted: true}, nil, false, "v")
	f(&Credential{Value: "v", Minted: true}, &Token{Value: "t"}, true, "t")
	f(&Credential{Value: "v", Minted: true}, &Token{Value: "t", Expires: now.Add(time.Second)}, true, "t")
	f(&Credential{Value: "v", Minted: true}, &Token{Value: "t", Expires: now}, false, "t")
}

func TestRefusedTokensAreMadeAnew(t *testing.T) {
	now := time.UnixMilli(1e12)
	f := func(age time.Duration, stale bool) {
		t.Helper()
		c := &Credential{Value: "v", Minted: true}
		c.SetToken(&Token{Value: "t", Made: now.Add(-age), Expires: now.Add(time.Hour)})
		c.Bench(now)
		if c.Ready(now.UnixMilli()) == stale {
			t.Errorf("of age %v: ready %v", age, !stale)
		}
		c.Renewed(&Token{Value: "u", Made: now})
		if !c.Usable(now.UnixMilli()) || c.Secret() != "u" {
			t.Errorf("of age %v: the new token is not used", age)
		}
	}
	f(time.Minute, true)
	f(time.Second, false)
}

func TestRate(t *testing.T) {
	const now = 1e12
	f := func(notes map[RateKind]int64, spent bool) {
		t.Helper()
		var r Rate
		for k, n := range notes {
			r.Note(k, n)
		}
		if r.Spent(now) != spent {
			t.Errorf("%v: spent is %v", notes, !spent)
		}
	}
	f(nil, false)
	f(map[RateKind]int64{RequestsRemaining: 0}, false) // until when, it did not say
	f(map[RateKind]int64{RequestsRemaining: 0, RequestsReset: now + 1}, true)
	f(map[RateKind]int64{RequestsRemaining: 1, RequestsReset: now + 1}, false)
	f(map[RateKind]int64{RequestsRemaining: 0, RequestsReset: now}, false)
	f(map[RateKind]int64{TokensRemaining: 0, TokensReset: now + 1, RequestsRemaining: 9, RequestsReset: now + 1}, true)
	var r Rate
	r.Note(TokensLimit, 100)
	r.Note(TokensRemaining, 7)
	r.Note(TokensReset, now+5)
	if left, limit, ok := r.Tokens(now); left != 7 || limit != 100 || !ok {
		t.Errorf("got %d of %d, %v", left, limit, ok)
	}
}
