package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
)

// limitForm are the flags that say what is limited.
type limitForm struct {
	budgets, rates []string
	concurrent     int64
	onExceed       string
}

const (
	budgetUsage     = "USD/window, as in 5/day, 20/2week, 100/month@Europe/Berlin or 50/30day:rolling; or 1000000tokens/day, 500requests/month (repeatable)"
	rateUsage       = "requests/window, as in 60/minute or 10/2hour; or 100000tokens/minute (repeatable)"
	concurrentUsage = "requests at once, 0: not limited"
)

func (l *limitForm) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&l.budgets, "budget", nil, budgetUsage)
	f.StringArrayVar(&l.rates, "rate", nil, rateUsage)
	f.Int64Var(&l.concurrent, "concurrent", 0, concurrentUsage)
	f.StringVar(&l.onExceed, "on-exceed", "", "what becomes of requests beyond: deny (default) or warn; of budgets clamp or stream, too")
}

// limits are what the flags say, budgets and rates apart.
func (l *limitForm) limits() (budgets, rates []call.Limit, err error) {
	over, ok := call.ParseOnExceed(l.onExceed)
	if !ok {
		return nil, nil, hint(fmt.Errorf("cannot read --on-exceed %q", l.onExceed), "give deny, clamp, stream or warn")
	}
	for _, text := range some(l.budgets) {
		b, err := parseLimit(text, false)
		if err != nil {
			return nil, nil, hint(fmt.Errorf("cannot read --budget %q: %w", text, err), "write %s", strings.TrimSuffix(budgetUsage, " (repeatable)"))
		}
		budgets = append(budgets, b)
	}
	for _, text := range some(l.rates) {
		r, err := parseLimit(text, true)
		if err != nil {
			return nil, nil, hint(fmt.Errorf("cannot read --rate %q: %w", text, err), "write %s", strings.TrimSuffix(rateUsage, " (repeatable)"))
		}
		rates = append(rates, r)
	}
	if l.concurrent != 0 {
		rates = append(rates, call.Limit{Unit: call.UnitConcurrent, Max: l.concurrent, Rate: true})
	}
	for _, list := range [][]call.Limit{budgets, rates} {
		for i := range list {
			list[i].OnExceed = over
		}
	}
	return budgets, rates, nil
}

var limitText = regexp.MustCompile(`^([0-9.]+)(usd|tokens|requests)?/([0-9]*)([a-z]+)(:rolling)?(?:@(.+))?$`)

// parseLimit reads AMOUNT[unit]/[n]window[:rolling][@time zone]; a bare amount is
// of dollars or, of a rate, of requests. What else it has to be the gateway checks.
func parseLimit(text string, rate bool) (l call.Limit, err error) {
	m := limitText.FindStringSubmatch(text)
	if m == nil {
		return l, fmt.Errorf("it is not an amount and a window")
	}
	l = call.Limit{Rate: rate, Window: call.Window{Unit: m[4], Size: 1, TZ: m[6], Rolling: m[5] != ""}}
	if m[3] != "" {
		if l.Window.Size, err = strconv.Atoi(m[3]); err != nil {
			return l, err
		}
	}
	switch {
	case m[2] == "tokens":
		l.Unit = call.UnitTokens
	case m[2] == "requests", m[2] == "" && rate:
		l.Unit = call.UnitRequests
	}
	if l.Unit == call.UnitUSD {
		l.Max, err = call.ParseUSD(m[1])
	} else {
		l.Max, err = strconv.ParseInt(m[1], 10, 64)
	}
	if err == nil {
		err = l.Window.Check()
	}
	return l, err
}

// limitsText are limits as the flags have them.
func limitsText(limits []call.Limit) string {
	var list []string
	for _, l := range limits {
		list = append(list, flagText(&l))
	}
	return strings.Join(list, " ")
}

func flagText(l *call.Limit) string {
	var b []byte
	switch l.Unit {
	case call.UnitConcurrent:
		return fmt.Sprintf("%d at once%s", l.Max, softText(l))
	case call.UnitUSD:
		b = call.AppendUSD(b, l.Max)
	default:
		b = strconv.AppendInt(b, l.Max, 10)
		if l.Unit == call.UnitTokens || !l.Rate {
			b = append(b, l.Unit.String()...)
		}
	}
	b = append(b, '/')
	if l.Window.Size > 1 {
		b = strconv.AppendInt(b, int64(l.Window.Size), 10)
	}
	b = append(b, l.Window.Unit...)
	if l.Window.Rolling {
		b = append(b, ":rolling"...)
	}
	if l.Window.TZ != "" {
		b = append(append(b, '@'), l.Window.TZ...)
	}
	return string(b) + softText(l)
}

func softText(l *call.Limit) string {
	if l.OnExceed == call.OnDeny {
		return ""
	}
	return " (" + l.OnExceed.String() + ")"
}

// kindText says whether l is a budget or a rate.
func kindText(l *call.Limit) string {
	if l.Rate {
		return "rate"
	}
	return "budget"
}
