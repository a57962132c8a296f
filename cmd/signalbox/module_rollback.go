package main

import "github.com/spf13/cobra"

func moduleRollbackCommand(src *sources, kind string) *cobra.Command {
	a := &access{src: src}
	var step moduleStep
	c := shown(&cobra.Command{
		Use: "rollback NAME[@VERSION]", Short: "End the canary, or go back to the version before",
		Long: "End the canary, if there is one. Else, or where a version is named, go back: to the version that was active before,\n" +
			"or to the one named.",
		Args: exactly(1, "the name of a "+kind), Example: "  signalbox " + kind + " rollback " + sampleModule(kind) + " --why 'slow in the evening'",
		RunE: func(c *cobra.Command, args []string) error {
			var got moduleVersion
			return a.ask(c, step.asked(kind, "rollback", args[0]), &got, got.active)
		},
	})
	step.flags(c, true)
	a.flags(c)
	return c
}
