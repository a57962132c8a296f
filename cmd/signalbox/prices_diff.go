package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/meter"
)

func pricesDiffCommand(src *sources) *cobra.Command {
	var all bool
	diff := told(&cobra.Command{
		Use:   "diff FILE",
		Short: "Compare the prices in use with a file in the shape of LiteLLM or models.dev",
		Long: "Compare the prices in use with a file in the shape of LiteLLM's model_prices_and_context_window.json or of\n" +
			"models.dev's api.json: which rates differ and by how much. A file that is to be used goes into prices_files.",
		Args:    exactly(1, "a file"),
		Example: "  signalbox prices diff model_prices_and_context_window.json",
		RunE: func(c *cobra.Command, args []string) error {
			prices, err := catalogue(src)
			if err != nil {
				return err
			}
			file, err := meter.LoadFile(args[0])
			if err != nil {
				return err
			}
			x := comparePrices(prices.Diff(file), file, all)
			return say(c, x, x.print)
		},
	})
	diff.Flags().BoolVar(&all, "all", false, "also name the models that only one of the two has")
	return diff
}

// priceDiff is how a file differs from the prices in use.
type priceDiff struct {
	Differences []priceDifference `json:"differences"`
	Models      int               `json:"models"` // that differ
	Alone       int               `json:"alone"`  // models that one of the two has
	File        struct {
		Models  int    `json:"models"` // with a price
		Skipped int    `json:"skipped"`
		Shape   string `json:"shape"`
	} `json:"file"`
}

// priceDifference is of one rate of a model or, without Rate, of a model that
// one of the two has alone.
type priceDifference struct {
	Model  string      `json:"model"`
	Rate   string      `json:"rate,omitempty"`
	InUse  json.Number `json:"in_use,omitempty"`
	InFile json.Number `json:"in_file,omitempty"`
	Only   string      `json:"only,omitempty"` // in_use or in_file

	percent string
}

func comparePrices(diffs []meter.Difference, file *meter.Loaded, all bool) *priceDiff {
	out := &priceDiff{Differences: []priceDifference{}}
	models := map[string]bool{}
	for _, d := range diffs {
		x := priceDifference{Model: d.Model, Rate: d.Field, percent: percent(d.Ours, d.Theirs)}
		switch {
		case d.Field == "":
			out.Alone++
			if !all {
				continue
			}
			if x.Only = "in_file"; d.Ours >= 0 {
				x.Only = "in_use"
			}
		case strings.HasSuffix(d.Field, "context"), strings.HasSuffix(d.Field, "max_output"), strings.HasSuffix(d.Field, "from"):
			x.InUse, x.InFile = json.Number(strconv.FormatInt(d.Ours, 10)), json.Number(strconv.FormatInt(d.Theirs, 10))
		default:
			x.InUse, x.InFile = rateNumber(d.Ours), rateNumber(d.Theirs)
		}
		if d.Field != "" {
			models[d.Model] = true
		}
		out.Differences = append(out.Differences, x)
	}
	out.Models = len(models)
	out.File.Models, out.File.Skipped, out.File.Shape = len(file.Models), file.Skipped, file.Shape
	return out
}

func (p *priceDiff) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MODEL\tRATE\tIN USE\tFILE\tDIFFERENCE")
	known := map[bool]string{true: "known", false: "unknown"}
	for _, d := range p.Differences {
		if d.Only != "" {
			fmt.Fprintf(t, "%s\t-\t%s\t%s\t-\n", d.Model, known[d.Only == "in_use"], known[d.Only == "in_file"])
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", d.Model, d.Rate, dash(string(d.InUse)), dash(string(d.InFile)), d.percent)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d models differ, %d are in one list alone; the file has %d models with a price (%s), %d without\n",
		p.Models, p.Alone, p.File.Models, p.File.Shape, p.File.Skipped)
	return err
}

// rateNumber is a rate in dollars, "" where there is none.
func rateNumber(nano int64) json.Number {
	if nano < 0 {
		return ""
	}
	return json.Number(dollars(nano))
}

func percent(ours, theirs int64) string {
	if ours <= 0 {
		return "-"
	}
	return fmt.Sprintf("%+.1f %%", 100*float64(theirs-ours)/float64(ours))
}
