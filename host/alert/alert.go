// Package alert tells people once of what they want to know of: budgets that
// run out, and what in the gateway does not work. What is noticed is written to
// an outbox in the store, where one line exists for each crossing whoever
// notices it; senders on all nodes take from it until each receiver has it.
package alert

import (
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Kinds of alerts.
const (
	KindBudget   = "budget"   // a share of a budget has been spent
	KindForecast = "forecast" // it will be used up before its window ends
	KindSoft     = "soft_limit"
	KindUnder    = "underestimate"
	KindBank     = "bank"
	KindLedger   = "ledger"
	KindPolicy   = "policy"
	KindBenched  = "credential"
	KindBreaker  = "breaker"
	KindAudit    = "audit"
	KindAdapter  = "adapter"
	KindModule   = "module"
	KindTest     = "test"
)

// Kinds are all of them but KindTest.
var Kinds = []string{KindBudget, KindForecast, KindSoft, KindUnder, KindBank, KindLedger, KindPolicy, KindBenched, KindBreaker, KindAudit, KindAdapter, KindModule}

// Spent is what of one budget has been spent and settled.
type Spent struct {
	Scope      string
	Unit       call.Unit
	Window     string // canonical, the unit included
	Start, End int64  // Unix seconds; End math.MaxInt64: never
	Max        int64
	Settled    int64
}

// Condition is something that does not work, or not as it should.
type Condition struct {
	Kind, Scope, Message string
}

// Event is what receivers are told.
type Event struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Time      time.Time `json:"time"`
	Node      string    `json:"node,omitempty"`
	Scope     string    `json:"scope"`
	Message   string    `json:"message"`
	Window    string    `json:"window,omitempty"`
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end,omitzero"`
	Threshold int       `json:"threshold,omitempty"` // percent
	Unit      string    `json:"unit,omitempty"`
	Spent     string    `json:"spent,omitempty"` // dollars for money
	Limit     string    `json:"limit,omitempty"`
	Forecast  time.Time `json:"used_up,omitzero"` // when the budget will be
}

// Settings say what is told.
type Settings struct {
	Thresholds []int    // percent of a budget
	Forecast   bool     // tell of budgets that will not last
	Scopes     []string // patterns of budgets, as in "team/*"; none: all
	Repeat     time.Duration
	Receivers  map[string]Receiver
}

// wants reports whether any of patterns fits, or there are none.
func wants(patterns []string, s string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, s)
		return ok && err == nil
	})
}

// crossings are the alerts that s is worth at now.
func (set *Settings) crossings(s *Spent, now time.Time) (list []call.Alert) {
	if s.Max <= 0 || !wants(set.Scopes, s.Scope) || now.Unix() < s.Start || now.Unix() >= s.End {
		return nil
	}
	for _, threshold := range set.Thresholds {
		if share(s) >= float64(threshold) {
			list = append(list, s.alert(KindBudget, threshold, time.Time{}, now))
		}
	}
	if at := s.lasts(now); set.Forecast && !at.IsZero() {
		list = append(list, s.alert(KindForecast, 0, at, now))
	}
	return list
}

// share is the percentage of the budget that is spent.
func share(s *Spent) float64 { return float64(s.Settled) / float64(s.Max) * 100 }

// A forecast needs something to go by: this part of the window, and this
// percentage of the budget.
const (
	forecastAfter = 10 // one part of so many
	forecastShare = 20.0
)

// lasts is when s will be used up at the pace of the window so far, zero if it
// lasts to the end, or has been.
func (s *Spent) lasts(now time.Time) time.Time {
	if s.End == math.MaxInt64 || s.Settled >= s.Max || share(s) < forecastShare {
		return time.Time{}
	}
	elapsed, length := now.Unix()-s.Start, s.End-s.Start
	if elapsed <= 0 || elapsed < length/forecastAfter {
		return time.Time{}
	}
	at := float64(s.Start) + float64(elapsed)*float64(s.Max)/float64(s.Settled)
	if at >= float64(s.End) {
		return time.Time{}
	}
	return time.Unix(int64(at), 0).UTC()
}

// alert is the one that s has passed threshold, or that it is used up at.
func (s *Spent) alert(kind string, threshold int, at, now time.Time) call.Alert {
	e := Event{Type: kind, Time: now.UTC().Truncate(time.Second), Scope: s.Scope, Window: s.Window, Start: time.Unix(s.Start, 0).UTC(),
		Threshold: threshold, Unit: s.Unit.String(), Spent: amount(s.Unit, s.Settled), Limit: amount(s.Unit, s.Max), Forecast: at}
	if s.End != math.MaxInt64 {
		e.End = time.Unix(s.End, 0).UTC()
	}
	mark := strconv.Itoa(threshold)
	e.Message = fmt.Sprintf("%s has spent %s of %s %s (%s): %d %% is passed", s.Scope, e.Spent, e.Limit, unitText(s.Unit), s.Window, threshold)
	if kind == KindForecast {
		mark = "forecast"
		e.Message = fmt.Sprintf("%s has spent %s of %s %s (%s): at this pace it is used up at %s", s.Scope, e.Spent, e.Limit, unitText(s.Unit), s.Window, at.Format(time.RFC3339))
	}
	return call.Alert{Kind: kind, Scope: s.Scope, Window: s.Window, Start: s.Start, End: s.End, Mark: mark, Time: now, Body: e.body()}
}

func amount(u call.Unit, n int64) string {
	if u == call.UnitUSD {
		return string(call.AppendUSD(nil, n))
	}
	return strconv.FormatInt(n, 10)
}

func unitText(u call.Unit) string {
	if u == call.UnitUSD {
		return "USD"
	}
	return u.String()
}

// alert is that of a condition: one for each span of time, while it lasts.
func (c *Condition) alert(repeat time.Duration, now time.Time) call.Alert {
	start := now.Truncate(repeat)
	e := Event{Type: c.Kind, Time: now.UTC().Truncate(time.Second), Scope: c.Scope, Message: c.Message}
	return call.Alert{Kind: c.Kind, Scope: c.Scope, Window: "every " + repeat.String(), Start: start.Unix(), End: start.Add(repeat).Unix(), Time: now, Body: e.body()}
}

func (e *Event) body() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic("BUG: an alert does not encode: " + err.Error())
	}
	return b
}
