package main

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestRatesPage(t *testing.T) {
	p := open(t, "../../docs/rates.md")
	p.play(t, 1)
	p.names(t, "rate_limit_exceeded", "too_many_concurrent", "Retry-After-Ms", "signalbox_rate_limited_total")
}

func TestParseLimit(t *testing.T) {
	f := func(text string, rate bool, want call.Limit, back string) {
		t.Helper()
		want.Rate = rate
		got, err := parseLimit(text, rate)
		if err != nil || got != want || flagText(&got) != back {
			t.Errorf("parseLimit(%q) = %+v (%s), %v; want %+v (%s)", text, got, flagText(&got), err, want, back)
		}
	}
	day, minute := call.Window{Unit: "day", Size: 1}, call.Window{Unit: "minute", Size: 1}
	f("0.5/day", false, call.Limit{Window: day, Max: 5e8}, "0.5/day")
	f("3usd/2week@Europe/Berlin", false, call.Limit{Window: call.Window{Unit: "week", Size: 2, TZ: "Europe/Berlin"}, Max: 3e9}, "3/2week@Europe/Berlin")
	f("500requests/day", false, call.Limit{Unit: call.UnitRequests, Window: day, Max: 500}, "500requests/day")
	f("9/7day:rolling", false, call.Limit{Window: call.Window{Unit: "day", Size: 7, Rolling: true}, Max: 9e9}, "9/7day:rolling")
	f("60/minute", true, call.Limit{Unit: call.UnitRequests, Window: minute, Max: 60}, "60/minute")
	f("1000tokens/minute", true, call.Limit{Unit: call.UnitTokens, Window: minute, Max: 1000}, "1000tokens/minute")
	for _, text := range []string{"", "5", "/day", "5/", "5/dya", "x/day", "1.5/minute", "5/0day", "5/day@Nowhere", "99999999999999999999/day", "5 /day"} {
		if l, err := parseLimit(text, true); err == nil {
			t.Errorf("parseLimit(%q) = %+v; want an error", text, l)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	f.Add("100/month@Europe/Berlin", false)
	f.Add("100000tokens/2minute", true)
	f.Fuzz(func(t *testing.T, text string, rate bool) {
		l, err := parseLimit(text, rate)
		if err != nil {
			return
		}
		again, err := parseLimit(flagText(&l), rate)
		if err != nil || again != l {
			t.Errorf("%q is read as %+v, and that as %+v, %v", text, l, again, err)
		}
	})
}
