package call

import (
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestPriceAt(t *testing.T) {
	second := &Price{Input: 2, From: 2000, Until: 3000}
	p := &Price{Input: 1, Until: 2000, Next: second}
	f := func(sec int64, want *Price) {
		t.Helper()
		if got := p.At(time.Unix(sec, 0)); got != want {
			t.Errorf("at %d: got %+v; want %+v", sec, got, want)
		}
	}
	f(0, p)
	f(1999, p)
	f(2000, second)
	f(2999, second)
	f(3000, nil)
	if (*Price)(nil).At(time.Unix(1, 0)) != nil {
		t.Error("no price has one at some time")
	}
}

func TestPriceScaled(t *testing.T) {
	p := &Price{Input: 1001, Image: 10, Sizes: &ImagePrices{{Size: "s", USD: 5}}, Long: &Price{Input: 2000}, Next: &Price{Input: 4000}}
	q := p.Scaled(1100)
	if q.Input != 1102 || q.Image != 11 || (*q.Sizes)[0].USD != 6 || q.Long.Input != 2200 || q.Next.Input != 4400 {
		t.Errorf("got %+v", *q)
	}
	if p.Input != 1001 || (*p.Sizes)[0].USD != 5 || p.Long.Input != 2000 || p.Scaled(1000) != p {
		t.Error("the price itself has changed")
	}
}

func TestCostOfEveryUnit(t *testing.T) {
	f := func(p Price, u wire.Usage, want int64) {
		t.Helper()
		if got := p.Cost(u); got != want {
			t.Errorf("%+v costs %d; want %d", u, got, want)
		}
	}
	f(Price{Hour: 3_600_000}, wire.Usage{Millis: 7}, 7)
	f(Price{Hour: 1}, wire.Usage{Millis: 1}, 1) // rounded up
	f(Price{Pages: 1000}, wire.Usage{Pages: 3}, 3)
	f(Price{Searches: 2001}, wire.Usage{Searches: 3}, 7)
	f(Price{Image: 5}, wire.Usage{Images: 3}, 15)
	f(Price{Request: 9}, wire.Usage{}, 9)
	f(Price{Characters: 1e6}, wire.Usage{Characters: 3}, 3)
	f(Price{AudioOutput: 1e6, CacheReadImage: 2e6}, wire.Usage{AudioOutput: 3, CacheReadImage: 4}, 11)
}
