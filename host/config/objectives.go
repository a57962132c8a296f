package config

import "time"

// Objectives are what providers are meant to do.
type Objectives struct {
	Default   Objective            `koanf:"default"`
	Providers map[string]Objective `koanf:"providers"` // what is left out is that of Default
}

// Objective is what a provider is meant to do within a window.
type Objective struct {
	Availability float64       `koanf:"availability"`  // percent of attempts that do not fail, 0: none
	Latency      time.Duration `koanf:"latency"`       // until the first byte of an answer, 0: none
	LatencyShare float64       `koanf:"latency_share"` // percent of answers that are to begin within Latency
	Window       Age           `koanf:"window"`        // at most 30d
}

// Over is o with what it leaves out taken from base.
func (o Objective) Over(base Objective) Objective {
	if o.Availability == 0 {
		o.Availability = base.Availability
	}
	if o.Latency == 0 {
		o.Latency = base.Latency
	}
	if o.LatencyShare == 0 {
		o.LatencyShare = base.LatencyShare
	}
	if o.Window == 0 {
		o.Window = base.Window
	}
	return o
}

const longestWindow = 30 * 24 * time.Hour

func (c *Config) checkObjectives(p *problems) {
	checkObjective(p, "objectives.default", c.Objectives.Default)
	for _, name := range sortedKeys(c.Objectives.Providers) {
		at := join("objectives.providers", name)
		if _, ok := c.Providers[name]; !ok {
			p.addf(at, "there is no provider %q: name one of providers", name)
		}
		checkObjective(p, at, c.Objectives.Providers[name])
	}
}

func checkObjective(p *problems, at string, o Objective) {
	percent := func(name string, v float64) {
		if !(v >= 0 && v < 100) {
			p.addf(at+"."+name, "is %v: give a percentage below 100, such as 99.9: all of them leaves no room for a single failure", v)
		}
	}
	percent("availability", o.Availability)
	percent("latency_share", o.LatencyShare)
	if o.Latency < 0 || o.Latency > time.Hour {
		p.addf(at+".latency", "is %s: give a time up to 1h, such as 2s", o.Latency)
	}
	if w := time.Duration(o.Window); w != 0 && (w < time.Hour || w > longestWindow || w%time.Hour != 0) {
		p.addf(at+".window", "is %s: give whole hours or days up to 30d", w)
	}
}
