package main

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	topWindow = time.Minute // of requests that the table is made of
	topKept   = 50_000      // of them at most
	topErrors = 50          // failures that are remembered
	topTrace  = 240         // seconds that are drawn
)

// topSecond is the figures of a second.
type topSecond struct {
	Time     time.Time `json:"time"`
	Requests int64     `json:"requests"`
	Errors   int64     `json:"errors"`
	Refused  int64     `json:"refused"`
	Cached   int64     `json:"cached"`
	Tokens   int64     `json:"tokens"`
	CostUSD  float64   `json:"cost_usd"`
	P50      float64   `json:"p50_ms"`
	P95      float64   `json:"p95_ms"`
	Running  int64     `json:"running"`
}

// topState is all that top shows.
type topState struct {
	Node, Address string
	now           time.Time
	rows          []passedRow // of the last minute
	seconds       []topSecond
	failures      []passedRow // the last ones, newest first
	missed        int64
	polled        topPoll
	trouble       string // why there is nothing new

	by, sort string
	paused   bool
	drawn    bool // since a key was pressed
}

// topLine is a line of the table.
type topLine struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"requests_per_second"`
	Requests  int64   `json:"requests"`
	Errors    int64   `json:"errors"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	Tokens    int64   `json:"tokens"`
	CostUSD   float64 `json:"cost_usd"`

	times []float64
}

// topBys are what the table can be made by, topSorts what it is sorted by, with
// their keys.
var (
	topBys   = []topKey{{'m', "model"}, {'p', "provider"}, {'k', "key"}, {'t', "team"}}
	topSorts = []topKey{{'r', "requests"}, {'e', "errors"}, {'l', "latency"}, {'o', "tokens"}, {'c', "cost"}, {'n', "name"}}
)

type topKey struct {
	key  byte
	name string
}

func (s *topState) passed(r passedRow) {
	s.rows = append(s.rows, r)
	if len(s.rows) > topKept {
		s.rows = slices.Delete(s.rows, 0, len(s.rows)-topKept)
	}
	if r.failed() {
		s.failures = slices.Insert(s.failures, 0, r)
		s.failures = s.failures[:min(len(s.failures), topErrors)]
	}
}

func (s *topState) second(p topSecond) {
	s.seconds = append(s.seconds, p)
	if n := len(s.seconds) - topTrace; n > 0 {
		s.seconds = slices.Delete(s.seconds, 0, n)
	}
	s.now = p.Time.Add(time.Second)
	old := s.now.Add(-topWindow)
	s.rows = slices.DeleteFunc(s.rows, func(r passedRow) bool { return r.ended().Before(old) })
}

// ended is when the request had its answer.
func (r *passedRow) ended() time.Time {
	return r.Time.Add(time.Duration(r.DurationUS) * time.Microsecond)
}

// name is what r counts for in a table by by.
func (r *passedRow) name(by string) string {
	switch by {
	case "provider":
		provider, _, _ := strings.Cut(r.Model, "/")
		return dash(provider)
	case "key":
		return r.who()
	case "team":
		return dash(r.Team)
	}
	return r.of()
}

// table sums the last minute up by by.
func (s *topState) table(by, order string) []topLine {
	index := map[string]int{}
	var lines []topLine
	for i := range s.rows {
		r := &s.rows[i]
		name := r.name(by)
		at, ok := index[name]
		if !ok {
			at = len(lines)
			index[name] = at
			lines = append(lines, topLine{Name: name})
		}
		l := &lines[at]
		l.Requests++
		if r.failed() {
			l.Errors++
		}
		l.Tokens += r.Tokens.Total
		l.CostUSD += r.CostUSD
		l.times = append(l.times, float64(r.DurationUS)/1000)
	}
	for i := range lines {
		l := &lines[i]
		slices.Sort(l.times)
		l.P50, l.P95 = quantileOf(l.times, .5), quantileOf(l.times, .95)
		l.PerSecond = float64(l.Requests) / topWindow.Seconds()
	}
	slices.SortFunc(lines, func(a, b topLine) int { return cmp.Or(-compareLines(&a, &b, order), cmp.Compare(a.Name, b.Name)) })
	return lines
}

func compareLines(a, b *topLine, order string) int {
	switch order {
	case "errors":
		return cmp.Compare(a.Errors, b.Errors)
	case "latency":
		return cmp.Compare(a.P95, b.P95)
	case "tokens":
		return cmp.Compare(a.Tokens, b.Tokens)
	case "cost":
		return cmp.Compare(a.CostUSD, b.CostUSD)
	case "name":
		return 0
	}
	return cmp.Compare(a.Requests, b.Requests)
}

// quantileOf is the value that the share q of sorted values has not exceeded.
func quantileOf(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// topSums are the figures at the head.
type topSums struct {
	PerSecond float64 `json:"requests_per_second"` // over the last ten seconds
	Requests  int64   `json:"requests"`            // of the last minute, as all that follow
	Errors    int64   `json:"errors"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	Tokens    int64   `json:"tokens"`
	CostUSD   float64 `json:"cost_usd"`
	Running   int64   `json:"running"`
}

func (s *topState) sums() (t topSums) {
	var times []float64
	for i := range s.rows {
		r := &s.rows[i]
		t.Requests++
		if r.failed() {
			t.Errors++
		}
		t.Tokens += r.Tokens.Total
		t.CostUSD += r.CostUSD
		times = append(times, float64(r.DurationUS)/1000)
	}
	slices.Sort(times)
	t.P50, t.P95 = quantileOf(times, .5), quantileOf(times, .95)
	last := s.seconds[max(0, len(s.seconds)-10):]
	for _, p := range last {
		t.PerSecond += float64(p.Requests) / float64(len(last))
		t.Running = p.Running
	}
	return t
}

// press acts on a key; it reports whether that ends it.
func (s *topState) press(key byte) (quit bool) {
	switch key {
	case 'q', 'Q', 3, 4: // also Ctrl-C and Ctrl-D
		return true
	case ' ':
		s.paused = !s.paused
	case '\t':
		i := slices.IndexFunc(topBys, func(k topKey) bool { return k.name == s.by })
		s.by = topBys[(i+1)%len(topBys)].name
	}
	for _, k := range topBys {
		if k.key == key {
			s.by = k.name
		}
	}
	for _, k := range topSorts {
		if k.key == key {
			s.sort = k.name
		}
	}
	return false
}
