package config

import (
	"fmt"
	"net/netip"
	"path"
	"time"
)

// Alerts say what is worth telling people, and how.
type Alerts struct {
	Thresholds []int         `koanf:"thresholds"` // percent of a budget that is spent
	Forecast   bool          `koanf:"forecast"`   // tell of budgets that will be used up before their window ends
	Scopes     []string      `koanf:"scopes"`     // patterns of budgets, as in team/*; none: all
	Every      time.Duration `koanf:"every"`      // between two looks
	Repeat     time.Duration `koanf:"repeat"`     // of what goes on, such as a breaker that stays open
	// Allow are names, addresses and networks, beside public ones, that receivers
	// given by the admin API may be at.
	Allow []string                 `koanf:"allow"`
	To    map[string]AlertReceiver `koanf:"to"`
}

// AlertReceiver is where alerts go: one of webhook, slack and smtp.
type AlertReceiver struct {
	Webhook  Secret   `koanf:"webhook"`
	Secret   Secret   `koanf:"secret"` // signs what goes to the webhook
	Slack    Secret   `koanf:"slack"`
	SMTP     string   `koanf:"smtp"` // host:port
	From     string   `koanf:"from"`
	To       []string `koanf:"to"`
	TLS      string   `koanf:"tls"` // starttls (default), tls, none
	User     string   `koanf:"user"`
	Password Secret   `koanf:"password"`
	Kinds    []string `koanf:"kinds"`  // none: all
	Scopes   []string `koanf:"scopes"` // patterns; none: all
}

func (c *Config) checkAlerts(p *problems) {
	a := c.Alerts
	for i, n := range a.Thresholds {
		if n < 1 || n > 1000 {
			p.addf(fmt.Sprintf("alerts.thresholds[%d]", i), "is %d: give a percentage, 1 to 1000", n)
		}
	}
	checkPatterns(p, "alerts.scopes", a.Scopes)
	if a.Every < time.Second {
		p.addf("alerts.every", "is %s: give at least 1s", a.Every)
	}
	if a.Repeat < time.Minute {
		p.addf("alerts.repeat", "is %s: give at least 1m", a.Repeat)
	}
	for i, entry := range a.Allow {
		_, err := netip.ParsePrefix(entry)
		_, err2 := netip.ParseAddr(entry)
		if err != nil && err2 != nil && !hostName.MatchString(entry) {
			p.addf(fmt.Sprintf("alerts.allow[%d]", i), "%q is no name, address or network: write it as 10.1.0.0/16 or hooks.internal", entry)
		}
	}
	for _, name := range sortedKeys(a.To) {
		if !aliasName.MatchString(name) {
			p.addf(join("alerts.to", name), "a receiver's name has letters, digits, '.', '_', ':' and '-', at most 128")
		}
		checkPatterns(p, join("alerts.to", name)+".scopes", a.To[name].Scopes)
	}
}

func checkPatterns(p *problems, at string, patterns []string) {
	for i, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			p.addf(fmt.Sprintf("%s[%d]", at, i), "%q is no pattern: write it as team/* or org/acme", pattern)
		}
	}
}
