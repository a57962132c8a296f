package main

import (
	"fmt"
	"strings"
	"time"
)

// screen draws s: exactly height lines, of width columns at most.
func (s *topState) screen(l look, width, height int) []string {
	d := &drawing{look: l, width: width}
	s.head(d)
	tail := s.below(l, width, height)
	room := height - len(d.lines) - len(tail.lines) - 1
	s.drawTable(d, max(room, 3))
	d.lines = append(d.lines, tail.lines...)
	for len(d.lines) < height-1 {
		d.lines = append(d.lines, "")
	}
	d.lines = d.lines[:max(height-1, 0)]
	s.foot(d)
	return d.lines
}

// drawing collects lines.
type drawing struct {
	look  look
	width int
	lines []string
}

// add draws a line of one ink, cut to the width.
func (d *drawing) add(with ink, format string, args ...any) {
	d.lines = append(d.lines, d.look.paint(with, strings.TrimRight(fit(fmt.Sprintf(format, args...), d.width), " ")))
}

// bar fills a whole line.
func (d *drawing) bar(text string) {
	d.lines = append(d.lines, d.look.paint(reverse, fit(text, d.width)))
}

func (s *topState) head(d *drawing) {
	when := s.now.UTC().Format(time.TimeOnly)
	if s.paused {
		when += "  paused"
	}
	d.bar(fmt.Sprintf(" signalbox top   node %s at %s   %s UTC", dash(s.Node), s.Address, when))
	t := s.sums()
	failed := 0.0
	if t.Requests > 0 {
		failed = 100 * float64(t.Errors) / float64(t.Requests)
	}
	d.add(bold, "%s/s now   last minute: %d requests  %.1f%% errors  p50 %s  p95 %s", short(t.PerSecond), t.Requests, failed, shortTime(t.P50), shortTime(t.P95))
	d.add(plainInk, "%d running   %s tokens/min   %s/min", t.Running, short(float64(t.Tokens)), money(t.CostUSD))
	switch {
	case s.trouble != "":
		d.add(red, "%s", harmless(s.trouble))
	case s.missed > 0:
		d.add(yellow, "%d requests passed too fast to be in the table; those that were seen stand for all", s.missed)
	default:
		d.add(cyan, "%s", sparks(s.seconds, d.width))
	}
}

// sparks draws requests per second, the newest on the right.
func sparks(seconds []topSecond, width int) string {
	if n := len(seconds) - width; n > 0 {
		seconds = seconds[n:]
	}
	most := int64(1)
	for _, p := range seconds {
		most = max(most, p.Requests)
	}
	levels := []rune(" ▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, p := range seconds {
		b.WriteRune(levels[(p.Requests*int64(len(levels)-1)+most-1)/most])
	}
	return b.String()
}

// drawTable draws the table in room lines, its heading included.
func (s *topState) drawTable(d *drawing, room int) {
	lines := s.table(s.by, s.sort)
	name := max(d.width-56, 12)
	head := func(text, order string) string {
		if s.sort == order {
			return text + "▾"
		}
		return text
	}
	d.lines = append(d.lines, "")
	d.add(bold, "%s %s %s %s %s %s %s", fit(head(strings.ToUpper(s.by), "name"), name), fit(head("REQ/S", "requests"), -8), fit(head("ERRORS", "errors"), -8),
		fit("P50", -8), fit(head("P95", "latency"), -8), fit(head("TOKENS", "tokens"), -9), fit(head("$/MIN", "cost"), -9))
	room -= 2
	for i := range lines {
		if i == room-1 && len(lines) > room {
			d.add(dim, "and %d more", len(lines)-i)
			return
		}
		r := &lines[i]
		with := plainInk
		if r.Errors > 0 {
			with = yellow
		}
		d.add(with, "%s %s %s %s %s %s %s", fit(harmless(r.Name), name), fit(short(r.PerSecond), -8), fit(short(float64(r.Errors)), -8),
			fit(shortTime(r.P50), -8), fit(shortTime(r.P95), -8), fit(short(float64(r.Tokens)), -9), fit(money(r.CostUSD), -9))
	}
	if len(lines) == 0 {
		d.add(dim, "nothing passed in the last minute")
	}
}

// below draws what is under the table: providers, budgets, failures. Each gets
// a share of a height that is small, and more of one that is not.
func (s *topState) below(l look, width, height int) *drawing {
	d := &drawing{look: l, width: width}
	each := max(2, (height-12)/6)
	s.drawProviders(d, each)
	s.drawBudgets(d, each)
	s.drawFailures(d, each)
	return d
}

func (s *topState) drawProviders(d *drawing, most int) {
	name := max(d.width-56, 12)
	d.lines = append(d.lines, "")
	d.add(bold, "%s %s %s %s  %s", fit(fmt.Sprintf("PROVIDER (%d)", len(s.polled.Providers)), name), fit("ADAPTER", 10), fit("BREAKER", 10), fit("IN FLIGHT", -9), fit("LEFT", 22))
	for _, p := range s.polled.Providers[:min(most, len(s.polled.Providers))] {
		with := [...]ink{green, yellow, red}[p.trouble()]
		d.add(with, "%s %s %s %s  %s", fit(harmless(p.Name), name), fit(p.State, 10), fit(p.Breaker, 10), fit(short(float64(p.InFlight)), -9), dash(p.Left))
	}
}

func (s *topState) drawBudgets(d *drawing, most int) {
	if len(s.polled.Budgets) == 0 {
		return
	}
	name := max(d.width-56, 12)
	d.lines = append(d.lines, "")
	d.add(bold, "%s %s", fit("BUDGETS NEAREST TO THEIR LIMIT", name+22), "SPENT OF LIMIT")
	for _, b := range s.polled.Budgets[:min(most, len(s.polled.Budgets))] {
		with := green
		switch {
		case b.Used >= 1:
			with = red
		case b.Used >= .8:
			with = yellow
		}
		d.add(with, "%s %s %s %s of %s, %s", fit(harmless(b.Scope), name), gauge(b.Used, 14), fit(fmt.Sprintf("%.0f%%", 100*b.Used), -6), b.Spent, b.Limit, b.Window)
	}
}

// gauge draws a share.
func gauge(share float64, width int) string {
	full := min(max(int(share*float64(width)+.5), 0), width)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

func (s *topState) drawFailures(d *drawing, most int) {
	d.lines = append(d.lines, "")
	d.add(bold, "LAST FAILURES")
	for i := range s.failures[:min(most, len(s.failures))] {
		r := &s.failures[i]
		why := r.Code
		if why == "" {
			why = r.Class
		}
		d.add(statusInk(r.Status, true), "%s %d %s  %s  %s  %s", r.ended().UTC().Format(time.TimeOnly), r.Status, harmless(why), harmless(r.of()), harmless(r.who()), r.ID)
	}
	if len(s.failures) == 0 {
		d.add(dim, "none")
	}
}

func (s *topState) foot(d *drawing) {
	var bys, sorts []string
	for _, k := range topBys {
		bys = append(bys, keyHint(k, s.by))
	}
	for _, k := range topSorts {
		sorts = append(sorts, keyHint(k, s.sort))
	}
	text := " by " + strings.Join(bys, " ") + "   sort " + strings.Join(sorts, " ") + "   space pause  q quit"
	if d.width < 100 {
		text = " by m·p·k·t: " + s.by + "   sort r·e·l·o·c·n: " + s.sort + "   space: pause   q: quit"
	}
	d.bar(text)
}

func keyHint(k topKey, chosen string) string {
	mark := ""
	if k.name == chosen {
		mark = "*"
	}
	return string(k.key) + ":" + k.name + mark
}
