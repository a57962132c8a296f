package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// tally is how one side of a canary has done.
type tally struct {
	Calls, Faults, Requests, Failed, Cost, Answered int64
	TTFT                                            int64 `json:"ttft_us"`
}

// modules is the answer of GET /admin/routes and /admin/filters.
type modules struct {
	Modules []struct {
		Name, Active, Previous, Canary, Shadow, Quarantined, By string
		Share                                                   float64
		Configured                                              bool
		Swaps                                                   int64
		Trial                                                   struct{ Canary, Active tally }
		Compared                                                *shadowStats
		Versions                                                []moduleVersion
	}
}

// shadowStats are how a shadow compares.
type shadowStats struct {
	Version                         string
	Compared, Same, Failed, Dropped int64
	FirstChoice                     int64 `json:"first_choice"`
	Last                            []struct {
		Request, By, Acted, Shadow, What string
		Time                             time.Time
	}
}

func moduleListCommand(src *sources, kind string) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{
		Use: "list [NAME]", Short: "List the versions of " + kind + "s, and which are in use", Args: cobra.MaximumNArgs(1),
		Example: "  signalbox " + kind + " list",
		RunE: func(c *cobra.Command, args []string) error {
			path := "/admin/" + kind + "s"
			if len(args) > 0 {
				path = modulePath(kind, args[0], "")
			}
			var m modules
			return a.show(c, path, &m, m.write)
		},
	}
	a.flags(c)
	return shown(c)
}

func (m *modules) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tTAG\tSTATE\tSERVES\tORIGIN\tSIGNED BY\tPUSHED")
	for _, e := range m.Modules {
		for _, v := range e.Versions {
			serves := map[string]string{"active": "all", "shadow": "nothing"}[v.Lane]
			if v.Lane == "active" && e.Canary != "" {
				serves = fmt.Sprintf("%g%%", 100*(1-e.Share))
			}
			if v.Lane == "canary" {
				serves = fmt.Sprintf("%g%% by %s", 100*e.Share, e.By)
			}
			origin := v.Origin
			if v.Seed {
				origin = "config"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.19s\n", v.Label, v.Tag, v.State, serves, origin, v.SignedBy, v.Pushed)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, e := range m.Modules {
		if e.Canary != "" {
			c, v := e.Trial.Canary, e.Trial.Active
			fmt.Fprintf(out, "\ncanary %s: %d of %d calls failed, %d of %d requests; active: %d of %d requests failed\n",
				e.Canary, c.Faults, c.Calls, c.Failed, c.Requests, v.Failed, v.Requests)
		}
		if !e.Configured {
			fmt.Fprintf(out, "\n%s is in no configuration: its versions lie ready for one\n", e.Name)
		}
		if e.Quarantined != "" {
			fmt.Fprintf(out, "\nquarantined: %s\n", e.Quarantined)
		}
		if e.Shadow != "" && e.Compared != nil {
			e.Compared.write(out)
		}
	}
	return nil
}

func (s *shadowStats) write(out io.Writer) {
	fmt.Fprintf(out, "\nshadow %s: %d decisions compared, %d the same, %d with another first choice, %d failed, %d not seen\n",
		s.Version, s.Compared, s.Same, s.FirstChoice, s.Failed, s.Dropped)
	for _, d := range s.Last[max(0, len(s.Last)-5):] {
		fmt.Fprintf(out, "  %s %s: %s; %s chose %q, the shadow %q\n", d.Time.Format(time.TimeOnly), d.Request, d.What, d.By, d.Acted, d.Shadow)
	}
}
