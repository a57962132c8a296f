package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// usageSums are the figures of a line of the table.
type usageSums struct {
	Requests, Errors int64
	Tokens           struct {
		Input, Output, Reasoning, Total int64
		CacheRead                       int64 `json:"cache_read"`
		AudioInput                      int64 `json:"audio_input"`
		AudioOutput                     int64 `json:"audio_output"`
		ImageInput                      int64 `json:"image_input"`
		ImageOutput                     int64 `json:"image_output"`
		CacheReadAudio                  int64 `json:"cache_read_audio"`
		CacheReadImage                  int64 `json:"cache_read_image"`
	}
	Units struct {
		Characters, Images, Pages, Searches int64
		AudioMS                             int64 `json:"audio_ms"`
	}
	CostUSD json.Number `json:"cost_usd"`
}

type usageAnswer struct {
	Rows []struct {
		Day, Key, Model string
		usageSums
	}
	Total usageSums
}

func usageCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var query struct{ key, team, model, from, to string }
	var asJSON bool
	c := &cobra.Command{
		Use:   "usage",
		Short: "Show spend, requests and tokens by key, model and day",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			v := url.Values{}
			for name, value := range map[string]string{"key": query.key, "team": query.team, "model": query.model, "from": query.from, "to": query.to} {
				if value != "" {
					v.Set(name, value)
				}
			}
			var raw json.RawMessage
			if err := api.do(c.Context(), http.MethodGet, "/admin/usage?"+v.Encode(), nil, &raw); err != nil {
				return err
			}
			if asJSON {
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", raw)
				return err
			}
			var answer usageAnswer
			if err := json.Unmarshal(raw, &answer); err != nil {
				return fmt.Errorf("cannot read the gateway's answer: %w", err)
			}
			return printUsage(c.OutOrStdout(), &answer)
		},
	}
	a.flags(c)
	f := c.Flags()
	f.StringVar(&query.key, "key", "", "of this key, by name or id")
	f.StringVar(&query.team, "team", "", "of this team")
	f.StringVar(&query.model, "model", "", "of this provider/model")
	f.StringVar(&query.from, "from", "", "from this day or time on")
	f.StringVar(&query.to, "to", "", "before this day or time")
	f.BoolVar(&asJSON, "json", false, "print the gateway's answer as it is")
	return c
}

func printUsage(w io.Writer, a *usageAnswer) error {
	if len(a.Rows) == 0 {
		_, err := fmt.Fprintln(w, "no usage")
		return err
	}
	var rare []rareColumn // that hold something
	for _, c := range rareColumns {
		if c.value(&a.Total) != 0 {
			rare = append(rare, c)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "DAY\tKEY\tMODEL\tREQUESTS\tERRORS\tINPUT\tCACHED\tOUTPUT\t")
	for _, c := range rare {
		fmt.Fprintf(t, "%s\t", c.name)
	}
	fmt.Fprintln(t, "USD\t")
	line := func(day, key, model string, s *usageSums) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t", day, dash(key), dash(model), s.Requests, s.Errors,
			s.Tokens.Input, s.Tokens.CacheRead+s.Tokens.CacheReadAudio+s.Tokens.CacheReadImage, s.Tokens.Output+s.Tokens.Reasoning)
		for _, c := range rare {
			fmt.Fprintf(t, "%d\t", c.value(s))
		}
		fmt.Fprintf(t, "%s\t\n", s.CostUSD)
	}
	for i := range a.Rows {
		r := &a.Rows[i]
		line(r.Day, r.Key, r.Model, &r.usageSums)
	}
	line("total", "", "", &a.Total)
	return t.Flush()
}

// rareColumn is shown where the total has something of it.
type rareColumn struct {
	name  string
	value func(*usageSums) int64
}

var rareColumns = []rareColumn{
	{"AUDIO IN", func(s *usageSums) int64 { return s.Tokens.AudioInput }},
	{"AUDIO OUT", func(s *usageSums) int64 { return s.Tokens.AudioOutput }},
	{"IMAGE IN", func(s *usageSums) int64 { return s.Tokens.ImageInput }},
	{"IMAGE OUT", func(s *usageSums) int64 { return s.Tokens.ImageOutput }},
	{"CHARACTERS", func(s *usageSums) int64 { return s.Units.Characters }},
	{"SECONDS", func(s *usageSums) int64 { return (s.Units.AudioMS + 999) / 1000 }},
	{"IMAGES", func(s *usageSums) int64 { return s.Units.Images }},
	{"PAGES", func(s *usageSums) int64 { return s.Units.Pages }},
	{"SEARCHES", func(s *usageSums) int64 { return s.Units.Searches }},
}
