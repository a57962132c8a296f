package share_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/share"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// leader counts how often it is told that nobody follows any more.
type leader struct {
	told atomic.Int64
	left atomic.Bool
}

func (l *leader) Left() bool { return l.left.Load() }

func (l *leader) Again() { l.told.Add(1) }

// read takes all of an answer.
func read(g *share.Group, gone <-chan struct{}) (head *share.Head, body []byte, marks int, tail share.Tail, err error) {
	r := g.Reader()
	head, failure, err := r.Head(gone)
	if err != nil {
		return nil, nil, 0, tail, err
	}
	if failure != nil {
		return nil, nil, 0, tail, failure.Err
	}
	for {
		p, err := r.Next(gone)
		switch {
		case err != nil:
			return head, body, marks, tail, err
		case p.Err != nil:
			return head, body, marks, tail, p.Err.Err
		case p.Mark:
			marks++
		case p.End:
			return head, body, marks, p.Tail, nil
		}
		body = append(body, p.Bytes...)
	}
}

// TestEveryFollowerGetsAll: whenever they come, in pieces of whatever size.
func TestEveryFollowerGetsAll(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(1, seed))
		tab := share.New(1 << 20)
		g, leads := tab.Join(share.Key{1}, &leader{})
		if !leads {
			t.Fatal("the first does not lead")
		}
		var want []byte
		var wg sync.WaitGroup
		follow := func() {
			same, leads := tab.Join(share.Key{1}, &leader{})
			if leads || same != g {
				t.Error("a later one leads")
			}
			wg.Go(func() {
				defer same.Leave()
				head, body, marks, tail, err := read(same, nil)
				if err != nil || head.Type != "text/event-stream" || !bytes.Equal(body, want) || marks != 1 || tail.Cost != 7 {
					t.Errorf("seed %d: %+v, %d of %d bytes, %d marks, %+v, %v", seed, head, len(body), len(want), marks, tail, err)
				}
			})
		}
		pieces := make([][]byte, 1+rnd.IntN(20))
		for i := range pieces {
			pieces[i] = bytes.Repeat([]byte{byte(i)}, rnd.IntN(100))
			want = append(want, pieces[i]...)
		}
		follow()
		g.Begin(share.Head{Status: 200, Type: "text/event-stream", Stream: true})
		for i, p := range pieces {
			if rnd.IntN(3) == 0 {
				follow()
			}
			if i == len(pieces)-1 {
				g.Mark()
			}
			g.Write(p)
		}
		follow()
		g.End(share.Tail{Cost: 7})
		wg.Wait()
		if s := tab.Stats(); s.Groups != 0 || s.Waiting != 0 || s.Led != 1 {
			t.Errorf("%+v", s)
		}
	}
}

func TestKeysAreApartAndGroupsEnd(t *testing.T) {
	tab := share.New(1 << 10)
	a, leads := tab.Join(share.Key{1}, &leader{})
	b, leadsToo := tab.Join(share.Key{2}, &leader{})
	if !leads || !leadsToo || a == b {
		t.Error("requests of two keys have one group")
	}
	a.End(share.Tail{})
	if _, leads := tab.Join(share.Key{1}, &leader{}); !leads {
		t.Error("a group that has ended is joined")
	}
}

// TestSlowFollowerIsCut: it costs neither memory nor the leader's time.
func TestSlowFollowerIsCut(t *testing.T) {
	tab := share.New(1 << 10)
	g, _ := tab.Join(share.Key{1}, &leader{})
	slow, _ := tab.Join(share.Key{1}, &leader{})
	g.Begin(share.Head{Status: 200, Stream: true})
	r := slow.Reader()
	if _, failure, err := r.Head(nil); failure != nil || err != nil {
		t.Fatal(failure, err)
	}
	for range 100 {
		g.Write(make([]byte, 100)) // which never waits
	}
	if _, err := r.Next(nil); !errors.Is(err, share.ErrSlow) {
		t.Errorf("a follower that is 9 KB behind: %v", err)
	}
	if _, leads := tab.Join(share.Key{1}, &leader{}); !leads {
		t.Error("a group whose beginning is gone is joined")
	}
	slow.Leave()
	if s := tab.Stats(); s.Cut != 1 {
		t.Errorf("%+v", s)
	}
}

func TestFailures(t *testing.T) {
	f := func(fail share.Failure, begun bool, wantOwn bool) {
		t.Helper()
		tab := share.New(1 << 10)
		g, _ := tab.Join(share.Key{1}, &leader{})
		same, _ := tab.Join(share.Key{1}, &leader{})
		defer same.Leave()
		if begun {
			g.Begin(share.Head{Status: 200})
		}
		g.Fail(fail)
		g.End(share.Tail{}) // which is too late
		head, failure, err := same.Reader().Head(nil)
		if head != nil || failure == nil || failure.Own != wantOwn || failure.Err != fail.Err || err != nil {
			t.Errorf("%+v: %v, %+v, %v", fail, head, failure, err)
		}
	}
	broken := wire.Errorf(502, "broken", "it broke")
	f(share.Failure{Own: true}, false, true)
	f(share.Failure{Err: broken}, false, false)
	f(share.Failure{Err: broken}, true, false)
}

// TestLeavingIsTold: the leader hears when the last follower goes, and never
// after it has ended.
func TestLeavingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab, l := share.New(1<<10), &leader{}
		g, _ := tab.Join(share.Key{1}, l)
		one, _ := tab.Join(share.Key{1}, &leader{})
		two, _ := tab.Join(share.Key{1}, &leader{})
		if !g.Followed() {
			t.Error("nobody follows")
		}
		gone := make(chan struct{})
		done := make(chan error)
		go func() {
			_, _, _, _, err := read(one, gone)
			one.Leave()
			done <- err
		}()
		synctest.Wait()
		close(gone)
		if err := <-done; !errors.Is(err, share.ErrGone) || l.told.Load() != 0 {
			t.Errorf("%v; the leader was told %d times while one is there", err, l.told.Load())
		}
		two.Leave()
		if g.Followed() || l.told.Load() != 1 {
			t.Errorf("the leader was told %d times", l.told.Load())
		}
		three, _ := tab.Join(share.Key{1}, &leader{})
		g.End(share.Tail{})
		three.Leave()
		if l.told.Load() != 1 {
			t.Error("a leader that has ended was told")
		}
	})
}

// TestNobodyFollowsALeaderThatHasLeft: whose answer is being ended is not
// joined: who comes then leads anew, and ends what is its own.
func TestNobodyFollowsALeaderThatHasLeft(t *testing.T) {
	tab, first, second := share.New(1<<20), &leader{}, &leader{}
	a, _ := tab.Join(share.Key{1}, first)
	a.Begin(share.Head{Status: 200, Stream: true})
	first.left.Store(true)
	b, leads := tab.Join(share.Key{1}, second)
	if !leads || a.Followed() {
		t.Fatalf("one that comes after its leader has left leads: %t; somebody follows: %t", leads, a.Followed())
	}
	a.Fail(share.Failure{}) // which leaves the other where it is
	if _, leads := tab.Join(share.Key{1}, &leader{}); leads || !b.Followed() {
		t.Error("the end of the first group has taken the second's place")
	}
	b.End(share.Tail{})
	b.Leave()
	if s := tab.Stats(); s.Waiting != 0 || s.Groups != 0 || s.Led != 2 {
		t.Errorf("%+v", s)
	}
}
