// Package rule says which of a model's rules holds for a request: the `when` of
// the configuration, compiled, so that a request allocates nothing.
package rule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// When is what has to be so, all of it. What is left out may be anything; of a
// list one suffices.
type When struct {
	Orgs, Teams, Projects, Users []string
	Keys                         []string // public ids or names
	Metadata                     map[string][]string
	Stream, Tools                *bool
	Images, Audio, Files         *bool
	Input                        Range // tokens of the prompt, estimated from its size
	Output                       Range // tokens that the caller allows at most; none said: more than any number
	Hours                        string
	Days                         []string
	TZ                           string
	Share                        *float64
	// Salt tells shares of rules apart: a request that is in that of one is in
	// that of another by chance.
	Salt string
}

// Range bounds a number; zero means that it does not.
type Range struct{ Over, Under int64 }

// Set is a model's rules in their order; immutable.
type Set struct {
	rules []compiled
	zones []*time.Location
}

// compiled is one rule: its conditions, what costs least first.
type compiled struct{ checks []check }

// match is what the rules look at.
type match struct {
	call *call.Call
	set  *Set
	time [maxZones]clock
}

// maxZones bounds the time zones that one set names.
const maxZones = 8

// clock is a time of day and a day of the week.
type clock struct {
	known  bool
	minute int16
	day    time.Weekday
}

// Compile makes a set of rules. Its errors name the rule by its place.
func Compile(rules []When) (*Set, error) {
	s := &Set{}
	for i := range rules {
		c, err := s.compile(&rules[i])
		if err != nil {
			return nil, fmt.Errorf("rules[%d].when.%w", i, err)
		}
		s.rules = append(s.rules, c)
	}
	return s, nil
}

// Match returns the place of the first rule that holds for c, from 1; 0: none does.
func (s *Set) Match(c *call.Call) int {
	m := match{call: c, set: s}
next:
	for i := range s.rules {
		for j := range s.rules[i].checks {
			if !s.rules[i].checks[j].holds(&m) {
				continue next
			}
		}
		return i + 1
	}
	return 0
}

func (s *Set) compile(w *When) (c compiled, err error) {
	flag := func(fact fact, want *bool) {
		if want != nil {
			c.checks = append(c.checks, check{fact: fact, want: *want})
		}
	}
	within := func(fact fact, r Range) {
		if r != (Range{}) {
			c.checks = append(c.checks, check{fact: fact, within: r})
		}
	}
	oneOf := func(fact fact, list []string) {
		if len(list) > 0 {
			c.checks = append(c.checks, check{fact: fact, names: slices.Clone(list)})
		}
	}
	flag(stream, w.Stream)
	flag(tools, w.Tools)
	flag(images, w.Images)
	flag(audio, w.Audio)
	flag(files, w.Files)
	within(input, w.Input)
	within(output, w.Output)
	oneOf(org, w.Orgs)
	oneOf(team, w.Teams)
	oneOf(project, w.Projects)
	oneOf(user, w.Users)
	oneOf(key, w.Keys)
	if w.Hours != "" || len(w.Days) > 0 {
		at, err := s.timed(w)
		if err != nil {
			return c, err
		}
		c.checks = append(c.checks, at)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Metadata)) {
		var lines []string
		for _, v := range w.Metadata[name] {
			lines = append(lines, name+"="+v)
		}
		oneOf(metadata, lines)
	}
	if w.Share != nil {
		c.checks = append(c.checks, check{fact: share, limit: uint64(*w.Share * (1 << 53)), salt: call.Hash(w.Salt)})
	}
	return c, nil
}

var weekdays = map[string]time.Weekday{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

// timed checks hours and days, which are those of one time zone.
func (s *Set) timed(w *When) (c check, err error) {
	c.fact = at
	if c.zone, err = s.zone(w.TZ); err != nil {
		return c, err
	}
	if w.Hours != "" {
		from, to, _ := strings.Cut(w.Hours, "-")
		var ok, okTo bool
		c.from, ok = minuteOf(from)
		c.to, okTo = minuteOf(to)
		if !ok || !okTo {
			return c, fmt.Errorf("hours: %q is no range of hours: write 08:00-18:00", w.Hours)
		}
	}
	for _, name := range w.Days {
		d, ok := weekdays[strings.ToLower(name)]
		if !ok {
			return c, fmt.Errorf("days: %q is no day: write mon, tue, wed, thu, fri, sat or sun", name)
		}
		c.days |= 1 << d
	}
	return c, nil
}

func minuteOf(text string) (int16, bool) {
	h, m, ok := strings.Cut(text, ":")
	hour, herr := strconv.ParseUint(h, 10, 8)
	minute, merr := strconv.ParseUint(m, 10, 8)
	return int16(hour*60 + minute), ok && herr == nil && merr == nil && hour <= 24 && minute < 60
}

func (s *Set) zone(name string) (uint8, error) {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return 0, fmt.Errorf("tz: %q is not a time zone: write a name such as Europe/Berlin", name)
	}
	for i, have := range s.zones {
		if have.String() == loc.String() {
			return uint8(i), nil
		}
	}
	if len(s.zones) == maxZones {
		return 0, fmt.Errorf("tz: a model's rules name more than %d time zones: use fewer", maxZones)
	}
	s.zones = append(s.zones, loc)
	return uint8(len(s.zones) - 1), nil
}
