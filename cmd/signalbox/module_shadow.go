package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func moduleShadowCommand(src *sources, kind string) *cobra.Command {
	a := &access{src: src}
	var step moduleStep
	c := shown(&cobra.Command{
		Use: "shadow NAME[@VERSION]", Short: "Let a version watch live requests, and act on none",
		Long: "Let a version, the one pushed last if none is named, watch live requests: what it would decide is compared with\n" +
			"what was done, and signalbox " + kind + " list NAME shows the differences. It acts on nothing.",
		Args: exactly(1, "the name of a "+kind), Example: "  signalbox " + kind + " shadow " + sampleModule(kind) + "@1.3.0",
		RunE: func(c *cobra.Command, args []string) error {
			var got moduleVersion
			return a.ask(c, step.asked(kind, "shadow", args[0]), &got, func(w io.Writer) error {
				now := "is in the shadow"
				if step.Off {
					now = "watches no more"
				}
				_, err := fmt.Fprintf(w, "%s %s\n", got.Label, now)
				return err
			})
		},
	})
	c.Flags().BoolVar(&step.Off, "off", false, "end the shadow")
	step.flags(c, false)
	a.flags(c)
	return c
}
