package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// mcpCommand holds what there is to do with tool servers.
func mcpCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "mcp", Short: "See tool servers, and call their tools"}
	c.AddCommand(mcpListCommand(a), mcpToolsCommand(a), mcpRestartCommand(a), mcpCallCommand(src), mcpDemoCommand())
	return c
}

// toolServers is the answer of GET /admin/mcp.
type toolServers struct {
	Servers []struct {
		Name, Kind, State, Version, Failure string

		Since    time.Time
		Restarts int
		Problems []string
		Tools    []struct {
			Name, Description string
			PriceUSD          float64 `json:"price_usd"`
		}
		Calls, Errors int64
		P50MS         float64 `json:"p50_ms"`
	}
}

func mcpListCommand(a *access) *cobra.Command {
	c := shown(&cobra.Command{
		Use: "list", Short: "List the tool servers with how they are and what they were asked", Args: cobra.NoArgs,
		Example: "  signalbox mcp list",
		RunE: func(c *cobra.Command, _ []string) error {
			var l toolServers
			return a.show(c, "/admin/mcp", &l, l.print)
		},
	})
	a.flags(c)
	return c
}

func (l *toolServers) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVER\tKIND\tSTATE\tVERSION\tTOOLS\tCALLS\tERRORS\tP50 MS\tRESTARTS")
	for _, s := range l.Servers {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%.1f\t%d\n", s.Name, s.Kind, s.State, dash(harmless(s.Version)), len(s.Tools), s.Calls, s.Errors, s.P50MS, s.Restarts)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range l.Servers {
		if s.Failure != "" && s.State != "up" {
			fmt.Fprintf(w, "%s: %s\n", s.Name, harmless(s.Failure))
		}
		for _, p := range s.Problems {
			fmt.Fprintf(w, "%s: %s\n", s.Name, harmless(p))
		}
	}
	return nil
}

func mcpToolsCommand(a *access) *cobra.Command {
	c := shown(&cobra.Command{
		Use: "tools", Short: "List the tools that all servers offer, whoever may call them", Args: cobra.NoArgs,
		Example: "  signalbox mcp tools",
		RunE: func(c *cobra.Command, _ []string) error {
			var l toolServers
			return a.show(c, "/admin/mcp", &l, l.printTools)
		},
	})
	a.flags(c)
	return c
}

func (l *toolServers) printTools(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TOOL\tPRICE USD\tWHAT IT DOES")
	for _, s := range l.Servers {
		for _, tool := range s.Tools {
			fmt.Fprintf(t, "%s\t%g\t%s\n", tool.Name, tool.PriceUSD, dash(harmless(strings.Join(strings.Fields(tool.Description), " "))))
		}
	}
	return t.Flush()
}

func mcpRestartCommand(a *access) *cobra.Command {
	c := shown(&cobra.Command{
		Use: "restart SERVER", Short: "End a tool server and start it anew; calls that it works on fail", Args: exactly(1, "the name of a tool server"),
		Example: "  signalbox mcp restart files",
		RunE: func(c *cobra.Command, args []string) error {
			return a.change(c, "POST", "/admin/mcp/"+url.PathEscape(args[0])+"/restart", nil)
		},
	})
	a.flags(c)
	return c
}
