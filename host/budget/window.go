package budget

import (
	"fmt"
	"math"
	"time"
	_ "time/tzdata" // windows must not depend on what the machine has installed

	"github.com/signalbox-ai/signalbox/host/call"
)

// window is a limit's window, resolved. One that rolls is kept as buckets, each
// an account of its own; the limit holds for the sum of as many of them as any
// stretch of the window's length can touch, so it is never passed.
type window struct {
	unit    string
	size    int
	loc     *time.Location
	name    string // canonical, part of the account's identity
	bucket  int64  // seconds, 0: it does not roll
	buckets int64  // that the window's length comes to
}

// never is the end of a window without one.
const never = math.MaxInt64

// newWindow resolves w.
func newWindow(w call.Window) (window, error) {
	switch w.Unit {
	case "minute", "hour", "day", "week", "month", "total":
	default:
		return window{}, fmt.Errorf("window unit is %q; it must be minute, hour, day, week, month or total", w.Unit)
	}
	if w.Size < 1 || w.Size > 10_000 {
		return window{}, fmt.Errorf("window size is %d; it must be between 1 and 10000 %ss", w.Size, w.Unit)
	}
	zone := w.TZ
	if zone == "" {
		zone = "UTC"
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return window{}, fmt.Errorf("window time zone is %q; it must be an IANA name such as Europe/Berlin", w.TZ)
	}
	if w.Rolling {
		return rolling(w)
	}
	if w.Unit == "total" {
		return window{unit: w.Unit, size: 1, loc: time.UTC, name: w.Unit}, nil
	}
	return window{unit: w.Unit, size: w.Size, loc: loc, name: fmt.Sprintf("%d %s %s", w.Size, w.Unit, zone)}, nil
}

// rolling resolves a window that rolls. A month is 30 days; time zones do not
// matter to it.
func rolling(w call.Window) (window, error) {
	length, ok := map[string]int64{"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400}[w.Unit]
	if !ok {
		return window{}, fmt.Errorf("a window of unit %q cannot roll; leave rolling out", w.Unit)
	}
	buckets := int64(24)
	if w.Unit == "minute" || length*int64(w.Size)%(30*86400) == 0 {
		buckets = 30
	}
	length *= int64(w.Size)
	return window{unit: w.Unit, size: w.Size, loc: time.UTC, bucket: length / buckets, buckets: buckets,
		name: fmt.Sprintf("%d %s rolling", w.Size, w.Unit)}, nil
}

// from is where the oldest account starts that counts beside the one that
// starts at start.
func (w *window) from(start int64) int64 { return start - w.bucket*w.buckets }

// until is up to when an account counts whose bucket or window ends at end.
func (w *window) until(end int64) int64 { return end + w.bucket*w.buckets }

// bounds returns the window, or bucket of one, that t lies in, as Unix seconds: start ≤ t < end.
// Neighbouring windows touch and never overlap, whatever clocks are set to.
func (w *window) bounds(t time.Time) (start, end int64) {
	if w.bucket > 0 {
		start = t.Unix() - ((t.Unix()%w.bucket)+w.bucket)%w.bucket
		return start, start + w.bucket
	}
	local := t.In(w.loc)
	switch w.unit {
	case "minute":
		return w.fixed(t, 60)
	case "hour":
		return w.fixed(t, 3600)
	case "day":
		first := civilDay(local)
		first -= mod(first, w.size)
		return w.dayStart(first), w.dayStart(first + w.size)
	case "week":
		const monday = 4 // 1970-01-05
		days := 7 * w.size
		first := civilDay(local)
		first -= mod(first-monday, days)
		return w.dayStart(first), w.dayStart(first + days)
	case "month":
		first := local.Year()*12 + int(local.Month()) - 1
		first -= mod(first, w.size)
		return w.monthStart(first), w.monthStart(first + w.size)
	}
	return 0, never
}

// fixed is a window of so many seconds. It is aligned to the zone's clock as it
// stands on a January 1st and does not move with daylight saving: each window
// has its full length and each instant lies in one.
func (w *window) fixed(t time.Time, unit int64) (start, end int64) {
	_, offset := time.Date(2026, time.January, 1, 0, 0, 0, 0, w.loc).Zone()
	length := unit * int64(w.size)
	since := t.Unix() + int64(offset)
	start = t.Unix() - ((since%length)+length)%length
	return start, start + length
}

// civilDay numbers the days of a local calendar from 1970-01-01.
func civilDay(local time.Time) int {
	y, m, d := local.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func (w *window) dayStart(day int) int64 {
	return w.earliest(time.Unix(int64(day)*86400, 0).UTC())
}

func (w *window) monthStart(month int) int64 {
	return w.earliest(time.Date(month/12, time.Month(month%12+1), 1, 0, 0, 0, 0, time.UTC))
}

// earliest is the first instant at which the zone's calendar shows midnight of
// the civil date or, when midnight is skipped there, something later.
func (w *window) earliest(civil time.Time) int64 {
	y, m, d := civil.Date()
	at := time.Date(y, m, d, 0, 0, 0, 0, w.loc)
	zoneStart, zoneEnd := at.ZoneBounds()
	if civilDay(at) < civilDay(civil) { // midnight is skipped: the day starts when the clocks go forward
		return zoneEnd.Unix()
	}
	if at.Hour() != 0 && !zoneStart.IsZero() { // the same, seen from behind the gap
		return zoneStart.Unix()
	}
	if zoneStart.IsZero() {
		return at.Unix()
	}
	// Midnight may come twice: the first one lies before the clocks went back.
	_, before := zoneStart.Add(-time.Second).Zone()
	if first := civil.Unix() - int64(before); first < zoneStart.Unix() {
		return first
	}
	return at.Unix()
}

func mod(a, n int) int { return ((a % n) + n) % n }
