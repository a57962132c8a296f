package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// nanoUSD prints as dollars.
type nanoUSD int64

func (n nanoUSD) String() string { return string(call.AppendUSD(nil, int64(n))) }

func (l *decisionList) print(w io.Writer) error {
	if len(l.Decisions) == 0 {
		_, err := fmt.Fprintln(w, "no decisions are kept")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REQUEST\tTIME\tKEY\tMODEL\tDECIDED BY\tTARGET\tSTATUS\tUSD")
	for _, d := range l.Decisions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", d.Request, d.Time.Format(time.DateTime), dash(d.Key), dash(d.Model), dash(d.By), dash(d.Target), d.Status, d.Cost)
	}
	return t.Flush()
}

// print writes the decision in the order in which it came about.
func (d *decision) print(w io.Writer) error {
	p := &printer{w: w}
	kind := d.Operation + " (" + d.Dialect + ")"
	if d.Stream {
		kind += ", streamed"
	}
	p.line("%s  %s  %s of model %s", d.Request, d.Time.Format("2006-01-02 15:04:05.000 MST"), kind, dash(d.Model))
	p.line("key      %s", words(d.Key.Name, d.Key.ID, label("org", d.Key.Org), label("team", d.Key.Team)))
	d.printPolicy(p)
	d.printFacts(p)
	d.printCandidates(p)
	d.printPlan(p)
	d.printAttempts(p)
	for _, f := range d.Filters {
		p.line("filter   %s", words(f.Filter, f.Version, "on the "+f.On+": "+f.Action, counted(f.Findings, "finding"), repeated(f.Count)))
	}
	d.Outcome.print(p)
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); p.err == nil {
		p.err = err
	}
}

func (d *decision) printPolicy(p *printer) {
	verdict := "allows"
	if !d.Policy.Allow {
		verdict = "refuses: " + dash(d.Policy.Code)
	}
	only := ""
	if d.Policy.Restricted {
		only = "only " + dash(strings.Join(d.Policy.Targets, ", "))
	}
	cap := ""
	if d.Policy.MaxTokens > 0 {
		cap = fmt.Sprintf("at most %d tokens", d.Policy.MaxTokens)
	}
	p.line("policy   %s", words("revision "+dash(d.Policy.Revision), verdict, only, cap, label("filters", strings.Join(d.Policy.Filters, ", "))))
}

func (d *decision) printFacts(p *printer) {
	r := d.Route
	by := "the built-in order"
	if r.Name != "" {
		by = "route " + r.Name
	}
	rule := ""
	if r.Rule > 0 {
		rule = fmt.Sprintf("by rule %d of the model", r.Rule)
	}
	p.line("route    %s", words(by, rule, label("module", r.Module), label("lane", r.Lane)))
	f := d.Facts
	if f == nil {
		return
	}
	budget := ""
	if f.BudgetOf > 0 {
		budget = fmt.Sprintf("%s of %s USD left", f.BudgetLeft, f.BudgetOf)
	}
	p.line("facts    %s", words(fmt.Sprintf("%d bytes", f.Bytes), fmt.Sprintf("about %d tokens in", f.InTokens), counted(f.OutTokens, "token allowed out"),
		strings.Join(f.Flags, ", "), counted(f.Priority, "priority"), budget, label("needs tags", strings.Join(f.NeedTags, ", ")), label("denies tags", strings.Join(f.DenyTags, ", ")),
		label("session", f.Session), label("prefix", f.Prefix), label("answered last by", f.Last), label("metadata", strings.Join(f.Metadata, ", "))))
}

func (d *decision) printCandidates(p *printer) {
	if len(d.Candidates) == 0 {
		return
	}
	p.line("\ncandidates, as they were")
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  TARGET\tREGION\tTAGS\tPRIORITY\tWEIGHT\tUSD/1K IN\tOUT\tFIRST TOKEN\tPER TOKEN\tERRORS\tIN FLIGHT\tBREAKER\tLEFT\tREST")
	for i := range d.Candidates {
		c := &d.Candidates[i]
		flight := fmt.Sprint(c.InFlight)
		if c.MaxInFlight > 0 {
			flight += fmt.Sprintf("/%d", c.MaxInFlight)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%.1f%%\t%s\t%s\t%s\t%s\n", c.Target, dash(c.Region), dash(strings.Join(c.Tags, ",")), c.Priority, c.Weight,
			c.PriceIn, c.PriceOut, millis(c.TTFTMS), millis(c.TokenMS), 100*c.ErrorRate, flight, c.Circuit, c.left(), millis(float64(c.RetryAfterMS)))
	}
	if err := t.Flush(); p.err == nil {
		p.err = err
	}
}

// left is what the provider has said that it still takes.
func (c *decisionTarget) left() string {
	var parts []string
	if c.RequestsLeft != nil {
		parts = append(parts, fmt.Sprintf("%d requests", *c.RequestsLeft))
	}
	if c.TokensLeft != nil {
		parts = append(parts, fmt.Sprintf("%d tokens", *c.TokensLeft))
	}
	return dash(strings.Join(parts, ", "))
}

func (d *decision) printPlan(p *printer) {
	for _, c := range d.Counters {
		p.line("counter  %d: the module added %d and got %d", c.Counter, c.Add, c.Value)
	}
	if d.Plan == nil {
		p.line("\nplan     none: the request ended before")
		return
	}
	p.line("\nplan     by %s%s", d.Plan.By, label(":", d.Plan.Reason))
	d.Plan.steps(p)
	if a := d.Again; a != nil {
		p.line("again    %s: %s", a.Result, a.Detail)
		if a.Plan != nil {
			a.Plan.steps(p)
		}
	}
}

func (d *decisionPlan) steps(p *printer) {
	if d.Code != 0 {
		p.line("  refuse with code %d", d.Code)
	}
	for i, a := range d.Attempts {
		ms := func(what string, n int64) string {
			if n == 0 {
				return ""
			}
			return fmt.Sprintf("%s %d ms", what, n)
		}
		check := ""
		if a.Check {
			check = "go on when the answer fails the check"
		}
		p.line("  %d. %s", i+1, words(a.Target, ms("timeout", a.TimeoutMS), ms("hedge after", a.HedgeMS), ms("wait", a.BackoffMS), ms("at most", a.BackoffMaxMS), check))
	}
}

func (d *decision) printAttempts(p *printer) {
	p.line("\nattempts")
	if len(d.Attempts) == 0 {
		p.line("  none")
	}
	for _, a := range d.Attempts {
		end := "answered"
		switch {
		case a.Rejected != "":
			end = "rejected: " + a.Rejected
		case a.Lost:
			end = "lost"
		case a.Class != "":
			end = "failed: " + a.Class
		}
		status, hedge, first, cost := "", "", "", ""
		if a.Status != 0 {
			status = fmt.Sprintf("status %d", a.Status)
		}
		if a.Hedge {
			hedge = "hedge"
		}
		if a.FirstByteMS > 0 {
			first = "first byte after " + millis(a.FirstByteMS)
		}
		if a.Cost > 0 {
			cost = a.Cost.String() + " USD"
		}
		p.line("  +%s  %s", millis(a.StartMS), words(a.Target, label("credential", a.Credential), hedge, end, status, first, "took "+millis(a.DurationMS), cost))
	}
}

func (o *decisionOutcome) print(p *printer) {
	var used []string
	for _, name := range sorted(o.Usage) {
		used = append(used, fmt.Sprintf("%s %d", name, o.Usage[name]))
	}
	first := ""
	if o.TTFTMS > 0 {
		first = "first byte after " + millis(o.TTFTMS)
	}
	p.line("outcome  %s", words(fmt.Sprintf("status %d", o.Status), o.Code, o.Class, label("target", o.Target), first, "took "+millis(o.DurationMS),
		millis(o.OverheadMS)+" of it the gateway's"))
	p.line("cost     %s", words(o.Cost.String()+" USD, "+o.Provenance, label("of reserved", nonzero(o.Reserved)), strings.Join(used, ", ")))
}

// words joins what is not empty.
func words(parts ...string) string {
	var out []string
	for _, s := range parts {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

// label puts name before value, where there is one.
func label(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

func counted(n uint32, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

func repeated(n uint32) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%d times", n)
}

func nonzero(n nanoUSD) string {
	if n == 0 {
		return ""
	}
	return n.String()
}

func millis(ms float64) string {
	switch {
	case ms == 0:
		return "-"
	case ms >= 10_000:
		return fmt.Sprintf("%.1fs", ms/1000)
	}
	return fmt.Sprintf("%.3gms", ms)
}
