package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func modulePromoteCommand(src *sources, kind string) *cobra.Command {
	a := &access{src: src}
	var step moduleStep
	c := &cobra.Command{
		Use: "promote NAME[@VERSION]", Short: "Make a version the active one, the canary if none is named",
		Args: exactly(1, "the name of a "+kind), Example: "  signalbox " + kind + " promote " + sampleModule(kind),
		RunE: func(c *cobra.Command, args []string) error {
			var got moduleVersion
			if err := a.tell(c, step.asked(kind, "promote", args[0]), &got); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is active\n", got.Label)
			return nil
		},
	}
	step.flags(c, true)
	a.flags(c)
	return c
}
