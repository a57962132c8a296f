package auth

import (
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var pepper = []byte("0123456789abcdef0123456789abcdef")

func newKeys(t testing.TB, entries ...Entry) *Keys {
	t.Helper()
	k := New(pepper)
	if err := k.Set(entries); err != nil {
		t.Fatal(err)
	}
	return k
}

// entry is a key called name whose token is "token-" and the name.
func entry(t testing.TB, name string) Entry {
	t.Helper()
	return Entry{Digest: newKeys(t).Digest([]byte("token-" + name)), Principal: &call.Principal{KeyName: name}}
}

func TestAuthenticate(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	expired, later, revoked := entry(t, "expired"), entry(t, "later"), entry(t, "revoked")
	expired.Principal.Expires, later.Principal.Expires, revoked.Refused = now, now.Add(1), ErrRevoked
	old, older := entry(t, "old"), entry(t, "older")
	old.Until, older.Until = now.Add(1), now
	k := newKeys(t, entry(t, "a"), entry(t, "b"), expired, later, revoked, old, older)

	accepted := func(token, name string) {
		t.Helper()
		p, err := k.Authenticate([]byte(token), now)
		if err != nil || p.KeyName != name {
			t.Errorf("%q: got %v, %v; want %s", token, p, err, name)
		}
	}
	accepted("token-a", "a")
	accepted("token-b", "b")
	accepted("token-later", "later")
	accepted("token-old", "old")

	refused := func(token, code string) {
		t.Helper()
		p, err := k.Authenticate([]byte(token), now)
		if p != nil || err == nil || err.Code != code || err.Status != 401 {
			t.Errorf("%q: got %v, %v; want %s", token, p, err, code)
		}
	}
	refused("", "missing_api_key")
	refused("token-A", "invalid_api_key")
	refused("token-a ", "invalid_api_key")
	refused("token-", "invalid_api_key")
	refused("token-expired", "key_expired")
	refused("token-older", "key_expired")
	refused("token-revoked", "key_revoked")
	refused(fmt.Sprintf("token-%0600d", 1), "invalid_api_key")
}

func TestEmptySetRefusesAll(t *testing.T) {
	if p, e := New(pepper).Authenticate([]byte("x"), time.Now()); p != nil || e == nil {
		t.Errorf("got %v, %v; want a refusal", p, e)
	}
}

func TestDigestDependsOnPepper(t *testing.T) {
	other := New([]byte("another pepper of just 32 bytes!"))
	if newKeys(t).Digest([]byte("x")) == other.Digest([]byte("x")) {
		t.Error("two peppers give one digest")
	}
}

func TestSetRefusesOneSecretTwice(t *testing.T) {
	k := newKeys(t, entry(t, "a"))
	twin := entry(t, "a")
	twin.Principal = &call.Principal{KeyName: "twin"}
	if err := k.Set([]Entry{entry(t, "b"), entry(t, "a"), twin}); err == nil {
		t.Error("two keys with one secret are accepted")
	}
	if _, err := k.Authenticate([]byte("token-a"), time.Now()); err != nil {
		t.Errorf("a refused set has replaced the keys: %v", err)
	}
}

// TestSamePrefix plants digests that differ after the part that the table is keyed by.
func TestSamePrefix(t *testing.T) {
	a, b := entry(t, "a"), entry(t, "b")
	copy(b.Digest[:8], a.Digest[:8])
	k := newKeys(t, a, b)
	if s := k.table.Load().find(&a.Digest); s == nil || s.Principal.KeyName != "a" {
		t.Errorf("a is hidden by its neighbour; got %v", s)
	}
	if s := k.table.Load().find(&b.Digest); s == nil || s.Principal.KeyName != "b" {
		t.Errorf("b is hidden by its neighbour; got %v", s)
	}
}

func TestZeroDigestIsNobody(t *testing.T) {
	if s := newKeys(t).table.Load().find(&Digest{}); s != nil {
		t.Errorf("the zero digest is taken for %v", s)
	}
}

func TestSetWhileAuthenticating(t *testing.T) {
	k := newKeys(t, entry(t, "a"))
	with, without := []Entry{entry(t, "a"), entry(t, "b")}, []Entry{entry(t, "a")}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				if p, err := k.Authenticate([]byte("token-a"), time.Now()); err != nil || p.KeyName != "a" {
					t.Errorf("got %v, %v; want a at all times", p, err)
					return
				}
			}
		})
	}
	for range 200 {
		if err := k.Set(with); err != nil {
			t.Fatal(err)
		}
		if err := k.Set(without); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

// TestUsed tells of each use once, whatever secret of the key was shown, and
// across new sets of keys.
func TestUsed(t *testing.T) {
	a, b, other := entry(t, "a"), entry(t, "b"), entry(t, "other")
	a.Principal.KeyID, other.Principal.KeyID = "k-1", "k-2"
	b.Principal = a.Principal
	k := newKeys(t, a, b, other)
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	use := func(token string, at time.Time) {
		t.Helper()
		if _, err := k.Authenticate([]byte(token), at); err != nil {
			t.Fatal(err)
		}
	}
	use("token-a", now.Add(time.Second))
	use("token-b", now)
	if got := k.Used(); len(got) != 1 || !got["k-1"].Equal(now.Add(time.Second)) {
		t.Errorf("got %v; want k-1 alone, at its last use", got)
	}
	if got := k.Used(); got != nil {
		t.Errorf("got %v again", got)
	}
	use("token-b", now.Add(time.Minute))
	if err := k.Set([]Entry{a, other}); err != nil {
		t.Fatal(err)
	}
	if got := k.Used(); len(got) != 1 || !got["k-1"].Equal(now.Add(time.Minute)) {
		t.Errorf("got %v; a new set forgets no use", got)
	}
}

func TestGenerate(t *testing.T) {
	form := regexp.MustCompile(`^sb-[0-9a-z]{10}-[0-9a-z]{26}$`)
	seen := map[string]bool{}
	for range 1000 {
		id, token := Generate()
		if !form.MatchString(token) || token[3:13] != id || seen[token] || seen[id] {
			t.Fatalf("got id %q token %q; want a new sb-<id>-<secret>", id, token)
		}
		seen[token], seen[id] = true, true
	}
}

func FuzzAuthenticate(f *testing.F) {
	f.Add([]byte("token-a"))
	f.Add([]byte("sb-0123456789-abcdefghjkmnpqrstvwxyz0123"))
	k := newKeys(f, entry(f, "a"))
	f.Fuzz(func(t *testing.T, token []byte) {
		p, err := k.Authenticate(token, time.Now())
		if (p != nil) != (string(token) == "token-a") || (p == nil) == (err == nil) {
			t.Fatalf("%q: got %v, %v", token, p, err)
		}
	})
}

// TestStanding: whoever has been let in is asked by id.
func TestStanding(t *testing.T) {
	k, now := newKeys(t), time.Now()
	f := func(id string, at time.Time, want string) {
		t.Helper()
		if got := codeOf(k.Standing(id, at)); got != want {
			t.Errorf("%s: got %q; want %q", id, got, want)
		}
	}
	entry := func(id, secret string, e Entry) Entry {
		e.Digest = k.Digest([]byte(secret))
		e.Principal = &call.Principal{KeyID: id, KeyName: id, Expires: now.Add(time.Hour)}
		return e
	}
	if err := k.Set([]Entry{entry("good", "a", Entry{}), entry("good", "b", Entry{Until: now.Add(-time.Second)}), entry("gone", "c", Entry{Refused: ErrRevoked})}); err != nil {
		t.Fatal(err)
	}
	f("good", now, "")
	f("good", now.Add(time.Hour), "key_expired")
	f("gone", now, "key_revoked")
	f("nobody", now, "invalid_api_key")
}

// TestNextEnd: of keys that count, the next that ends.
func TestNextEnd(t *testing.T) {
	k := newKeys(t)
	now := time.Unix(1_000_000, 0)
	ends := func(id string, in time.Duration, refused *wire.Error) Entry {
		return Entry{Digest: k.Digest([]byte(id)), Refused: refused, Principal: &call.Principal{KeyID: id, Expires: now.Add(in)}}
	}
	err := k.Set([]Entry{ends("later", time.Hour, nil), ends("next", time.Minute, nil), ends("over", 0, nil), ends("refused", time.Second, ErrRevoked),
		{Digest: k.Digest([]byte("never")), Principal: &call.Principal{KeyID: "never"}}})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]time.Duration{0: time.Minute, time.Minute - 1: time.Minute, time.Minute: time.Hour} {
		if got := k.NextEnd(now.Add(at)); !got.Equal(now.Add(want)) {
			t.Errorf("after %s the next ends at %s; want %s", at, got, now.Add(want))
		}
	}
	if got := k.NextEnd(now.Add(time.Hour)); !got.IsZero() {
		t.Errorf("%s ends; want none", got)
	}
}
