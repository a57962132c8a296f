package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Rule sends the requests that it holds for elsewhere. Without targets all of
// the model's are meant, without a route the model's own.
type Rule struct {
	When    When     `koanf:"when"`
	Targets []string `koanf:"targets"` // of the model, by provider/model, in this order
	Route   string   `koanf:"route"`
}

// When is what has to be so, all of it. What is left out may be anything; of a
// list one suffices.
type When struct {
	Orgs     []string            `koanf:"orgs"`
	Teams    []string            `koanf:"teams"`
	Projects []string            `koanf:"projects"`
	Users    []string            `koanf:"users"`
	Keys     []string            `koanf:"keys"`     // public ids or names
	Metadata map[string][]string `koanf:"metadata"` // attributes of the key and metadata of the request
	Stream   *bool               `koanf:"stream"`
	Tools    *bool               `koanf:"tools"`
	Images   *bool               `koanf:"images"`
	Audio    *bool               `koanf:"audio"`
	Files    *bool               `koanf:"files"`
	Input    Range               `koanf:"input_tokens"`  // estimated from the size
	Output   Range               `koanf:"output_tokens"` // the most that the caller allows
	Hours    string              `koanf:"hours"`         // "08:00-18:00", of TZ
	Days     []string            `koanf:"days"`          // mon … sun, of TZ
	TZ       string              `koanf:"tz"`            // IANA name, "": UTC
	Share    *float64            `koanf:"share"`         // of sessions, else keys, by a hash that stays
}

// Range bounds a number on either side; zero means that it does not.
type Range struct {
	Over  int64 `koanf:"over"`  // more than
	Under int64 `koanf:"under"` // less than
}

var hours = regexp.MustCompile(`^([01]\d|2[0-4]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$`)

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

func (c *Config) checkRules(p *problems) {
	for _, name := range sortedKeys(c.Models) {
		m := c.Models[name]
		for i := range m.Rules {
			path, r := fmt.Sprintf("%s.rules[%d]", join("models", name), i), &m.Rules[i]
			if len(r.Targets) == 0 && r.Route == "" {
				p.addf(path, "says neither targets nor route: name where the requests go")
			}
			if _, ok := c.Routes[r.Route]; !ok && r.Route != "" {
				p.addf(path+".route", "there is no route %q%s: define it under routes", r.Route, didYouMean(r.Route, sortedKeys(c.Routes)))
			}
			var targets []string
			for _, t := range m.Targets {
				targets = append(targets, t.Model)
			}
			for j, t := range r.Targets {
				if !contains(targets, t) {
					p.addf(fmt.Sprintf("%s.targets[%d]", path, j), "%q is none of the model's targets%s", t, didYouMean(t, targets))
				}
			}
			r.When.check(p, path+".when")
		}
	}
}

func (w *When) check(p *problems, path string) {
	if w.Hours != "" && !hours.MatchString(w.Hours) {
		p.addf(path+".hours", "%q is no range of hours: write 08:00-18:00", w.Hours)
	}
	for i, d := range w.Days {
		checkOneOf(p, fmt.Sprintf("%s.days[%d]", path, i), strings.ToLower(d), weekdays...)
	}
	if _, err := time.LoadLocation(w.TZ); err != nil {
		p.addf(path+".tz", "%q is not a time zone: write a name such as Europe/Berlin", w.TZ)
	}
	if w.Share != nil && !(*w.Share >= 0 && *w.Share <= 1) {
		p.addf(path+".share", "is %v: give 0 to 1", *w.Share)
	}
	for _, r := range []struct {
		name string
		Range
	}{{"input_tokens", w.Input}, {"output_tokens", w.Output}} {
		if r.Over < 0 || r.Under < 0 || r.Under > 0 && r.Over >= r.Under-1 {
			p.addf(path+"."+r.name, "holds for no number: over must be less than under")
		}
	}
}
