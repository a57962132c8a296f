package call

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Unit is what a limit counts.
type Unit uint8

// The units of limits.
const (
	UnitUSD        Unit = iota // nano-dollars
	UnitTokens                 // tokens of all buckets
	UnitRequests               // requests
	UnitConcurrent             // requests that run at once; it has no window
)

// String returns the unit's name in policies.
func (u Unit) String() string {
	switch u {
	case UnitUSD:
		return "usd_nano"
	case UnitTokens:
		return "tokens"
	case UnitRequests:
		return "requests"
	case UnitConcurrent:
		return "concurrent"
	}
	return "unit " + strconv.Itoa(int(u))
}

// OnExceed says what becomes of a request that does not fit into a limit.
type OnExceed uint8

// What may become of it, the strictest first.
const (
	OnDeny   OnExceed = iota // it is refused
	OnClamp                  // max_tokens is lowered to what fits; refused where that leaves no answer
	OnStream                 // what fits is reserved and more while the answer streams, which is cut where nothing is left
	OnWarn                   // it goes on: the limit is soft, being passed is counted and told
)

var onExceeds = [...]string{"deny", "clamp", "stream", "warn"}

// String returns the name in policies and configuration.
func (o OnExceed) String() string { return onExceeds[o] }

// ParseOnExceed reads a name, "" as OnDeny.
func ParseOnExceed(s string) (o OnExceed, ok bool) {
	if s == "" {
		return OnDeny, true
	}
	i := slices.Index(onExceeds[:], s)
	return OnExceed(max(i, 0)), i >= 0
}

// Limit bounds a quantity within a window for a scope. A budget is held by the
// bank, whatever happens; a rate is smoothed over its window, and held by
// counters that a crash may lose.
type Limit struct {
	Scope    string // "key/k-12", "team/core": whose counter it is
	Unit     Unit
	Window   Window
	Max      int64
	Rate     bool // requests or tokens per window, or requests at once
	OnExceed OnExceed
}

// ScopeKinds are what may stand before the slash of a scope, from the narrowest.
var ScopeKinds = []string{"key", "user", "project", "team", "org", "env", "model", "provider"}

// Window is a window of time: of the calendar in a time zone, or the last so
// much time where it rolls. Size counts units ("7 day").
type Window struct {
	Unit    string // minute, hour, day, week, month, total
	Size    int    // ≥ 1
	TZ      string // IANA name, "" is UTC
	Rolling bool
}

// WindowUnits are the units of windows.
var WindowUnits = []string{"minute", "hour", "day", "week", "month", "total"}

// limitText is a limit as people write it: {usd: 5, window: day},
// {tokens: 1000000, window: {unit: month, tz: Europe/Berlin}},
// {requests: 60, per: minute}, {concurrent: 4}.
type limitText struct {
	Scope      string          `json:"scope,omitempty"`
	USD        json.RawMessage `json:"usd,omitempty"`
	Tokens     *int64          `json:"tokens,omitempty"`
	Requests   *int64          `json:"requests,omitempty"`
	Concurrent *int64          `json:"concurrent,omitempty"`
	Window     json.RawMessage `json:"window,omitempty"`
	Per        json.RawMessage `json:"per,omitempty"`
	OnExceed   string          `json:"on_exceed,omitempty"`
}

type windowText struct {
	Unit    string `json:"unit"`
	Size    int    `json:"size,omitempty"`
	TZ      string `json:"tz,omitempty"`
	Rolling bool   `json:"rolling,omitempty"`
}

// MarshalJSON writes l as people write it.
func (l Limit) MarshalJSON() ([]byte, error) {
	t := limitText{Scope: l.Scope}
	switch l.Unit {
	case UnitUSD:
		t.USD = AppendUSD(nil, l.Max)
	case UnitTokens:
		t.Tokens = &l.Max
	case UnitRequests:
		t.Requests = &l.Max
	case UnitConcurrent:
		t.Concurrent = &l.Max
	}
	if l.OnExceed != OnDeny {
		t.OnExceed = l.OnExceed.String()
	}
	w, err := json.Marshal(l.Window)
	if err != nil {
		return nil, err
	}
	switch {
	case l.Unit == UnitConcurrent:
	case l.Rate:
		t.Per = w
	default:
		t.Window = w
	}
	return json.Marshal(t)
}

// UnmarshalJSON reads what MarshalJSON writes; errors name the member.
func (l *Limit) UnmarshalJSON(b []byte) error {
	var t limitText
	if err := strictly(b, &t); err != nil {
		return memberOf(err, `{"usd": 5, "window": "day"}`)
	}
	*l = Limit{Scope: t.Scope}
	if err := l.amount(&t); err != nil {
		return err
	}
	var ok bool
	if l.OnExceed, ok = ParseOnExceed(t.OnExceed); !ok {
		return wrong("on_exceed", "on_exceed is %q: give one of %s", t.OnExceed, strings.Join(onExceeds[:], ", "))
	}
	member := "window"
	switch {
	case l.Unit == UnitConcurrent:
		l.Rate = true
		if t.Window != nil || t.Per != nil {
			return wrong("concurrent", "concurrent has no window: leave window and per out")
		}
		return nil
	case t.Window != nil && t.Per != nil:
		return wrong("per", "give either window, for a budget, or per, for a rate")
	case t.Per != nil:
		l.Rate, t.Window, member = true, t.Per, "per"
		if l.Unit == UnitUSD {
			return wrong("per", "usd needs a window in place of per: money is a budget, never a rate")
		}
	case t.Window == nil:
		return errors.New("give window, for a budget, or per, for a rate")
	}
	err := json.Unmarshal(t.Window, &l.Window)
	if err == nil {
		err = l.Window.Check()
	}
	if err != nil {
		return within(member, err)
	}
	return nil
}

func (l *Limit) amount(t *limitText) (err error) {
	given := 0
	for unit, n := range map[Unit]*int64{UnitTokens: t.Tokens, UnitRequests: t.Requests, UnitConcurrent: t.Concurrent} {
		if n != nil {
			l.Unit, l.Max, given = unit, *n, given+1
		}
	}
	if t.USD != nil {
		given++
		if l.Max, err = ParseUSD(strings.Trim(string(t.USD), `"`)); err != nil {
			return wrong("usd", "usd is %s: %v", t.USD, err)
		}
	}
	switch {
	case given != 1:
		return errors.New("give exactly one of usd, tokens, requests and concurrent")
	case l.Max < 0:
		return wrong(strings.TrimSuffix(l.Unit.String(), "_nano"), "%s is %d: it must not be negative", l.Unit, l.Max)
	}
	return nil
}

// MarshalJSON writes w as its unit, or as an object where that does not say all.
func (w Window) MarshalJSON() ([]byte, error) {
	if w.Size <= 1 && w.TZ == "" && !w.Rolling {
		return json.Marshal(w.Unit)
	}
	return json.Marshal(windowText(w))
}

// UnmarshalJSON reads a unit, or an object of unit, size, tz and rolling.
func (w *Window) UnmarshalJSON(b []byte) error {
	t := windowText{Size: 1}
	var err error
	if len(b) > 0 && b[0] == '"' {
		err = json.Unmarshal(b, &t.Unit)
	} else if err = strictly(b, &t); err != nil {
		err = memberOf(err, `"day", or {"unit": "day", "size": 7}`)
	}
	*w = Window(t)
	return err
}

// Check says what is wrong with w.
func (w Window) Check() error {
	if !slices.Contains(WindowUnits, w.Unit) {
		return fmt.Errorf("the window's unit is %q: give one of %s", w.Unit, strings.Join(WindowUnits, ", "))
	}
	if w.Size < 1 || w.Size > 10_000 {
		return fmt.Errorf("the window's size is %d: give 1 to 10000", w.Size)
	}
	if _, err := time.LoadLocation(w.TZ); err != nil || w.TZ == "Local" {
		return fmt.Errorf("the window's time zone is %q: give an IANA name such as Europe/Berlin", w.TZ)
	}
	if w.Unit == "total" && (w.Rolling || w.Size > 1) {
		return errors.New("a total has no size and does not roll: leave size and rolling out")
	}
	return nil
}

// strictly decodes one JSON value without unknown names or trailing data.
func strictly(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON value")
	}
	return nil
}
