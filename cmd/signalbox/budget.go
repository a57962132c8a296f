package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
)

func budgetCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "budget", Short: "See how budgets stand"}
	a.flags(c)
	c.AddCommand(budgetListCommand(a))
	return c
}

type budgetRow struct {
	Scope, Unit, Window string
	Ends                time.Time
	Max, Spent          int64
	Reserved, Leased    int64
	OnExceed            string `json:"on_exceed"`
	Warns               int64  `json:"warns_at"`
	Leases              []struct {
		Node string
		Held int64
	}
}

func budgetListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:   "list [SCOPE]",
		Short: "List budgets in their current windows: what is spent, reserved by running requests and leased to nodes",
		Long: "List budgets in their current windows: what is spent, reserved by running requests and leased to nodes.\n" +
			"A budget is in the list from its first request on; signalbox limit list and key list show what has been set.",
		Args:    cobra.MaximumNArgs(1),
		Example: "  signalbox budget list team/core",
		RunE: func(c *cobra.Command, args []string) error {
			var answer struct{ Budgets []budgetRow }
			return a.show(c, "/admin/budgets", &answer, func(w io.Writer) error { return printBudgets(w, answer.Budgets, strings.Join(args, "")) })
		},
	})
}

// printBudgets prints those of scope, "" for all.
func printBudgets(w io.Writer, rows []budgetRow, scope string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCOPE\tUNIT\tWINDOW\tLIMIT\tSPENT\tRESERVED\tLEASED\tENDS")
	for _, b := range rows {
		if scope != "" && b.Scope != scope {
			continue
		}
		unit := strings.TrimSuffix(b.Unit, "_nano")
		amount := func(n int64) string {
			if unit == "usd" {
				return string(call.AppendUSD(nil, n))
			}
			return strconv.FormatInt(n, 10)
		}
		limit := "?"
		switch {
		case b.Max > 0 && b.Warns > 0:
			limit = amount(b.Max) + " (warns at " + amount(b.Warns) + ")"
		case b.Max > 0:
			limit = amount(b.Max)
		case b.Warns > 0:
			limit = "warns at " + amount(b.Warns)
		}
		leased := amount(b.Leased)
		if len(b.Leases) > 1 {
			var by []string
			for _, l := range b.Leases {
				by = append(by, l.Node+" "+amount(l.Held))
			}
			leased += " (" + strings.Join(by, ", ") + ")"
		}
		ends := "-"
		switch {
		case !b.Ends.IsZero():
			ends = b.Ends.UTC().Format(time.DateOnly + " 15:04")
		case strings.HasSuffix(b.Window, " rolling"):
			ends = "rolls"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Scope, unit, b.Window, limit, amount(b.Spent), amount(b.Reserved), leased, ends)
	}
	return t.Flush()
}
