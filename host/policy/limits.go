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
		for _, name := range []string{"scope", "unit", "window", "max"} {
			if err == nil && !seen[name] {
				err = fmt.Errorf("a limit must have a %s", name)
			}
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
	case "on_exceed":
		_, err = oneOf(v, []string{"deny"})
	default:
		err = fmt.Errorf("a limit has no member %q: scope, unit, window, max and on_exceed are", name)
	}
	return err
}

var scopeKinds = []string{"org", "project", "team", "user", "key", "model", "env"}

func scope(t *ast.Term) (string, error) {
	s, err := str(t)
	if err != nil {
		return "", err
	}
	kind, name, _ := strings.Cut(s, "/")
	if !slices.Contains(scopeKinds, kind) || name == "" {
		return "", fmt.Errorf("scope %q must be kind/name with a kind of %s", s, strings.Join(scopeKinds, ", "))
	}
	return s, nil
}

func unitOf(t *ast.Term) (call.Unit, error) {
	s, err := oneOf(t, []string{"usd_nano", "tokens", "requests"})
	switch s {
	case "tokens":
		return call.UnitTokens, err
	case "requests":
		return call.UnitRequests, err
	}
	return call.UnitUSD, err
}

func window(t *ast.Term) (call.Window, error) {
	w := call.Window{Size: 1}
	err := eachMember(t, "a window", func(name string, v *ast.Term) (err error) {
		switch name {
		case "unit":
			w.Unit, err = oneOf(v, []string{"minute", "hour", "day", "week", "month", "total"})
		case "size":
			var n int64
			n, err = positive(v)
			w.Size = int(min(n, 1<<20))
		case "tz":
			w.TZ, err = zoneName(v)
		default:
			err = fmt.Errorf("a window has no member %q: unit, size and tz are", name)
		}
		return err
	})
	if err == nil && w.Unit == "" {
		err = fmt.Errorf("a window must have a unit")
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
