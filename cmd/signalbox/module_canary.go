package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func moduleCanaryCommand(src *sources, kind string) *cobra.Command {
	a := &access{src: src}
	step := moduleStep{Guard: map[string]float64{}}
	var share string
	var least int
	var faults, errs, cost, ttft float64
	c := told(&cobra.Command{
		Use: "canary NAME[@VERSION]", Short: "Give a version a share of the requests",
		Long: "Give a version a share of the requests; named again, another share. The same key, session or request always comes\n" +
			"to the same version. A canary that does worse than its guard allows is rolled back by the gateway itself.",
		Args: exactly(1, "the name of a "+kind), Example: "  signalbox " + kind + " canary " + sampleModule(kind) + "@1.3.0 --share 5% --by key",
		RunE: func(c *cobra.Command, args []string) (err error) {
			if step.Share, err = parseShare(share); err != nil {
				return err
			}
			step.Guard = map[string]float64{"min_requests": float64(least), "faults": faults, "errors": errs, "cost": cost, "ttft": ttft}
			var got map[string]any
			if err := a.tell(c, step.asked(kind, "canary", args[0]), &got); err != nil {
				return err
			}
			got["share"], got["by"] = step.Share, step.By // the answer is of the version alone
			return say(c, got, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s serves %g%% by %s\n", got["label"], 100*step.Share, step.By)
				return err
			})
		},
	})
	f := c.Flags()
	f.StringVar(&share, "share", "5%", "of the requests")
	f.StringVar(&step.By, "by", "request", "what is split: key, session or request")
	f.IntVar(&least, "min-requests", 50, "of the canary before it is judged")
	f.Float64Var(&faults, "max-faults", 0.01, "share of its calls that may fail")
	f.Float64Var(&errs, "max-errors", 0.05, "share of failed requests that it may have beyond the active version's")
	f.Float64Var(&cost, "max-cost", 1.5, "mean cost, as a multiple of the active version's; 0: any")
	f.Float64Var(&ttft, "max-ttft", 2, "mean time to the first byte, as a multiple of the active version's; 0: any")
	step.flags(c, true)
	a.flags(c)
	return c
}
