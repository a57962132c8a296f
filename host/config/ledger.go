package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Ledger says how requests are written down.
type Ledger struct {
	// MaxJournal bounds what waits on the disk while the store takes no rows;
	// beyond, requests are refused until it does.
	MaxJournal Size `koanf:"max_journal"`
	// UnauthenticatedRows is how many requests a second of callers without a
	// valid key become rows of their own; the others are counted. 0: none.
	UnauthenticatedRows int `koanf:"unauthenticated_rows"`
}

// Retention says for how long what is kept; 0 is for ever.
type Retention struct {
	Requests Age `koanf:"requests"` // rows of single requests
	Hours    Age `koanf:"hours"`    // sums by hour; older ones become sums by day, for ever
	Objects  Age `koanf:"objects"`  // whose what is that providers keep, since it was made or named last
	Keys     Age `koanf:"keys"`     // revoked ones
}

// Age is a span of time that is written in days or hours: 90d, 36h.
type Age time.Duration

func (a *Age) read(v any) error {
	bad := errors.New("not an age such as 90d or 36h, or 0 for ever")
	if n, ok := v.(int); ok && n == 0 {
		*a = 0
		return nil
	}
	text, ok := v.(string)
	if !ok {
		return bad
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return bad
		}
		*a = Age(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return bad
	}
	*a = Age(d)
	return nil
}

// Before is the time before which what has this age lies at now; zero: never.
func (a Age) Before(now time.Time) time.Time {
	if a == 0 {
		return time.Time{}
	}
	return now.Add(-time.Duration(a))
}

const (
	leastJournal   = 32 << 20
	leastRetention = Age(24 * time.Hour)
)

func (c *Config) checkLedger(p *problems) {
	if c.Ledger.MaxJournal < leastJournal {
		p.addf("ledger.max_journal", "is %d bytes: give at least 32MiB", c.Ledger.MaxJournal)
	}
	if n := c.Ledger.UnauthenticatedRows; n < 0 || n > 10_000 {
		p.addf("ledger.unauthenticated_rows", "is %d: give 0 to 10000", n)
	}
	for name, age := range map[string]Age{"requests": c.Retention.Requests, "hours": c.Retention.Hours,
		"objects": c.Retention.Objects, "keys": c.Retention.Keys} {
		if age != 0 && age < leastRetention {
			p.addf("retention."+name, "is %v: give at least 1d, or 0 for ever", time.Duration(age))
		}
	}
}
