package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/route"
)

func moduleReplayCommand(src *sources, kind string) *cobra.Command {
	if kind == "filter" {
		return filterReplayCommand(src)
	}
	a := &access{src: src}
	var step moduleStep
	c := &cobra.Command{
		Use: "replay NAME[@VERSION]", Short: "Repeat recorded decisions on a version, and show what changes",
		Long: "Repeat recorded decisions on a version, the one pushed last if none is named, and show what it decides otherwise\n" +
			"and what that would cost. Nothing is sent anywhere. A version that fails none has passed, and may become a canary.",
		Args: exactly(1, "the name of a "+kind), Example: "  signalbox " + kind + " replay " + sampleModule(kind) + "@1.3.0",
		RunE: func(c *cobra.Command, args []string) error {
			var r route.Report
			return a.ask(c, step.asked(kind, "replay", args[0]), &r, func(w io.Writer) error { return writeReport(w, &r) })
		},
	}
	c.Flags().IntVar(&step.Most, "last", 0, "the latest so many decisions (default: 10000)")
	step.flags(c, false)
	a.flags(c)
	return shown(c)
}

func writeReport(out io.Writer, r *route.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t"+format+"\n", append([]any{name}, args...)...)
	}
	row("version", "%s", r.Version)
	row("decisions", "%d, %s to %s", r.Decisions, r.From.Format("2006-01-02 15:04:05"), r.To.Format("2006-01-02 15:04:05"))
	for _, by := range sorted(r.RecordedBy) {
		row("", "%d by %s", r.RecordedBy[by], by)
	}
	row("same plan", "%d", r.Same)
	row("other first choice", "%d", r.FirstChoice)
	row("other order or terms", "%d", r.Later)
	row("declines", "%d (recorded: %d)", r.Declines, r.Declined)
	row("refusals", "%d (recorded: %d)", r.Refusals, r.Refused)
	row("failures", "%d", r.Failed)
	for _, kind := range sorted(r.Faults) {
		row("", "%d %s", r.Faults[kind], kind)
	}
	row("fuel", "p50 %d, max %d of %d", r.FuelP50, r.FuelMax, r.FuelLimit)
	row("repeatable", "%d of %d, on fresh instances", r.Checked-r.Diverged, r.Checked)
	if e := r.Expected; e != nil {
		row("expected cost", "%.6f USD a request (recorded: %.6f, %+.1f %%)", e.CostThen, e.CostBefore, change(e.CostBefore, e.CostThen))
		row("expected first byte", "%.0f ms (recorded: %.0f, %+.1f %%)", e.TTFTThen, e.TTFTBefore, change(e.TTFTBefore, e.TTFTThen))
		row("expected whole", "%.0f ms (recorded: %.0f, %+.1f %%)", e.TotalThen, e.TotalBefore, change(e.TotalBefore, e.TotalThen))
		row("", "over %d decisions whose targets' outcomes are known", e.Decisions)
	} else {
		row("expected cost", "not known: no decision whose first choices, the old and the new, both have outcomes")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Pairs) > 0 {
		fmt.Fprintln(w, "\nFIRST CHOICE WAS\tWOULD BE\tDECISIONS")
		for _, p := range r.Pairs {
			fmt.Fprintf(w, "%s\t%s\t%d\n", p.From, p.To, p.Decisions)
		}
	}
	if len(r.Targets) > 0 {
		fmt.Fprintln(w, "\nTARGET\tATTEMPTS\tFAILED\tUSD\tFIRST BYTE MS\tWHOLE MS")
		for _, t := range r.Targets {
			fmt.Fprintf(w, "%s\t%d\t%d\t%.6f\t%.0f\t%.0f\n", t.Name, t.Attempts, t.Failed, t.Cost, t.TTFT, t.Total)
		}
	}
	fmt.Fprintf(w, "\n%s\n", r.Method)
	verdict := "passed: it may become a canary"
	if !r.Passed {
		verdict = "not passed: " + r.Summary()
	}
	fmt.Fprintln(w, verdict)
	return w.Flush()
}

// change is how much more b is than a, in percent.
func change(a, b float64) float64 {
	if a == 0 {
		return 0
	}
	return 100 * (b - a) / a
}
