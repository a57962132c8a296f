package objective

import (
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Point is how a provider or target has fared in a stretch of time.
type Point struct {
	Time     time.Time        `json:"time"` // of its beginning
	Attempts int64            `json:"attempts"`
	Failed   int64            `json:"failed"`
	Slow     int64            `json:"slow"`         // answers that began later than the objective has it
	Down     float64          `json:"down_seconds"` // that the adapter was not there
	Classes  map[string]int64 `json:"classes,omitempty"`
	First    Latency          `json:"first_byte"`
	Whole    Latency          `json:"whole"`

	answered     int64
	first, whole [buckets]int64
}

// Latency is how long answers have taken, to within the buckets of powers of two.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
}

// Standing is how a provider stands with one of its objectives.
type Standing struct {
	Target float64 `json:"target"` // percent
	// Actual is what it has reached within the window, in percent; nil: it was not asked.
	Actual *float64 `json:"actual"`
	// Left is what is left of the failures that the target allows, 1: all; below
	// 0: there were more.
	Left float64 `json:"budget_left"`
	// Burn1h and Burn6h are how fast they are used up, of late: at 1 the window
	// ends when they do, at 10 a tenth of it is enough.
	Burn1h float64 `json:"burn_1h"`
	Burn6h float64 `json:"burn_6h"`
}

// Standings are those of both objectives; nil: there is none.
type Standings struct {
	Window       string    `json:"window"`
	Availability *Standing `json:"availability,omitempty"`
	LatencyMS    int64     `json:"latency_ms,omitempty"`
	Latency      *Standing `json:"latency,omitempty"`
}

// Minutes are the last n minutes of name in stretches of step, oldest first;
// those in which nothing was are left out.
func (k *Keeper) Minutes(now time.Time, name string, n, step int) []Point {
	s := (*k.all.Load())[name]
	if s == nil {
		return []Point{}
	}
	return stretches(s.minutes[:], minuteOf(now), min(n, minutes), max(step, 1), time.Minute)
}

// Days are the last thirty days of name by UTC, oldest first.
func (k *Keeper) Days(now time.Time, name string) []Point {
	s := (*k.all.Load())[name]
	if s == nil {
		return []Point{}
	}
	return stretches(s.hours[:], hourOf(now), hours, 24, time.Hour)
}

func stretches(ring []atomic.Pointer[cell], last int64, n, step int, unit time.Duration) []Point {
	out := []Point{}
	first := max(last-int64(n)+1, 0)
	for from := first - first%int64(step); from <= last; from += int64(step) {
		p := sum(ring, max(from, first), min(from+int64(step)-1, last))
		if p.Attempts == 0 && p.Down == 0 {
			continue
		}
		p.Time = time.Unix(from*int64(unit/time.Second), 0).UTC()
		p.finish()
		out = append(out, p)
	}
	return out
}

// sum adds the cells of the numbers from to last up.
func sum(ring []atomic.Pointer[cell], from, last int64) (p Point) {
	for n := max(from, last-int64(len(ring))+1); n <= last; n++ {
		c := ring[n%int64(len(ring))].Load()
		if c == nil || c.at != n {
			continue
		}
		p.add(c)
	}
	return p
}

func (p *Point) add(c *cell) {
	for class := range wire.NumClasses {
		n := int64(c.classes[class].Load())
		p.Attempts += n
		switch {
		case class == wire.ClassNone:
			p.answered += n
		case n > 0:
			if p.Classes == nil {
				p.Classes = map[string]int64{}
			}
			p.Classes[class.String()] += n
			if Failed(class) {
				p.Failed += n
			}
		}
	}
	p.Slow += int64(c.slow.Load())
	p.Down += float64(c.downMS.Load()) / 1000
	for i := range buckets {
		p.first[i] += int64(c.first[i].Load())
		p.whole[i] += int64(c.whole[i].Load())
	}
}

func (p *Point) finish() {
	p.First = Latency{percentile(&p.first, 0.5), percentile(&p.first, 0.95)}
	p.Whole = Latency{percentile(&p.whole, 0.5), percentile(&p.whole, 0.95)}
}

// percentile is that of a histogram in ms, 0 of an empty one. Within a bucket
// values are taken to lie evenly.
func percentile(h *[buckets]int64, share float64) float64 {
	var all int64
	for _, n := range h {
		all += n
	}
	rank := share * float64(all)
	for i, n := range h {
		if n > 0 && float64(n) >= rank {
			low, high := float64(int64(1)<<i)/2, float64(int64(1)<<i)
			if i == 0 {
				low = 0
			}
			return low + (high-low)*rank/float64(n)
		}
		rank -= float64(n)
	}
	return 0
}

// Standings tells how provider stands with its objectives, nil: it has none.
func (k *Keeper) Standings(now time.Time, provider string) *Standings {
	goal := k.goals.Load().Of(provider)
	if goal.Availability <= 0 && goal.Latency <= 0 {
		return nil
	}
	var window, hour, six Point
	if s := (*k.all.Load())[provider]; s != nil {
		h, m := hourOf(now), minuteOf(now)
		window = sum(s.hours[:], h-int64(goal.Window/time.Hour)+1, h)
		hour, six = sum(s.minutes[:], m-59, m), sum(s.minutes[:], m-359, m)
	}
	out := &Standings{Window: windowText(goal.Window)}
	if goal.Availability > 0 {
		out.Availability = standing(goal.Availability, func(p *Point) (bad, all int64) { return p.Failed, p.Attempts }, &window, &hour, &six)
	}
	if goal.Latency > 0 {
		out.LatencyMS = goal.Latency.Milliseconds()
		out.Latency = standing(goal.LatencyShare, func(p *Point) (bad, all int64) { return p.Slow, p.answered }, &window, &hour, &six)
	}
	return out
}

func windowText(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return strconv.Itoa(int(d/time.Hour)) + "h"
}

// percent is a share in percent, without the digits that arithmetic adds.
func percent(share float64) float64 { return math.Round(share*1e8) / 1e6 }

func standing(target float64, count func(*Point) (bad, all int64), window, hour, six *Point) *Standing {
	s := &Standing{Target: percent(target), Left: 1 - burn(target, count, window), Burn1h: burn(target, count, hour), Burn6h: burn(target, count, six)}
	if bad, all := count(window); all > 0 {
		actual := percent(1 - float64(bad)/float64(all))
		s.Actual = &actual
	}
	return s
}

// burn is how many times as many have failed as target allows.
func burn(target float64, count func(*Point) (bad, all int64), p *Point) float64 {
	bad, all := count(p)
	if bad == 0 {
		return 0
	}
	return float64(bad) / float64(all) / (1 - target)
}
