package budget

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signalbox-ai/signalbox/host/call"
)

func mustWindow(t testing.TB, w call.Window) window {
	t.Helper()
	got, err := newWindow(w)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWindowBounds(t *testing.T) {
	f := func(unit string, size int, tz, at, start, end string) {
		t.Helper()
		w := mustWindow(t, call.Window{Unit: unit, Size: size, TZ: tz})
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		s, e := w.bounds(now)
		if got := time.Unix(s, 0).In(w.loc).Format(time.RFC3339); got != start {
			t.Errorf("%s at %s starts %s; want %s", w.name, at, got, start)
		}
		if got := time.Unix(e, 0).In(w.loc).Format(time.RFC3339); got != end {
			t.Errorf("%s at %s ends %s; want %s", w.name, at, got, end)
		}
	}
	f("minute", 1, "", "2026-03-04T05:06:07Z", "2026-03-04T05:06:00Z", "2026-03-04T05:07:00Z")
	f("hour", 6, "", "2026-03-04T05:06:07Z", "2026-03-04T00:00:00Z", "2026-03-04T06:00:00Z")
	f("hour", 1, "Asia/Kolkata", "2026-03-04T05:06:07Z", "2026-03-04T10:00:00+05:30", "2026-03-04T11:00:00+05:30")
	f("day", 1, "", "2026-03-04T05:06:07Z", "2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z")
	f("week", 1, "", "2026-03-04T05:06:07Z", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z")
	f("month", 1, "", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
	f("month", 3, "", "2026-05-31T23:59:59Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z")
	// Clocks go forward in New York on 2026-03-08, back on 2026-11-01: 23 and 25 hours.
	f("day", 1, "America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T00:00:00-05:00", "2026-03-09T00:00:00-04:00")
	f("day", 1, "America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00")
	// São Paulo skipped midnight on 2018-11-04: the day began at 01:00.
	f("day", 1, "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00")
	f("day", 1, "America/Sao_Paulo", "2018-11-04T02:30:00Z", "2018-11-03T00:00:00-03:00", "2018-11-04T01:00:00-02:00")
	// Havana had midnight twice on 2018-11-04: the day began at the first.
	f("day", 1, "America/Havana", "2018-11-04T04:30:00Z", "2018-11-04T00:00:00-04:00", "2018-11-05T00:00:00-05:00")
	// Samoa had no 2011-12-30 at all.
	f("day", 1, "Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00")
}

func TestWindowsTouch(t *testing.T) {
	zones := []string{"", "America/New_York", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Europe/Dublin"}
	units := []string{"minute", "hour", "day", "week", "month"}
	rapid.Check(t, func(r *rapid.T) {
		w := mustWindow(t, call.Window{
			Unit: rapid.SampledFrom(units).Draw(r, "unit"),
			Size: rapid.IntRange(1, 12).Draw(r, "size"),
			TZ:   rapid.SampledFrom(zones).Draw(r, "zone"),
		})
		now := time.Unix(rapid.Int64Range(1_200_000_000, 2_200_000_000).Draw(r, "now"), 0)
		start, end := w.bounds(now)
		if now.Unix() < start || now.Unix() >= end {
			r.Fatalf("%s: %v is outside of its window %d–%d", w.name, now, start, end)
		}
		if s, e := w.bounds(time.Unix(start, 0)); s != start || e != end {
			r.Fatalf("%s: the window's first second lies in %d–%d; want %d–%d", w.name, s, e, start, end)
		}
		if s, e := w.bounds(time.Unix(end-1, 0)); s != start || e != end {
			r.Fatalf("%s: the window's last second lies in %d–%d; want %d–%d", w.name, s, e, start, end)
		}
		if s, _ := w.bounds(time.Unix(end, 0)); s != end {
			r.Fatalf("%s: the next window starts %d; want %d", w.name, s, end)
		}
	})
}

func TestWindowErrors(t *testing.T) {
	f := func(w call.Window) {
		t.Helper()
		if _, err := newWindow(w); err == nil {
			t.Errorf("newWindow(%+v) accepted it", w)
		}
	}
	f(call.Window{Unit: "year", Size: 1})
	f(call.Window{Unit: "day", Size: 0})
	f(call.Window{Unit: "day", Size: -1})
	f(call.Window{Unit: "day", Size: 1, TZ: "Mars/Olympus"})
	f(call.Window{Unit: "day", Size: 1, TZ: "Local"})
}
