package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// shelf is a store of documents; what is written after left puts is lost, as
// if the process had died.
type shelf struct {
	mu   sync.Mutex
	docs map[string]call.Document
	left int
	dies bool
}

var errDied = errors.New("killed")

func (s *shelf) Documents(_ context.Context, kind string) (list []call.Document, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.docs {
		if d.Kind == kind {
			list = append(list, d)
		}
	}
	return list, nil
}

func (s *shelf) PutDocument(_ context.Context, d call.Document) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dies {
		if s.left == 0 {
			return 0, errDied
		}
		s.left--
	}
	if s.docs[d.Name].Revision != d.Revision {
		return 0, call.ErrRevision
	}
	d.Revision++
	if s.docs == nil {
		s.docs = map[string]call.Document{}
	}
	s.docs[d.Name] = d
	return d.Revision, nil
}

func local(t testing.TB, text string) *Local {
	t.Helper()
	l, err := NewLocal(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func open(t testing.TB, s *shelf, wrap Wrapper, others ...Wrapper) *Ring {
	t.Helper()
	r, err := Open(t.Context(), s, wrap, others...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sealed(t testing.TB, r *Ring, class, at, plain string) []byte {
	t.Helper()
	b, err := r.Seal(t.Context(), class, at, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func opens(t testing.TB, r *Ring, class, at string, b []byte, want string) {
	t.Helper()
	if got, err := r.Open(t.Context(), class, at, b); err != nil || string(got) != want {
		t.Errorf("%s opens as %q, %v; want %q", at, got, err, want)
	}
}

func TestSealed(t *testing.T) {
	s := &shelf{}
	r := open(t, s, local(t, "a long random key"))
	for _, plain := range []string{"", "sk-1", `{"private_key":"…"}`} {
		one, two := sealed(t, r, "credential", "openai/main", plain), sealed(t, r, "credential", "openai/main", plain)
		if bytes.Equal(one, two) || plain != "" && bytes.Contains(one, []byte(plain)) {
			t.Errorf("%q is sealed as %x and %x", plain, one, two)
		}
		opens(t, open(t, s, local(t, "a long random key")), "credential", "openai/main", one, plain)
	}
	if len(s.docs) != 1 {
		t.Errorf("there are %d documents of data keys; want one for the class", len(s.docs))
	}
}

func TestRefusesToOpen(t *testing.T) {
	s := &shelf{}
	r := open(t, s, local(t, "a long random key"))
	b := sealed(t, r, "credential", "openai/main", "sk-1")
	other := sealed(t, r, "secret", "openai/main", "sk-1")
	f := func(class, at string, b []byte) {
		t.Helper()
		if got, err := r.Open(t.Context(), class, at, b); err == nil {
			t.Errorf("opened as %q", got)
		}
	}
	f("credential", "openai/two", b) // another row
	f("secret", "openai/main", b)    // another table
	f("credential", "openai/main", other)
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		f("credential", "openai/main", bad)
		f("credential", "openai/main", b[:i])
	}
	if _, err := Open(t.Context(), s, local(t, "another key")); !errors.Is(err, ErrKey) {
		t.Errorf("under another key: %v", err)
	}
	if _, err := NewLocal(""); err == nil {
		t.Error("an empty key is taken")
	}
}

func TestDataKeysDoNotChangePlaces(t *testing.T) {
	s := &shelf{}
	r := open(t, s, local(t, "a long random key"))
	sealed(t, r, "credential", "x", "1")
	sealed(t, r, "secret", "x", "2")
	one, two := s.docs["credential"], s.docs["secret"]
	one.Body, two.Body = two.Body, one.Body
	s.docs["credential"], s.docs["secret"] = one, two
	if _, err := Open(t.Context(), s, local(t, "a long random key")); !errors.Is(err, errDamaged) {
		t.Errorf("swapped data keys: %v", err)
	}
}

func TestNodesMakeOneDataKey(t *testing.T) {
	s := &shelf{}
	nodes := []*Ring{open(t, s, local(t, "k")), open(t, s, local(t, "k")), open(t, s, local(t, "k"))}
	var wg sync.WaitGroup
	out := make([][]byte, len(nodes))
	for i, r := range nodes {
		wg.Go(func() { out[i], _ = r.Seal(context.Background(), "credential", fmt.Sprint(i), []byte("sk")) })
	}
	wg.Wait()
	for _, r := range nodes {
		for i, b := range out {
			opens(t, r, "credential", fmt.Sprint(i), b, "sk")
		}
	}
	var c class
	if err := json.Unmarshal(s.docs["credential"].Body, &c); err != nil || len(c.Keys) != 1 {
		t.Errorf("there are %d data keys, %v", len(c.Keys), err)
	}
}

// TestRewrapSurvivesEveryDeath lets the process die after each write.
func TestRewrapSurvivesEveryDeath(t *testing.T) {
	classes := []string{"alert", "credential", "secret"}
	for puts := range len(classes) + 1 {
		s := &shelf{}
		old, fresh := local(t, "old"), local(t, "new")
		r := open(t, s, old)
		texts := map[string][]byte{}
		for _, c := range classes {
			texts[c] = sealed(t, r, c, "row", "secret of "+c)
		}
		r = open(t, s, fresh, old)
		s.dies, s.left = true, puts
		if _, err := r.Rewrap(t.Context()); (err != nil) != (puts < len(classes)) {
			t.Errorf("after %d writes: %v", puts, err)
		}
		s.dies = false
		r = open(t, s, fresh, old) // the next start
		for _, c := range classes {
			opens(t, r, c, "row", texts[c], "secret of "+c)
		}
		if n, err := r.Rewrap(t.Context()); err != nil || n != len(classes) {
			t.Errorf("again: %d, %v", n, err)
		}
		r = open(t, s, fresh) // without the old one
		for _, c := range classes {
			opens(t, r, c, "row", texts[c], "secret of "+c)
		}
		if _, err := Open(t.Context(), s, old); !errors.Is(err, ErrKey) {
			t.Errorf("the old key still opens: %v", err)
		}
	}
}

func TestRenewAndDrop(t *testing.T) {
	s := &shelf{}
	r := open(t, s, local(t, "k"))
	node := open(t, s, local(t, "k"))
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	r.now = func() time.Time { return now }
	old := sealed(t, r, "credential", "row", "sk")
	renew := func() {
		t.Helper()
		if err := r.Renew(t.Context(), "credential"); err != nil {
			t.Fatal(err)
		}
	}
	fresh := func(b []byte, want bool) {
		t.Helper()
		if got, err := r.Fresh(t.Context(), "credential", b); err != nil || got != want {
			t.Errorf("fresh is %v, %v; want %v", got, err, want)
		}
	}
	fresh(old, true)
	renew()
	fresh(old, false)
	one := sealed(t, node, "credential", "row", "sk") // by a node that did not make it
	fresh(one, true)
	now = now.Add(grace / 2)
	renew() // begun again after a kill: no third key
	fresh(one, true)
	opens(t, r, "credential", "row", old, "sk")
	if left, err := r.Drop(t.Context(), "credential"); err != nil || left != 1 {
		t.Errorf("%d stay, %v: another node may still write under it", left, err)
	}
	now = now.Add(grace)
	if left, err := r.Drop(t.Context(), "credential"); err != nil || left != 0 {
		t.Errorf("%d stay, %v", left, err)
	}
	if _, err := open(t, s, local(t, "k")).Open(t.Context(), "credential", "row", old); !errors.Is(err, errDamaged) {
		t.Errorf("what nothing is sealed under any more: %v", err)
	}
}

func TestUseRefusesKeysThatDoNotOpen(t *testing.T) {
	s := &shelf{}
	r := open(t, s, local(t, "old"))
	b := sealed(t, r, "credential", "row", "sk")
	if err := r.Use(t.Context(), local(t, "new")); !errors.Is(err, ErrKey) {
		t.Errorf("got %v", err)
	}
	opens(t, r, "credential", "row", b, "sk")
	if err := r.Use(t.Context(), local(t, "new"), local(t, "old")); err != nil {
		t.Error(err)
	}
	if _, err := r.Rewrap(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Use(t.Context(), local(t, "new")); err != nil {
		t.Error(err)
	}
	opens(t, r, "credential", "row", b, "sk")
}

// TestMain is the program that keeps a key, too: it turns bytes around.
func TestMain(m *testing.M) {
	if how := os.Getenv("KEEPER"); how != "" {
		keeper(how)
		return
	}
	os.Exit(m.Run())
}

func keeper(how string) {
	var in ask
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	mask := func(b []byte) (out []byte) {
		out = bytes.Clone(b)
		for i := range out {
			out[i] ^= 0x5a ^ in.Purpose[i%len(in.Purpose)]
		}
		return out
	}
	switch how {
	case "good":
		_ = json.NewEncoder(os.Stdout).Encode(ask{Plaintext: mask(in.Ciphertext), Ciphertext: mask(in.Plaintext)})
	case "forgets": // what it wraps
		_ = json.NewEncoder(os.Stdout).Encode(ask{Plaintext: make([]byte, keyBytes), Ciphertext: []byte("lost")})
	case "blabs":
		fmt.Fprintf(os.Stderr, "cannot write %x and %s", in.Plaintext, base64.RawURLEncoding.EncodeToString(mask(in.Ciphertext)))
		os.Exit(4)
	case "slow":
		time.Sleep(time.Minute)
	case "plain":
		_ = json.NewEncoder(os.Stdout).Encode(ask{Plaintext: in.Ciphertext, Ciphertext: in.Plaintext})
	case "garbage":
		fmt.Printf("%s is no JSON", in.Plaintext)
	case "tells":
		_ = json.NewEncoder(os.Stderr).Encode(in)
		os.Exit(3)
	}
}

func command(t *testing.T, how string) *Command {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Command{Name: "test", Args: []string{exe}, Env: []string{"KEEPER=" + how}, Timeout: 20 * time.Second}
}

func TestCommand(t *testing.T) {
	s := &shelf{}
	r := open(t, s, command(t, "good"))
	b := sealed(t, r, "credential", "row", "sk")
	opens(t, open(t, s, command(t, "good")), "credential", "row", b, "sk")
	// From the program to a key of the configuration, and no program any more.
	r = open(t, s, local(t, "k"), command(t, "good"))
	if _, err := r.Rewrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	opens(t, open(t, s, local(t, "k")), "credential", "row", b, "sk")
}

// TestWhatDoesNotOpenIsNotKept: a program that wraps what nobody can unwrap
// takes the place of no key that opens.
func TestWhatDoesNotOpenIsNotKept(t *testing.T) {
	s := &shelf{}
	b := sealed(t, open(t, s, local(t, "old")), "credential", "row", "sk")
	r := open(t, s, command(t, "forgets"), local(t, "old"))
	if _, err := r.Rewrap(t.Context()); err == nil || !strings.Contains(err.Error(), "opens as another key") {
		t.Errorf("got %v", err)
	}
	if err := r.Renew(t.Context(), "credential"); err == nil {
		t.Error("a data key is made that nobody can unwrap")
	}
	opens(t, open(t, s, local(t, "old")), "credential", "row", b, "sk")
}

func TestCommandFails(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	f := func(c *Command, want string) {
		t.Helper()
		_, err := c.Wrap(t.Context(), key, "p")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
		secret, _ := json.Marshal(key)
		if err != nil && (strings.Contains(err.Error(), string(key)) || strings.Contains(err.Error(), hex.EncodeToString(key)) || strings.Contains(err.Error(), strings.Trim(string(secret), `"`))) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
	slow := command(t, "slow")
	slow.Timeout = 50 * time.Millisecond
	f(slow, "has not answered within 50ms")
	f(command(t, "plain"), "no ciphertext")
	f(command(t, "garbage"), "not JSON")
	f(command(t, "tells"), "exit status 3")
	f(command(t, "nothing"), "not JSON")
	f(command(t, "blabs"), "exit status 4")
	_, err := command(t, "blabs").Unwrap(t.Context(), bytes.Repeat([]byte("w"), 32), "p")
	if err == nil || !strings.HasSuffix(err.Error(), "cannot write  and [redacted]") {
		t.Errorf("what was unwrapped is told: %v", err)
	}
	f(&Command{Name: "x", Args: []string{filepath.Join(t.TempDir(), "missing")}, Timeout: time.Second}, "no such file")
	if _, err := command(t, "plain").Unwrap(t.Context(), []byte("short"), "p"); err == nil {
		t.Error("a key of 5 bytes is taken")
	}
}

func FuzzOpen(f *testing.F) {
	s := &shelf{}
	r, err := Open(context.Background(), s, must(NewLocal("k")))
	if err != nil {
		f.Fatal(err)
	}
	good, err := r.Seal(context.Background(), "credential", "row", []byte("sk"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:headLen])
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := r.Open(t.Context(), "credential", "row", b); err == nil && !bytes.Equal(b, good) {
			t.Errorf("%x opens as %q", b, got)
		}
	})
}

func must(l *Local, err error) *Local {
	if err != nil {
		panic(err)
	}
	return l
}
