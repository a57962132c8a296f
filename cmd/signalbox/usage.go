package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
)

// usageSums are the figures of a line of the table.
type usageSums struct {
	Requests, Errors, Refused int64
	Tokens                    struct {
		Input, Output, Reasoning, Total int64
		CacheRead                       int64 `json:"cache_read"`
		CacheWrite5m                    int64 `json:"cache_write_5m"`
		CacheWrite1h                    int64 `json:"cache_write_1h"`
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
	CostUSD      json.Number `json:"cost_usd"`
	ReportedUSD  json.Number `json:"reported_usd"`
	ComputedUSD  json.Number `json:"computed_usd"`
	EstimatedUSD json.Number `json:"estimated_usd"`
}

type usageAnswer struct {
	By     []string
	Source string
	Rows   []usageRow
	Total  usageSums
}

// usageRow is what a line is of, and its figures.
type usageRow struct {
	usageSums
	of map[string]string
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *usageRow) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	r.of = map[string]string{}
	for _, name := range call.Dimensions {
		if v, ok := all[name]; ok {
			var text string
			if err := json.Unmarshal(v, &text); err != nil {
				return err
			}
			r.of[name] = text
		}
	}
	return json.Unmarshal(b, &r.usageSums)
}

// filterFlags say which requests are meant.
type filterFlags struct {
	key, team, model, since, until string
	where                          []string
}

func (q *filterFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&q.key, "key", "", "of this key, by name or id")
	f.StringVar(&q.team, "team", "", "of this team")
	f.StringVar(&q.model, "model", "", "of this provider/model")
	f.StringArrayVar(&q.where, "where", nil, "of what has this value, as in --where status=429 or --where team!=web (repeatable)")
	f.StringVar(&q.since, "since", "", "from when on: "+sinceUsage)
	f.StringVar(&q.until, "until", "", "before when: the same")
}

// query is how the admin API takes them.
func (q *filterFlags) query() (url.Values, error) {
	v := url.Values{}
	for name, value := range map[string]string{"key": q.key, "team": q.team, "model": q.model, "from": moment(q.since), "to": moment(q.until)} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for _, w := range q.where {
		name, value, ok := strings.Cut(w, "=")
		if !ok || strings.TrimSuffix(name, "!") == "" {
			return nil, hint(fmt.Errorf("cannot read --where %q", w), "write --where dimension=value or --where dimension!=value, such as --where status!=200")
		}
		v.Add(name, value)
	}
	return v, nil
}

// moment is a length of time as the time that is so long ago; all else the
// gateway reads, in the time zone that goes with it.
func moment(text string) string {
	if t, ok := away(text, time.Now(), -1); ok {
		return t.UTC().Format(time.RFC3339)
	}
	return text
}

func usageCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var filters filterFlags
	var by []string
	var tz string
	var asCSV bool
	c := &cobra.Command{
		Use:     "usage",
		Short:   "Show spend, requests and tokens by any dimension",
		Long:    "Show spend, requests and tokens by any dimension:\n" + strings.Join(call.Dimensions, ", ") + ", or total for one sum.",
		Example: "  signalbox usage --by team,month --since 2026-01-01\n  signalbox usage --since 7d --where status!=200 --by key,status --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := filters.query()
			if err != nil {
				return err
			}
			v.Set("by", strings.Join(by, ","))
			if tz != "" {
				v.Set("tz", tz)
			}
			if asCSV {
				v.Set("format", "csv")
				api, err := a.open()
				if err != nil {
					return err
				}
				return api.stream(c.Context(), "/admin/usage?"+v.Encode(), c.OutOrStdout())
			}
			var answer usageAnswer
			return a.show(c, "/admin/usage?"+v.Encode(), &answer, func(w io.Writer) error { return printUsage(w, &answer) })
		},
	}
	a.flags(c)
	filters.flags(c)
	f := c.Flags()
	f.StringSliceVar(&by, "by", []string{"day", "key", "model"}, "dimensions, as in --by team,month")
	f.StringVar(&tz, "tz", "", "time zone of days, weeks and months, and of --since and --until, as in Europe/Berlin (default UTC)")
	shown(c)
	f.BoolVar(&asCSV, "csv", false, "print it as CSV")
	c.MarkFlagsMutuallyExclusive("json", "csv")
	return c
}

func printUsage(w io.Writer, a *usageAnswer) error {
	if len(a.Rows) == 0 {
		_, err := fmt.Fprintln(w, "no usage")
		return err
	}
	var rare []rareColumn // that hold something
	for _, c := range rareColumns {
		if text := c.value(&a.Total); text != "0" && text != "0%" {
			rare = append(rare, c)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, name := range a.By {
		fmt.Fprintf(t, "%s\t", strings.ToUpper(strings.ReplaceAll(name, "_", " ")))
	}
	fmt.Fprint(t, "REQUESTS\tERRORS\tINPUT\tCACHED\tOUTPUT\t")
	for _, c := range rare {
		fmt.Fprintf(t, "%s\t", c.name)
	}
	fmt.Fprintln(t, "USD\t")
	line := func(s *usageSums) {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t", s.Requests, s.Errors,
			s.Tokens.Input, s.Tokens.CacheRead+s.Tokens.CacheReadAudio+s.Tokens.CacheReadImage, s.Tokens.Output+s.Tokens.Reasoning)
		for _, c := range rare {
			fmt.Fprintf(t, "%s\t", c.value(s))
		}
		fmt.Fprintf(t, "%s\t\n", s.CostUSD)
	}
	for i := range a.Rows {
		r := &a.Rows[i]
		for _, name := range a.By {
			fmt.Fprintf(t, "%s\t", dash(r.of[name]))
		}
		line(&r.usageSums)
	}
	for i := range a.By {
		fmt.Fprintf(t, "%s\t", [...]string{"total", "-"}[min(i, 1)])
	}
	if len(a.By) > 0 {
		line(&a.Total)
	}
	if err := t.Flush(); err != nil || a.Source == "sums" {
		return err
	}
	_, err := fmt.Fprintln(w, "from single requests: sums do not hold what was asked for")
	return err
}

// rareColumn is shown where the total has something of it.
type rareColumn struct {
	name  string
	value func(*usageSums) string
}

func count(of func(*usageSums) int64) func(*usageSums) string {
	return func(s *usageSums) string { return fmt.Sprint(of(s)) }
}

// share is a part of the cost in per cent, rounded down.
func share(of func(*usageSums) json.Number) func(*usageSums) string {
	return func(s *usageSums) string {
		part, err1 := call.ParseUSD(of(s).String())
		whole, err2 := call.ParseUSD(s.CostUSD.String())
		if err1 != nil || err2 != nil || part == 0 || whole == 0 {
			return "0%"
		}
		if part <= 1<<50 {
			return fmt.Sprintf("%d%%", part*100/whole)
		}
		return fmt.Sprintf("%d%%", part/(whole/100))
	}
}

var rareColumns = []rareColumn{
	{"REFUSED", count(func(s *usageSums) int64 { return s.Refused })},
	{"CACHE WRITE", count(func(s *usageSums) int64 { return s.Tokens.CacheWrite5m + s.Tokens.CacheWrite1h })},
	{"AUDIO IN", count(func(s *usageSums) int64 { return s.Tokens.AudioInput })},
	{"AUDIO OUT", count(func(s *usageSums) int64 { return s.Tokens.AudioOutput })},
	{"IMAGE IN", count(func(s *usageSums) int64 { return s.Tokens.ImageInput })},
	{"IMAGE OUT", count(func(s *usageSums) int64 { return s.Tokens.ImageOutput })},
	{"CHARACTERS", count(func(s *usageSums) int64 { return s.Units.Characters })},
	{"SECONDS", count(func(s *usageSums) int64 { return (s.Units.AudioMS + 999) / 1000 })},
	{"IMAGES", count(func(s *usageSums) int64 { return s.Units.Images })},
	{"PAGES", count(func(s *usageSums) int64 { return s.Units.Pages })},
	{"SEARCHES", count(func(s *usageSums) int64 { return s.Units.Searches })},
	{"REPORTED", share(func(s *usageSums) json.Number { return s.ReportedUSD })},
	{"COMPUTED", share(func(s *usageSums) json.Number { return s.ComputedUSD })},
	{"ESTIMATED", share(func(s *usageSums) json.Number { return s.EstimatedUSD })},
}
