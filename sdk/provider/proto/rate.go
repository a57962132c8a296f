package proto

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxReset bounds a reset; above it a number of seconds is a Unix time.
const maxReset = 400 * 24 * time.Hour

// ParseReset reads when a rate limit is whole again: seconds, a duration
// ("6m0s", "120ms"), a time (RFC 3339) or a Unix time in seconds or milliseconds.
func ParseReset(s string, now time.Time) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1e15 {
		switch {
		case n < maxReset.Seconds():
			return time.Duration(n * float64(time.Second)), true
		case n < 1e11:
			return bounded(time.Unix(int64(n), 0).Sub(now))
		}
		return bounded(time.UnixMilli(int64(n)).Sub(now))
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return bounded(d)
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return bounded(t.Sub(now))
	}
	return 0, false
}

func bounded(d time.Duration) (time.Duration, bool) { return max(d, 0), d < maxReset }

// ParseRetryAfter reads a Retry-After header, seconds or a date; 0 is for what
// is neither.
func ParseRetryAfter(s string) time.Duration {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n > 0 && n < 1e6 {
		return time.Duration(n * float64(time.Second))
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}
