package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/host/call"
)

func limits(t *ast.Term) (out []call.Limit, err error) {
	err = eachItem(t, func(item *ast.Term) error {
		l, seen := call.Limit{}, map[string]bool{}
		err := eachMember(item, "a limit", func(name string, v *ast.Term) error {
			seen[name] = true
			return limitMember(&l, name, v)
		})
		if err == nil {
			err = whole(&l, seen)
		}
		out = append(out, l)
		return err
	})
	return out, err
}

func limitMember(l *call.Limit, name string, v *ast.Term) (err error) {
	switch name {
	case "scope":
		l.Scope, err = scope(v)
	case "unit":
		l.Unit, err = unitOf(v)
	case "window":
		l.Window, err = window(v)
	case "max":
		l.Max, err = integer(v)
		if err == nil && l.Max < 0 {
			err = fmt.Errorf("max must not be negative, got %d", l.Max)
		}
	case "rate":
		l.Rate, err = flag(v)
	case "on_exceed":
		var s string
		s, err = oneOf(v, onExceeds)
		l.OnExceed, _ = call.ParseOnExceed(s)
	default:
		err = fmt.Errorf("a limit has no member %q: scope, unit, window, max, rate and on_exceed are", name)
	}
	return err
}

var (
	onExceeds  = []string{"deny", "clamp", "stream", "warn"}
	limitUnits = []string{"usd_nano", "tokens", "requests", "concurrent"} // in the order of call.Unit
)

// whole says what l lacks, or has too much of.
func whole(l *call.Limit, seen map[string]bool) error {
	needs := []string{"scope", "unit", "max"}
	if l.Unit != call.UnitConcurrent {
		needs = append(needs, "window")
	}
	for _, name := range needs {
		if !seen[name] {
			return fmt.Errorf("a limit must have a %s", name)
		}
	}
	switch {
	case l.Unit == call.UnitConcurrent && (seen["window"] || seen["rate"]):
		return fmt.Errorf("a limit of what is concurrent has neither window nor rate")
	case l.Unit == call.UnitConcurrent:
		l.Rate = true
	case l.Unit == call.UnitUSD && l.Rate:
		return fmt.Errorf("a limit of money is a budget, never a rate")
	}
	return nil
}

func flag(t *ast.Term) (bool, error) {
	b, ok := t.Value.(ast.Boolean)
	if !ok {
		return false, fmt.Errorf("want true or false, got %s", t)
	}
	return bool(b), nil
}

func scope(t *ast.Term) (string, error) {
	s, err := str(t)
	if err != nil {
		return "", err
	}
	kind, name, _ := strings.Cut(s, "/")
	if !slices.Contains(call.ScopeKinds, kind) || name == "" {
		return "", fmt.Errorf("scope %q must be kind/name with a kind of %s", s, strings.Join(call.ScopeKinds, ", "))
	}
	return s, nil
}

func unitOf(t *ast.Term) (call.Unit, error) {
	s, err := oneOf(t, limitUnits)
	return call.Unit(max(slices.Index(limitUnits, s), 0)), err
}

func window(t *ast.Term) (call.Window, error) {
	w := call.Window{Size: 1}
	err := eachMember(t, "a window", func(name string, v *ast.Term) (err error) {
		switch name {
		case "unit":
			w.Unit, err = oneOf(v, call.WindowUnits)
		case "size":
			var n int64
			n, err = positive(v)
			w.Size = int(min(n, 1<<20)) // more than Check lets through
		case "tz":
			w.TZ, err = zoneName(v)
		case "rolling":
			w.Rolling, err = flag(v)
		default:
			err = fmt.Errorf("a window has no member %q: unit, size, tz and rolling are", name)
		}
		return err
	})
	if err == nil {
		rest := w
		rest.TZ = "" // has been looked at, and Check would read its file
		err = rest.Check()
	}
	return w, err
}

// goodZones remembers the time zones that exist: there are some 600.
var goodZones sync.Map

func zoneName(t *ast.Term) (string, error) {
	s, err := str(t)
	if err != nil {
		return "", err
	}
	if _, ok := goodZones.Load(s); ok {
		return s, nil
	}
	if s == "Local" {
		return "", fmt.Errorf("time zone %q depends on the machine: name one", s)
	}
	if _, err := time.LoadLocation(s); err != nil {
		return "", fmt.Errorf("time zone %q is unknown", s)
	}
	goodZones.Store(s, true)
	return s, nil
}
