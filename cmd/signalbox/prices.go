package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/meter"
)

func pricesCommand(src *sources) *cobra.Command {
	c := &cobra.Command{
		Use:   "prices",
		Short: "Show what models cost, and where price lists differ",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(pricesListCommand(src), pricesDiffCommand(src))
	return c
}

func pricesListCommand(src *sources) *cobra.Command {
	var provider string
	var asJSON bool
	list := &cobra.Command{
		Use:     "list",
		Short:   "Show the price of every model that the configuration knows",
		Example: "  signalbox prices list --provider openai",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			prices, err := catalogue(src)
			if err != nil {
				return err
			}
			show := printPrices
			if asJSON {
				show = jsonPrices
			}
			return show(c.OutOrStdout(), prices, provider)
		},
	}
	list.Flags().StringVar(&provider, "provider", "", "of this provider")
	list.Flags().BoolVar(&asJSON, "json", false, "one model a line, with its rates in dollars")
	return list
}

func catalogue(src *sources) (*meter.Catalog, error) {
	s, err := src.resolve()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(s)
	if err != nil {
		return nil, err
	}
	return meter.NewCatalog(cfg.PriceOverrides(), cfg.PriceFiles...)
}

// printPrices shows the rates that a model has; those of another modality only
// where they differ from text's.
func printPrices(w io.Writer, prices *meter.Catalog, provider string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MODEL\tINPUT\tCACHED\tOUTPUT\tOTHER\tAS OF")
	for _, name := range prices.Names() {
		if provider != "" && !strings.HasPrefix(name, provider+"/") {
			continue
		}
		m := prices.Model(name)
		p := m.Price
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", name, dollars(p.Input), dollars(p.CacheRead), dollars(p.Output), dash(strings.Join(otherRates(p), " ")), day(m.AsOf))
	}
	return t.Flush()
}

// jsonPrices prints a model a line.
func jsonPrices(w io.Writer, prices *meter.Catalog, provider string) error {
	for _, name := range prices.Names() {
		if provider != "" && !strings.HasPrefix(name, provider+"/") {
			continue
		}
		m := prices.Model(name)
		rates := map[string]json.Number{}
		for i, rate := range m.Price.Rates() {
			if *rate >= 0 {
				rates[call.RateNames[i]] = json.Number(dollars(*rate))
			}
		}
		line := struct {
			Model string                 `json:"model"`
			AsOf  string                 `json:"as_of"`
			USD   map[string]json.Number `json:"usd"`
		}{name, day(m.AsOf), rates}
		if err := printLine(w, line); err != nil {
			return err
		}
	}
	return nil
}

func otherRates(p *call.Price) (out []string) {
	plain := (&call.Price{Input: p.Input, CacheRead: p.CacheRead, Output: p.Output, CacheWrite5m: -1, CacheWrite1h: -1, Reasoning: -1,
		AudioInput: -1, AudioOutput: -1, ImageInput: -1, ImageOutput: -1, CacheReadAudio: -1, CacheReadImage: -1}).Filled()
	common := plain.Rates()
	for i, rate := range p.Rates() {
		if *rate != *common[i] {
			out = append(out, call.RateNames[i]+"="+dollars(*rate))
		}
	}
	if p.Long != nil {
		out = append(out, fmt.Sprintf("long>%d=%s/%s", p.LongFrom, dollars(p.Long.Input), dollars(p.Long.Output)))
	}
	for _, tier := range []struct {
		name string
		p    *call.Price
	}{{"batch", p.Batch}, {"flex", p.Flex}, {"priority", p.Priority}} {
		if tier.p != nil && (tier.p.Input|tier.p.Output) != 0 {
			out = append(out, fmt.Sprintf("%s=%s/%s", tier.name, dollars(tier.p.Input), dollars(tier.p.Output)))
		}
	}
	return out
}

func dollars(nano int64) string { return string(call.AppendUSD(nil, nano)) }
