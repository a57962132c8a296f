package provider

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

func minting(t *testing.T, values ...string) Spec {
	spec := self(t, "fake", nil)
	for i, v := range values {
		spec.Credentials = append(spec.Credentials, SpecCredential{Name: fmt.Sprint("c", i), Value: v})
	}
	return spec
}

func TestTokensAreMadeBeforeTheFirstRequest(t *testing.T) {
	s := newSupervisor(t, nil)
	p := mustApply(t, s, minting(t, "mint 1h a", "as it is")).Provider("fake")
	if got := p.Credentials[0].Secret(); got != "tok-a-1" {
		t.Errorf("got %q", got)
	}
	if got := p.Credentials[1].Secret(); got != "as it is" {
		t.Errorf("got %q", got)
	}
	if a := ask(t, p, p.Credentials[0].Secret()); a.Credential != "tok-a-1" {
		t.Errorf("the adapter got %q", a.Credential)
	}
}

func TestTokensAreRenewed(t *testing.T) {
	s := newSupervisor(t, nil)
	c := mustApply(t, s, minting(t, "mint 300ms a")).Provider("fake").Credentials[0]
	for i := 1; i <= 3; i++ {
		want := fmt.Sprint("tok-a-", i)
		until(t, want, func() bool { return c.Secret() == want })
	}
}

func TestTokensOutliveTheirProcess(t *testing.T) {
	s := newSupervisor(t, nil)
	set := mustApply(t, s, minting(t, "mint 1h a"))
	p := set.Provider("fake")
	if resp, err := send(p, "die", ""); err == nil {
		resp.Body.Close()
	}
	until(t, "restart", func() bool { return s.Stats()[0].Restarts == 1 })
	if got := p.Credentials[0].Secret(); got != "tok-a-1" || !p.Credentials[0].Usable(time.Now().UnixMilli()) {
		t.Errorf("got %q", got)
	}
}

func TestRotationNeedsNoRestart(t *testing.T) {
	s := newSupervisor(t, nil)
	set := mustApply(t, s, minting(t, "mint 1h a"))
	set.Commit()
	pid := s.Stats()[0].PID
	next := mustApply(t, s, minting(t, "mint 1h a", "mint 1h b"))
	next.Commit()
	c := next.Provider("fake").Credentials
	if c[0] != set.Provider("fake").Credentials[0] || c[1].Secret() != "tok-b-2" || s.Stats()[0].PID != pid {
		t.Errorf("got %q, %q", c[0].Secret(), c[1].Secret())
	}
}

func TestRefusedTokens(t *testing.T) {
	log, out := debugLog()
	s := newSupervisor(t, log)
	c := mustApply(t, s, minting(t, "refuse", "mint 1h a")).Provider("fake").Credentials
	now := time.Now().UnixMilli()
	if c[0].Usable(now) || !c[1].Usable(now) {
		t.Error("want the refused credential out of use, the other in it")
	}
	if text := out.String(); !strings.Contains(text, "cannot make a token") || strings.Contains(text, "refuse:") || strings.Contains(text, "of refuse") {
		t.Errorf("got %s", text)
	}
}

// TestWhyThereIsNoToken tells a credential that is refused from a try that failed.
func TestWhyThereIsNoToken(t *testing.T) {
	s := newSupervisor(t, nil)
	set := mustApply(t, s, minting(t, "refuse", "unknown", "mint 1h a"))
	f := func(c *call.Credential, want *MintError) {
		t.Helper()
		if got := set.Unminted("fake", c); (got == nil) != (want == nil) || got != nil && (got.Refused != want.Refused || !strings.Contains(got.Says, want.Says)) {
			t.Errorf("%s: got %+v; want %+v", c.Name, got, want)
		}
	}
	c := set.Provider("fake").Credentials
	f(c[0], &MintError{false, "cannot make a token"})
	f(c[1], &MintError{true, "nobody knows it"})
	f(c[2], nil)
}

func TestTokensAreNotLogged(t *testing.T) {
	log, out := debugLog()
	s := newSupervisor(t, log)
	p := mustApply(t, s, minting(t, "mint 1h topsecret")).Provider("fake")
	resp, err := send(p, "log", p.Credentials[0].Secret())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	until(t, "log", func() bool { return strings.Count(out.String(), redacted) >= 3 })
	if text := out.String(); strings.Contains(text, "tok-topsecret") || strings.Contains(text, "mint 1h") {
		t.Errorf("got %s", text)
	}
}

func TestRenewal(t *testing.T) {
	now := time.UnixMilli(1e12)
	f := func(life, want time.Duration) {
		t.Helper()
		if got := renewal(now.Add(life), now).Sub(now); got != want {
			t.Errorf("%v: got %v; want %v", life, got, want)
		}
	}
	f(time.Hour, 55*time.Minute)
	f(10*time.Minute, 8*time.Minute)
	f(time.Second, 800*time.Millisecond)
	if got := renewal(time.Time{}, now); got.Before(now) {
		t.Errorf("got %v", got)
	}
}

func TestRefusedTokenIsMadeAnew(t *testing.T) {
	s := newSupervisor(t, nil)
	c := mustApply(t, s, minting(t, "mint 1h a")).Provider("fake").Credentials[0]
	c.Bench(time.Now().Add(2 * time.Minute)) // when the token is no longer fresh
	c.BenchedUntil.Store(time.Now().Add(time.Hour).UnixMilli())
	c.SetToken(&call.Token{Value: c.Secret(), Expires: time.Now()})
	until(t, "a new token", func() bool { return c.Secret() == "tok-a-2" && c.Usable(time.Now().UnixMilli()) })
}
