package config

import (
	"net/url"
	"time"
)

// Audit says what is written down of who did what, and what vouches for it.
type Audit struct {
	// Required refuses what is asked of the admin API where it cannot be recorded.
	Required  bool          `koanf:"required"`
	Reads     bool          `koanf:"reads"`      // record what changes nothing, too
	Denials   float64       `koanf:"denials"`    // share of refusals by policy that is recorded
	PerSecond int           `koanf:"per_second"` // of one kind of what nobody waits for, at most
	Keep      time.Duration `koanf:"keep"`       // age at which entries go; 0: never
	Anchor    AuditAnchor   `koanf:"anchor"`
}

// AuditAnchor says where the end of the log is noted from time to time.
type AuditAnchor struct {
	Every time.Duration `koanf:"every"`
	File  string        `koanf:"file"` // is appended to
	URL   Secret        `koanf:"url"`  // is sent a POST
}

func (c *Config) checkAudit(p *problems) {
	a := c.Audit
	if !(a.Denials >= 0 && a.Denials <= 1) {
		p.addf("audit.denials", "is %v: give 0 to 1", a.Denials)
	}
	if a.PerSecond < 1 || a.PerSecond > 10_000 {
		p.addf("audit.per_second", "is %d: give 1 to 10000", a.PerSecond)
	}
	if a.Keep != 0 && a.Keep < time.Hour {
		p.addf("audit.keep", "is %s: give at least 1h, or 0 for ever", a.Keep)
	}
	if a.Anchor.Every < time.Second {
		p.addf("audit.anchor.every", "is %s: give at least 1s", a.Anchor.Every)
	}
	if a.Anchor.URL != "" && !webAddress(a.Anchor.URL) {
		p.addf("audit.anchor.url", "is not an address: write it as https://host/path")
	}
}

// webAddress reports whether s is one that can be called.
func webAddress(s Secret) bool {
	u, err := url.Parse(s.Reveal())
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
