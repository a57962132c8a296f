package policy

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestMemoIsBounded(t *testing.T) {
	f := func(name string, maxBytes int64, keySize int) {
		t.Run(name, func(t *testing.T) {
			m := newMemo[int](memoSets, maxBytes)
			key := make([]byte, keySize)
			for i := range 50_000 {
				binary.LittleEndian.PutUint64(key, uint64(i))
				m.put(key, &i, 0, asker{})
				if got := m.get(key, asker{}); got == nil || *got != i {
					t.Fatalf("what was put last is gone: %v", got)
				}
				if m.bytes.Load() > maxBytes || m.entries.Load() > memoWays*memoSets {
					t.Fatalf("%d bytes in %d entries", m.bytes.Load(), m.entries.Load())
				}
			}
			var bytes, entries int64
			for s := range m.sets {
				for w := range m.sets[s].places {
					if e := m.sets[s].places[w].Load(); e != nil {
						bytes, entries = bytes+e.size, entries+1
					}
				}
			}
			if bytes != m.bytes.Load() || entries != m.entries.Load() {
				t.Errorf("counted %d bytes in %d entries, there are %d in %d", m.bytes.Load(), m.entries.Load(), bytes, entries)
			}
		})
	}
	f("by entries", 1<<30, 8)
	f("by bytes", 1<<20, 400)
	f("by few bytes", 40_000, 1000)
}

func TestMemoGivesASecondChance(t *testing.T) {
	m := newMemo[int](memoSets, 1<<30)
	hot, key, val := []byte("hot"), make([]byte, 8), 1
	m.put(hot, &val, 0, asker{})
	for i := range 200_000 {
		binary.LittleEndian.PutUint64(key, uint64(i))
		m.put(key, &val, 0, asker{})
		if m.get(hot, asker{}) == nil {
			t.Fatalf("an entry that is read all the time was evicted after %d others", i)
		}
	}
}

func TestMemoReplacesAndRefuses(t *testing.T) {
	m := newMemo[int](memoSets, 16_000)
	one, two := 1, 2
	m.put([]byte("k"), &one, 0, asker{})
	m.put([]byte("k"), &two, 0, asker{})
	if got := m.get([]byte("k"), asker{}); *got != 2 || m.entries.Load() != 1 {
		t.Errorf("got %d in %d entries", *got, m.entries.Load())
	}
	if m.put([]byte("big"), &one, 1001, asker{}); m.get([]byte("big"), asker{}) != nil {
		t.Error("one entry may take more than a sixteenth")
	}
}

func TestMemoConcurrently(t *testing.T) {
	m := newMemo[uint64](memoSets, 1<<16)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			key := make([]byte, 8)
			for range 20_000 {
				n := r.Uint64N(2000)
				binary.LittleEndian.PutUint64(key, n)
				if got := m.get(key, asker{}); got == nil {
					m.put(key, &n, 0, asker{})
				} else if *got != n {
					t.Errorf("key %d holds %d", n, *got)
				}
			}
		})
	}
	wg.Wait()
	if m.bytes.Load() > 1<<16 {
		t.Errorf("%d bytes", m.bytes.Load())
	}
}

// TestEngineMemoIsBounded sends requests that differ in what is remembered.
func TestEngineMemoIsBounded(t *testing.T) {
	e := openWith(t, Options{Path: files{"u": `deny contains {"code": "x", "v": input.net.ip} if input.net.tls`}.folder(t),
		Deadline: slack, MemoBytes: 100_000})
	c := sampleCall()
	for i := range 3000 {
		c.TLS = i%2 == 0
		c.Remote = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		if d := e.Decide(c); d.Allow == c.TLS || c.TLS && d.Reasons[0].Value != c.Remote.String() {
			t.Fatalf("got %+v", d)
		}
		if got := e.Stats().MemoBytes; got > 100_000 {
			t.Fatalf("%d bytes are remembered", got)
		}
	}
}

// TestKeysAreTheInput: calls have the same key of all fields if and only if
// they have the same input, call.* left out.
func TestKeysAreTheInput(t *testing.T) {
	s := openWith(t, Options{}).snap.Load()
	var all []field
	for id := range numFields {
		if l := leaves[id]; !l.constant && !l.volatile {
			all = append(all, field{id: id})
		}
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	byKey, byInput := map[string]string{}, map[string]string{}
	same := 0
	for range 3000 {
		c := randomCall(rnd)
		c.ID, c.Received = 0, c.Received.Truncate(6*time.Hour)
		c.Facts.Tools, c.Facts.In, c.Facts.Size = nil, 0, min(c.Facts.Size, 1)
		c.Facts.MaxTokens, c.Principal.User, c.Principal.Attrs, c.Principal.Roles = 0, "", nil, nil
		c.Principal.KeyName, c.Principal.Env, c.Model = "", "", nil
		r := getReader(c, &s.env)
		key, input := string(r.appendKey(nil, all)), r.document().Value.(ast.Object)
		input.Insert(ast.StringTerm("call"), ast.NullTerm())
		putReader(r)
		text := input.String()
		if have, ok := byKey[key]; ok && have != text {
			t.Fatalf("one key for\n%s\n%s", have, text)
		}
		if have, ok := byInput[text]; ok && have != key {
			t.Fatalf("two keys for\n%s", text)
		} else if ok {
			same++
		}
		byKey[key], byInput[text] = text, key
	}
	if same < 100 || len(byKey) < 100 {
		t.Errorf("%d of 3000 inputs were the same, %d keys", same, len(byKey))
	}
}

func sampleAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

func FuzzZones(f *testing.F) {
	f.Add("10.0.0.0/8", "10.128.0.0/9", "10.200.0.1")
	f.Add("0.0.0.0/0", "255.255.255.255", "255.255.255.255")
	f.Add("::/0", "ffff::/16", "::1")
	f.Add("2001:db8::/32", "10.0.0.1/32", "::ffff:10.0.0.1")
	f.Add("fe80::/10", "::", "fe80::1%eth0")
	f.Fuzz(func(t *testing.T, a, b, addr string) {
		ip, err := netip.ParseAddr(addr)
		if err != nil {
			return
		}
		table, err := newZoneTable(map[string]any{"a": []any{a}, "b": []any{b, a}})
		if err != nil {
			return
		}
		var want []string
		pa, _ := parsePrefix(a)
		pb, _ := parsePrefix(b)
		if pa.Contains(plainAddr(ip)) {
			want = append(want, "a")
		}
		if pa.Contains(plainAddr(ip)) || pb.Contains(plainAddr(ip)) {
			want = append(want, "b")
		}
		if got := table.find(plainAddr(ip)).list; !slices.Equal(got, want) {
			t.Errorf("%s in %s, %s: got %v, want %v", addr, a, b, got, want)
		}
	})
}

func TestClock(t *testing.T) {
	f := func(at, tz string, want clock) {
		t.Helper()
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		loc, err := time.LoadLocation(tz)
		if err != nil {
			t.Fatal(err)
		}
		if got := clockAt(when.In(loc)); got != want {
			t.Errorf("%s in %s: got %+v, want %+v", at, tz, got, want)
		}
	}
	f("1970-01-01T00:00:00Z", "UTC", clock{0, 4, 0, 0})
	f("1969-12-31T23:59:59Z", "UTC", clock{-1, 3, 23, 59})
	f("2026-05-04T23:30:00Z", "UTC", clock{20577, 1, 23, 30})
	f("2026-05-04T23:30:00Z", "Europe/Berlin", clock{20578, 2, 1, 30})
	f("2026-05-04T03:30:00Z", "America/New_York", clock{20576, 0, 23, 30})
	f("2026-05-04T00:00:00Z", "Asia/Kathmandu", clock{20577, 1, 5, 45})
}

func TestSizeBuckets(t *testing.T) {
	for n, want := range map[int]string{0: "1k", 1024: "1k", 1025: "2k", 4096: "4k", 1 << 20: "1m", 1<<20 + 1: "2m", 64 << 20: "64m", 64<<20 + 1: "max"} {
		if got := sizeBucket(n); got != want {
			t.Errorf("%d bytes: got %s, want %s", n, got, want)
		}
	}
}
