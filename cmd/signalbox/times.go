package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// span is a flag of a length of time: days as in 7d, or what Go knows, as in 12h.
type span time.Duration

// String implements pflag.Value.
func (s *span) String() string {
	d := time.Duration(*s)
	if d > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// Set implements pflag.Value.
func (s *span) Set(text string) error {
	if n, ok := days(text); ok {
		*s = span(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("write 7d, 12h or 90m")
	}
	*s = span(d)
	return nil
}

// Type implements pflag.Value.
func (s *span) Type() string { return "duration" }

// days reads 90d.
func days(text string) (int, bool) {
	number, ok := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && n > 0 && n < 1e5
}

// away reads a length of time as a time that is so far from now, before it or
// after it by way.
func away(text string, now time.Time, way int) (time.Time, bool) {
	if n, ok := days(text); ok {
		return now.AddDate(0, 0, way*n), true
	}
	d, err := time.ParseDuration(text)
	return now.Add(time.Duration(way) * d), err == nil && d > 0
}

// expiresUsage is how parseExpiry's text is written.
const expiresUsage = "90d, 12h, a time such as 2027-01-31T00:00:00Z, or never"

// parseExpiry reads when something ends; the zero time for "" and never.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "never" {
		return time.Time{}, nil
	}
	t, ok := away(text, now, +1)
	if !ok {
		var err error
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			return t, hint(fmt.Errorf("cannot read --expires %q", text), "write "+expiresUsage)
		}
	}
	return t.UTC().Truncate(time.Second), nil
}

// sinceUsage is how parseSince's text is written.
const sinceUsage = "24h or 7d ago, a day such as 2026-05-20, or a time such as 2026-05-20T14:00:00Z"

// parseSince reads a time in the past: an age such as 90m, 24h or 7d, a day, or a time.
func parseSince(flag, text string, now time.Time) (time.Time, error) {
	if t, ok := away(text, now, -1); ok {
		return t, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil && t.Before(now) {
			return t, nil
		}
	}
	return time.Time{}, hint(fmt.Errorf("cannot read --%s %q: it is no time in the past", flag, text), "give "+sinceUsage)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// clock is a time to the minute, in UTC as all times in tables are.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// second is a time to the second.
func second(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateTime)
}
