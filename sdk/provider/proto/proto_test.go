package proto

import (
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestUsageRoundTrip(t *testing.T) {
	u := wire.Usage{Input: 1, CacheRead: 2, CacheWrite5m: 3, CacheWrite1h: 4, Output: 5, Reasoning: 6}
	const text = "in=1;cr=2;cw5=3;cw1=4;out=5;rs=6"
	if got := string(AppendUsage(nil, u)); got != text {
		t.Errorf("got %s; want %s", got, text)
	}
	if got, ok := ParseUsage(text); !ok || got != u {
		t.Errorf("got %+v, %v", got, ok)
	}
	if got, ok := ParseUsage("out=7;later=9"); !ok || got != (wire.Usage{Output: 7}) {
		t.Errorf("got %+v, %v", got, ok)
	}
	for _, bad := range []string{"", "in", "in=", "in=-1", "in=x", "in=99999999999999", "in=1;;"} {
		if got, ok := ParseUsage(bad); ok {
			t.Errorf("%q gave %+v", bad, got)
		}
	}
}

func FuzzParseUsage(f *testing.F) {
	f.Add("in=1;cr=2;cw5=3;cw1=4;out=5;rs=6")
	f.Fuzz(func(t *testing.T, s string) {
		u, ok := ParseUsage(s)
		if !ok {
			return
		}
		if again, ok := ParseUsage(string(AppendUsage(nil, u))); !ok || again != u {
			t.Errorf("%q: got %+v, then %+v", s, u, again)
		}
	})
}
