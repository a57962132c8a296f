package host

import (
	"bytes"
	"slices"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/share"
)

// listener keeps what it hears of a stream.
type listener struct{ heard []string }

// Event implements call.Tap.
func (l *listener) Event(data []byte) { l.heard = append(l.heard, string(data)) }

// TestWhatFollowersAreToldIsHeard: logs and traces hear the stream that a
// request shares as any other, all of it before the record is written.
func TestWhatFollowersAreToldIsHeard(t *testing.T) {
	f := func(write func(*share.Group), want ...string) {
		t.Helper()
		h, f := moneyHost(t)
		l := &listener{}
		f.Tap, f.Cached = l, call.CacheShared
		table := share.New(1 << 20)
		g, _ := table.Join(share.Key{}, &call.Gone{})
		f.shared.group, f.shared.leads = table.Join(share.Key{}, &f.Gone)
		g.Begin(share.Head{Status: 200, Stream: true})
		write(g)
		g.End(share.Tail{Cost: 5})
		var out bytes.Buffer
		_, err := (&following{h: h, f: f, r: g.Reader(), events: true}).WriteTo(&out)
		if err != nil || !slices.Equal(l.heard, want) || !bytes.Contains(out.Bytes(), []byte("two")) || f.Saved != 5 {
			t.Errorf("%q was heard, %v; want %q of %s", l.heard, err, want, &out)
		}
		h.Done(&f.Call)
	}
	f(func(g *share.Group) {
		g.Write([]byte("data: one\n\n"))
		g.Write([]byte("data: two\n\n"))
		g.Mark()
		g.Write([]byte("data: end\n\n"))
	}, "one", "two", "end")
	f(func(g *share.Group) { g.Write([]byte("data: one\n\ndata: two\n\n")) }, "one", "two")
}
