package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func nodeCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "node", Short: "Look after the gateways that share a store"}
	a.flags(c)
	c.AddCommand(nodeListCommand(a), nodeFenceCommand(a))
	return c
}

func nodeFenceCommand(a *access) *cobra.Command {
	var force bool
	c := shown(&cobra.Command{
		Use:     "fence ID",
		Short:   "Write off a gateway whose data directory is lost: what it had leased of budgets goes back, and it may never spend again",
		Args:    exactly(1, "the id of a node, as signalbox node list shows it"),
		Example: "  signalbox node fence EYGDPYJ6NVSP7ZCBWDUJCU4E2T",
		RunE: func(c *cobra.Command, args []string) error {
			path := "/admin/nodes/" + url.PathEscape(args[0]) + "/fence"
			if force {
				path += "?force=true"
			}
			var answer struct {
				Fenced   string
				Accounts int
			}
			return a.ask(c, asked{http.MethodPost, path, nil}, &answer, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "node %s is fenced: leases of %d accounts went back\n", answer.Fenced, answer.Accounts)
				return err
			})
		},
	})
	c.Flags().BoolVar(&force, "force", false, "also where the node was seen within half a minute: stop it first, what it spends from then on is not counted")
	return c
}
