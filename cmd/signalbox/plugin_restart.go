package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

func pluginRestartCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{
		Use: "restart PROVIDER", Short: "Give a provider another process of its adapter; no request is cut", Args: exactly(1, "the name of a provider"),
		Example: "  signalbox plugin restart openai",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			var got struct{ Restarted bool }
			if err := api.do(c.Context(), "POST", "/admin/plugins/"+url.PathEscape(args[0])+"/restart", nil, &got); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s runs anew\n", args[0])
			return nil
		},
	}
	a.flags(c)
	return c
}
