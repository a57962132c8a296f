package main

import "github.com/spf13/cobra"

func modulePromoteCommand(src *sources, kind string) *cobra.Command {
	a := &access{src: src}
	var step moduleStep
	c := shown(&cobra.Command{
		Use: "promote NAME[@VERSION]", Short: "Make a version the active one, the canary if none is named",
		Args: exactly(1, "the name of a "+kind), Example: "  signalbox " + kind + " promote " + sampleModule(kind),
		RunE: func(c *cobra.Command, args []string) error {
			var got moduleVersion
			return a.ask(c, step.asked(kind, "promote", args[0]), &got, got.active)
		},
	})
	step.flags(c, true)
	a.flags(c)
	return c
}
