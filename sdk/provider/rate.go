package provider

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is what an upstream says of its rate limit, for the credential that a
// request was made with. Fields that it does not speak of are nil.
type Rate struct {
	RequestsLimit, RequestsRemaining *int64
	TokensLimit, TokensRemaining     *int64
	RequestsReset, TokensReset       *time.Duration // until the limit is whole again
}

// Read reads the headers of an upstream's answer.
func (h RateHeaders) Read(header func(name string) string, now time.Time) (r Rate) {
	for _, f := range []struct {
		name string
		to   **int64
	}{{h.RequestsLimit, &r.RequestsLimit}, {h.RequestsRemaining, &r.RequestsRemaining}, {h.TokensLimit, &r.TokensLimit}, {h.TokensRemaining, &r.TokensRemaining}} {
		if f.name == "" {
			continue
		}
		if n, err := strconv.ParseFloat(strings.TrimSpace(header(f.name)), 64); err == nil && n >= 0 && n < math.MaxInt64/2 {
			whole := int64(n)
			*f.to = &whole
		}
	}
	for _, f := range []struct {
		name string
		to   **time.Duration
	}{{h.RequestsReset, &r.RequestsReset}, {h.TokensReset, &r.TokensReset}} {
		if f.name == "" {
			continue
		}
		if d, ok := ParseReset(header(f.name), now); ok {
			*f.to = &d
		}
	}
	return r
}

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

// header is the form on the data socket, "" for nothing.
func (r *Rate) header() string {
	var b []byte
	put := func(name string, n int64) {
		if len(b) > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendInt(append(append(b, name...), '='), n, 10)
	}
	for _, f := range []struct {
		name string
		v    *int64
	}{{"requests-limit", r.RequestsLimit}, {"requests-remaining", r.RequestsRemaining}, {"tokens-limit", r.TokensLimit}, {"tokens-remaining", r.TokensRemaining}} {
		if f.v != nil {
			put(f.name, *f.v)
		}
	}
	for _, f := range []struct {
		name string
		v    *time.Duration
	}{{"requests-reset-ms", r.RequestsReset}, {"tokens-reset-ms", r.TokensReset}} {
		if f.v != nil {
			put(f.name, f.v.Milliseconds())
		}
	}
	return string(b)
}
