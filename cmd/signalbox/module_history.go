package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// moduleEvents is the answer of GET /admin/routes/{name}/history.
type moduleEvents struct {
	Events []struct {
		Time                    time.Time
		Version, What, Who, Why string
	}
}

func moduleHistoryCommand(src *sources, kind string) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{
		Use: "history NAME", Short: "Show what was done with a " + kind + "'s versions, the last first", Args: exactly(1, "the name of a "+kind),
		Example: "  signalbox " + kind + " history " + sampleModule(kind),
		RunE: func(c *cobra.Command, args []string) error {
			var h moduleEvents
			return a.show(c, modulePath(kind, args[0], "/history"), &h, h.print)
		},
	}
	a.flags(c)
	return shown(c)
}

func (h *moduleEvents) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TIME\tVERSION\tWHAT\tBY\tWHY")
	for _, e := range h.Events {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", second(e.Time), e.Version, e.What, e.Who, dash(e.Why))
	}
	return t.Flush()
}
