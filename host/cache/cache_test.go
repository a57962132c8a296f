package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"zombiezen.com/go/sqlite"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/limit/redistest"
	"github.com/signalbox-ai/signalbox/host/redis"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

var secret = []byte(strings.Repeat("s", SecretLen))

func open(t *testing.T, tier Tier, meanings Meanings) *Cache {
	t.Helper()
	c, err := New(Options{Memory: 1 << 20, MaxEntry: 1 << 12, Tier: tier, Meanings: meanings, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func openTestFile(t *testing.T, path string, limit int64, meanings int) *File {
	t.Helper()
	f, err := OpenFile(path, limit, meanings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// kept is an entry of a text that must not be found where it lies.
func kept(n int, tenant string, now time.Time) *Entry {
	e := entry(tenant, n, 0)
	e.Body, e.Made, e.Expires = []byte("what nobody may read there"), now.UnixMilli(), now.Add(time.Hour).UnixMilli()
	e.Stream, e.Closing, e.Cost, e.Target, e.Type, e.Dropped = true, 5, 42, "demo/echo", "text/event-stream", "a,b"
	return e
}

// tierSuite is what every tier does.
func tierSuite(t *testing.T, tier Tier) {
	now := time.Now()
	e := kept(1, "us", now)
	one, two := open(t, tier, nil), open(t, tier, nil)
	one.Put(e)
	var got *Entry
	until(t, "the other cache has the entry", func() bool { got = two.Get(t.Context(), &e.Key, now, 0); return got != nil })
	if string(got.Body) != string(e.Body) || got.Tenant != "us" || got.Target != e.Target || got.Type != e.Type || got.Dropped != e.Dropped ||
		!got.Stream || got.Closing != 5 || got.Cost != 42 || got.Made != e.Made || got.Expires != e.Expires || got.Model != e.Model {
		t.Errorf("got %+v; want %+v", got, e)
	}
	sealed, err := tier.Get(t.Context(), e.Key)
	if err != nil || strings.Contains(string(sealed), "nobody may read") || strings.Contains(string(sealed), "us") && strings.Contains(string(sealed), "demo/echo") {
		t.Errorf("it lies there as %q, %v", sealed, err)
	}
	other := Key{9}
	if got := two.Get(t.Context(), &other, now, 0); got != nil {
		t.Errorf("under another key there is %+v", got)
	}
	void := []call.Purge{{Tenant: "us", Before: now.UnixMilli()}}
	two.Void(void)
	if got := two.Get(t.Context(), &e.Key, now, 0); got != nil {
		t.Errorf("what is void is found: %+v", got)
	}
	if got := two.Get(t.Context(), &e.Key, now.Add(2*time.Hour), 0); got != nil {
		t.Errorf("what has expired is found: %+v", got)
	}
	if _, err := one.Purge(t.Context(), call.Purge{Key: e.Key.String()}); err != nil {
		t.Error(err)
	}
	if sealed, err := tier.Get(t.Context(), e.Key); err != nil || sealed != nil {
		t.Errorf("after the purge there is %q, %v", sealed, err)
	}
	if s := one.Stats(); s.Stored != 1 || s.Failed != 0 || s.Dropped != 0 {
		t.Errorf("figures are %+v", s)
	}
}

func TestFileTier(t *testing.T) {
	tierSuite(t, openTestFile(t, filepath.Join(t.TempDir(), "cache.db"), 1<<20, 10))
}

func TestRedisTier(t *testing.T) {
	client, err := redis.Open(redis.Options{URL: redistest.Start(t).URL(), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	until(t, "redis answers", client.Up)
	tierSuite(t, Redis{client})
}

// failing is a tier that is gone.
type failing struct{}

var errGone = errors.New("gone")

func (failing) Get(context.Context, Key) ([]byte, error)         { return nil, errGone }
func (failing) Put(context.Context, *Entry, []byte) error        { return errGone }
func (failing) Purge(context.Context, call.Purge) (int64, error) { return 0, errGone }

func TestTierThatIsGone(t *testing.T) {
	c, e := open(t, failing{}, nil), kept(1, "us", time.Now())
	if c.Get(t.Context(), &e.Key, time.Now(), 0) != nil {
		t.Error("something is found")
	}
	c.Put(e)
	if c.Get(t.Context(), &e.Key, time.Now(), 0) != e {
		t.Error("the memory has not kept it")
	}
	until(t, "the failures are counted", func() bool { return c.Stats().Failed == 2 })
}

// stuck is a tier that takes nothing until it is let.
type stuck struct {
	failing
	let chan struct{}
}

func (s stuck) Put(context.Context, *Entry, []byte) error { <-s.let; return nil }

// TestSlowTierTakesNoMemory: of what a tier does not take fast enough only so
// much is held for it.
func TestSlowTierTakesNoMemory(t *testing.T) {
	tier := stuck{let: make(chan struct{})}
	c, err := New(Options{Memory: 1 << 20, MaxEntry: 1 << 20, Tier: tier, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	now := time.Now()
	for i := range 100 {
		e := kept(i, "us", now)
		e.Body = make([]byte, 1<<20)
		c.Put(e)
	}
	if got, s := c.waiting.Load(), c.Stats(); got > maxWaiting+2<<20 || got < maxWaiting || s.Dropped < 60 {
		t.Errorf("%d bytes wait, %d answers were dropped; want %d bytes", got, s.Dropped, maxWaiting)
	}
	close(tier.let)
	until(t, "nothing waits any more", func() bool { return c.waiting.Load() == 0 })
}

func TestLargeAnswersAreNotKept(t *testing.T) {
	c, e := open(t, nil, nil), kept(1, "us", time.Now())
	e.Body = make([]byte, 1<<12+1)
	c.Put(e)
	if s := c.Stats(); c.Get(t.Context(), &e.Key, time.Now(), 0) != nil || s.Large != 1 || s.Stored != 0 {
		t.Errorf("figures are %+v", s)
	}
}

// TestFileShrinks: the file stays within its bytes, at the cost of who has most.
func TestFileShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.db")
	f := openTestFile(t, path, 100*(1000+overhead), 10)
	put := func(tenant string, n int) {
		t.Helper()
		e := entry(tenant, n, 0)
		e.Made = int64(n)
		if err := f.Put(t.Context(), e, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		put("small", i)
	}
	for i := range 300 {
		put("flood", i)
	}
	put("flood", 299) // again: it counts once
	size, err := f.Size(t.Context())
	if err != nil || size.Bytes > 100*(1000+overhead) || size.Entries < 80 || size.Bytes != size.Entries*(1000+overhead) {
		t.Errorf("%+v, %v", size, err)
	}
	for i := range 20 {
		if b, err := f.Get(t.Context(), entry("small", i, 0).Key); err != nil || b == nil {
			t.Errorf("entry %d of the small tenant is gone: %v", i, err)
		}
	}
	if n, err := f.Purge(t.Context(), call.Purge{Tenant: "small"}); err != nil || n != 20 {
		t.Errorf("%d were purged, %v", n, err)
	}
	if n, err := f.Purge(t.Context(), call.Purge{}); err != nil || n != size.Entries-20 {
		t.Errorf("%d were purged, %v", n, err)
	}
}

// TestSumsSurviveAFullDisk: a change that is taken back is not counted, and sums
// that are wrong are no reason to look for room without end.
func TestSumsSurviveAFullDisk(t *testing.T) {
	f := openTestFile(t, filepath.Join(t.TempDir(), "cache.db"), 1<<20, 10)
	e := entry("one", 1, 0)
	good := func(when string) {
		t.Helper()
		if size, err := f.Size(t.Context()); err != nil || size.Entries != 1 || size.Bytes != 1000+overhead || size.Meanings != 0 {
			t.Errorf("%s: %+v, %v", when, size, err)
		}
	}
	if err := f.Put(t.Context(), e, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	pages := int64(0)
	if err := f.rows("PRAGMA page_count", func(s *sqlite.Stmt) { pages = s.ColumnInt64(0) }); err != nil {
		t.Fatal(err)
	}
	if err := f.run(fmt.Sprintf("PRAGMA max_page_count=%d", pages)); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), e, make([]byte, 500_000)); err == nil {
		t.Error("a full disk takes more")
	}
	good("a full disk")
	if err := f.Learn(t.Context(), &call.Meaning{Part: e.Key, Key: e.Key, Vector: make([]float32, 100_000)}); err == nil {
		t.Error("a full disk takes more")
	}
	good("a full disk")
	f.mu.Lock()
	f.bytes = 1 << 40
	f.mu.Unlock()
	if err := f.Put(t.Context(), e, make([]byte, 1000)); err == nil {
		t.Error("it made room for more than there is")
	}
	good("wrong sums")
}

// TestDamagedFileIsBegunAnew: nothing but answers is lost with it.
func TestDamagedFileIsBegunAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.db")
	f, err := OpenFile(path, 1<<20, 10)
	if err != nil {
		t.Fatal(err)
	}
	e := entry("us", 1, 0)
	if err := errors.Join(f.Put(t.Context(), e, []byte("x")), f.Close()); err != nil {
		t.Fatal(err)
	}
	f, err = OpenFile(path, 1<<20, 10)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := f.Get(t.Context(), e.Key); string(b) != "x" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if size, err := f.Size(t.Context()); err != nil || size.Bytes != 1+overhead {
		t.Errorf("%+v, %v", size, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	f = openTestFile(t, path, 1<<20, 10)
	if b, err := f.Get(t.Context(), e.Key); b != nil || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}

// TestNear: the nearest of a part is found where it is near enough, and only there.
func TestNear(t *testing.T) {
	f := openTestFile(t, filepath.Join(t.TempDir(), "cache.db"), 1<<20, 100)
	c, now := open(t, nil, f), time.Now()
	part, other := Key{1}, Key{2}
	c.Learn(t.Context(), part, []float32{1, 0, 0, 0}, kept(1, "us", now))
	c.Learn(t.Context(), part, []float32{0, 2, 0, 0}, kept(2, "us", now))
	c.Learn(t.Context(), other, []float32{1, 1, 0, 0}, kept(3, "them", now))
	c.Learn(t.Context(), part, []float32{0, 0, 0, 0}, kept(4, "us", now)) // it says nothing
	find := func(part Key, want int, threshold float64, v ...float32) {
		t.Helper()
		e, like := c.Near(t.Context(), part, v, threshold, now, 0)
		if (e == nil) != (want == 0) || e != nil && int(e.Key[1]) != want {
			t.Errorf("%v: got %v at %v; want %d", v, e, like, want)
		}
	}
	find(part, 1, .9, 3, 0, 0, 0)
	find(part, 1, .9, 1, .3, 0, 0)
	find(part, 0, .97, 1, .3, 0, 0)
	find(part, 2, .7, .8, .9, 0, 0)
	find(part, 0, .5, -1, 0, 0, 0)
	find(part, 0, .5, 1, 0, 0) // of another model
	find(other, 3, .7, 1, 0, 0, 0)
	find(Key{3}, 0, .5, 1, 0, 0, 0)
	if e, _ := c.Near(t.Context(), part, []float32{1, 0, 0, 0}, .9, now.Add(2*time.Hour), 0); e != nil {
		t.Errorf("what has expired is found: %+v", e)
	}
	c.Void([]call.Purge{{Model: "fast", Before: now.UnixMilli()}})
	find(part, 0, .9, 1, 0, 0, 0)
	if n, err := f.PurgeMeanings(t.Context(), call.Purge{Tenant: "us"}); err != nil || n != 2 {
		t.Errorf("%d were purged, %v", n, err)
	}
}

// TestMeaningsGo: beyond the most that are kept the oldest go, a tenth at a time.
func TestMeaningsGo(t *testing.T) {
	f := openTestFile(t, filepath.Join(t.TempDir(), "cache.db"), 1<<20, 20)
	for i := range 50 {
		err := f.Learn(t.Context(), &call.Meaning{Part: [32]byte{1}, Key: [32]byte{byte(i)}, Made: 1, Expires: 100, Vector: []float32{1, float32(i)}, Sealed: []byte{1}})
		if err != nil {
			t.Fatal(err)
		}
	}
	size, err := f.Size(t.Context())
	if err != nil || size.Meanings > 20 || size.Meanings < 17 {
		t.Errorf("%+v, %v", size, err)
	}
	if n, err := f.Near(t.Context(), [32]byte{1}, []float32{1, 49}, 2); err != nil || n.Key[0] != 49 || n.Distance > 1e-6 {
		t.Errorf("got %+v, %v", n, err)
	}
}

// TestVeil: it turns vectors about and leaves the angles between them.
func TestVeil(t *testing.T) {
	u := newVeil(secret)
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	a, b := u.over([]float32{3, 4, 0, 0, 0, 0, 0, 0}), u.over([]float32{4, 3, 0, 0, 0, 0, 0, 0})
	if d := dot(a, b); d < .9599 || d > .9601 {
		t.Errorf("their cosine is %v; want .96", d)
	}
	if c := newVeil([]byte("other")); dot(c.over([]float32{3, 4, 0, 0, 0, 0, 0, 0}), a) > .999 {
		t.Error("another secret veils alike")
	}
}

func FuzzReadEntry(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := readEntry(Key{}, b); err == nil && (e.Closing > len(e.Body) || e.Closing < -1) {
			t.Errorf("%+v", e)
		}
	})
}
