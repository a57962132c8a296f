package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func pluginUpgradeCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{
		Use: "upgrade NAME[@VERSION]", Short: "Put an installed version of an adapter to use",
		Long: "Put an installed version of an adapter to use, the one installed last if none is named: it is started,\n" +
			"asked whether it is well, swapped in, and the old one finishes what it serves. To go back, name the old version.",
		Args:    exactly(1, "the name of an adapter"),
		Example: "  signalbox plugin upgrade acme@1.3.0",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			name, version, _ := strings.Cut(args[0], "@")
			var got installed
			if err := api.do(c.Context(), "POST", "/admin/plugins/"+url.PathEscape(name)+"/upgrade?version="+url.QueryEscape(version), nil, &got); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s@%s is in use\n", got.Name, got.Version)
			return nil
		},
	}
	a.flags(c)
	return c
}
