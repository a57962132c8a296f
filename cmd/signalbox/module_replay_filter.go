package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/filter"
)

func filterReplayCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var step moduleStep
	var file string
	c := &cobra.Command{
		Use: "replay NAME[@VERSION] --texts FILE", Short: "Show texts to a version and to the active one, and what changes",
		Long: "Show the texts of a file to a version, the one pushed last if none is named, and to the active one, and tell what\n" +
			"becomes of them otherwise, and what it spends. The file has a line for each text:\n" +
			`{"channel": "user", "text": "call 555 1234"}` + "; channels are system, user, assistant, tool_result, answer, reasoning\n" +
			"and tool_arguments. Nothing is sent to a provider or a guard, and no text is kept.",
		Args: exactly(1, "the name of a filter"), Example: "  signalbox filter replay pii@1.3.0 --texts texts.jsonl",
		RunE: func(c *cobra.Command, args []string) (err error) {
			if step.Texts, err = readTexts(file); err != nil {
				return err
			}
			var r filter.Report
			return a.ask(c, step.asked("filter", "replay", args[0]), &r, func(w io.Writer) error { return writeFilterReport(w, &r) })
		},
	}
	c.Flags().StringVar(&file, "texts", "", "file of texts, a JSON object a line")
	step.flags(c, false)
	a.flags(c)
	return shown(c)
}

// readTexts reads a file of JSON objects into one array.
func readTexts(file string) (json.RawMessage, error) {
	if file == "" {
		return nil, hint(errors.New("there are no texts to show the filter"), `give a file with --texts, with lines such as {"channel": "user", "text": "call 555 1234"}`)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var texts []filter.Text
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	for {
		var t filter.Text
		switch err := d.Decode(&t); err {
		case nil:
			texts = append(texts, t)
		case io.EOF:
			return json.Marshal(texts)
		default:
			return nil, hint(fmt.Errorf("cannot read text %d of %s: %w", len(texts)+1, file, err), `write a line for each, such as {"channel": "user", "text": "call 555 1234"}`)
		}
	}
}

func writeFilterReport(out io.Writer, r *filter.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	before := r.Before
	if before == nil {
		before = &filter.Summary{}
	}
	fmt.Fprintf(w, "\tNOW\tBEFORE\nversion\t%s\t%s\n", r.Version, r.Against)
	counts := func(now, then map[string]int) {
		all := map[string]int{}
		for _, m := range []map[string]int{now, then} {
			for k := range m {
				all[k] = 0
			}
		}
		for _, k := range sorted(all) {
			fmt.Fprintf(w, "%s\t%d\t%d\n", k, now[k], then[k])
		}
	}
	counts(r.Now.Verdicts, before.Verdicts)
	counts(r.Now.Faults, before.Faults)
	fmt.Fprintf(w, "findings\t%d\t%d\n", r.Now.Findings, before.Findings)
	fmt.Fprintf(w, "fuel of a text, p50\t%d\t%d\nfuel of a text, max\t%d\t%d\n", r.Now.FuelP50, before.FuelP50, r.Now.FuelMax, before.FuelMax)
	fmt.Fprintf(w, "texts\t%d\t\n", r.Texts)
	if r.Before != nil {
		fmt.Fprintf(w, "the same\t%d\t\n", r.Same)
	}
	if len(r.Differences) > 0 {
		fmt.Fprintln(w, "\nLINE\tCHANNEL\tBEFORE\tNOW")
		for _, d := range r.Differences {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", d.Line, d.Channel, d.Before, d.Now)
		}
	}
	return w.Flush()
}
