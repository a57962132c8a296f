package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// nodeSilent is after how long a gateway that has not been seen counts as gone:
// it tells of itself every few seconds.
const nodeSilent = time.Minute

// nodeRow is a gateway as another lists it.
type nodeRow struct {
	ID, Name, Version     string
	Number                int
	Started, Seen, Fenced time.Time
	Self                  bool
}

func nodeListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "list",
		Short:   "List the gateways that share the store, and when each was seen last",
		Args:    cobra.NoArgs,
		Example: "  signalbox node list",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Nodes []nodeRow }
			return a.show(c, "/admin/nodes", &answer, func(w io.Writer) error { return printNodes(w, answer.Nodes) })
		},
	})
}

func printNodes(w io.Writer, nodes []nodeRow) error {
	var now time.Time // by the store's clock, which said when each was seen
	for _, n := range nodes {
		if n.Seen.After(now) {
			now = n.Seen
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NUMBER\tNAME\tID\tVERSION\tSTARTED\tSEEN\tSTATE")
	for _, n := range nodes {
		number := fmt.Sprint(n.Number)
		if n.Number < 0 {
			number = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", number, n.Name, n.ID, n.Version,
			second(n.Started), second(n.Seen), n.state(now))
	}
	return t.Flush()
}

func (n *nodeRow) state(now time.Time) string {
	switch {
	case !n.Fenced.IsZero():
		return "fenced"
	case n.Self:
		return "answers"
	case now.Sub(n.Seen) > nodeSilent:
		return "silent"
	}
	return "lives"
}
