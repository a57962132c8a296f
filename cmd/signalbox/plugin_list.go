package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// plugins is the answer of GET /admin/plugins.
type plugins struct {
	Running []struct {
		Provider, Adapter, Version, SHA256, State, Isolation string
		Since                                                time.Time
		PID, Restarts                                        int
		InFlight                                             int64  `json:"in_flight"`
		LastError                                            string `json:"last_error"`
	}
	Installed []installed
}

// installed is one version of an adapter.
type installed struct {
	Name, Version, SHA256, Rejected string
	SignedBy                        string `json:"signed_by"`
	Current                         bool
}

func pluginListCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{
		Use: "list", Short: "List the adapters that run and those that are installed", Args: cobra.NoArgs,
		Example: "  signalbox plugin list",
		RunE: func(c *cobra.Command, _ []string) error {
			var p plugins
			return a.show(c, "/admin/plugins", &p, p.write)
		},
	}
	a.flags(c)
	return shown(c)
}

func (p *plugins) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROVIDER\tADAPTER\tVERSION\tSTATE\tPID\tRESTARTS\tIN FLIGHT\tSHA256\tISOLATION")
	for _, r := range p.Running {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%.12s\t%s\n", r.Provider, r.Adapter, r.Version, r.State, r.PID, r.Restarts, r.InFlight, r.SHA256, r.Isolation)
	}
	if len(p.Installed) > 0 {
		fmt.Fprintln(w, "\nINSTALLED\tVERSION\tIN USE\tSHA256\tSIGNED BY\tREJECTED")
	}
	for _, i := range p.Installed {
		fmt.Fprintf(w, "%s\t%s\t%t\t%.12s\t%s\t%s\n", i.Name, i.Version, i.Current, i.SHA256, i.SignedBy, i.Rejected)
	}
	return w.Flush()
}
