package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func cacheCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "cache", Short: "Show what the cache keeps and has saved, and purge it"}
	a.flags(c)
	c.AddCommand(cacheShowCommand(a), cachePurgeCommand(a))
	return c
}

// cacheFigures are what the gateway says of its cache.
type cacheFigures struct {
	Exact, Semantic bool
	Hits, Misses    int64
	SavedUSD        float64 `json:"saved_usd"`
	Memory          cachePlace
	Beyond          *cachePlace
	Rows            []cacheRow
}

type cachePlace struct {
	Kind           string
	Entries, Bytes int64
	Limit          int64 `json:"max_bytes"`
	Meanings       int64
}

type cacheRow struct {
	Tenant, Model                     string
	Exact, Semantic, Misses, Bypassed int64
	SavedUSD                          float64 `json:"saved_usd"`
}

func cacheShowCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "show",
		Short:   "Show what the cache keeps, how often it has answered, and what that has saved, by tenant and model",
		Args:    cobra.NoArgs,
		Example: "  signalbox cache show",
		RunE: func(c *cobra.Command, _ []string) error {
			var f cacheFigures
			return a.show(c, "/admin/cache", &f, func(w io.Writer) error { return printCache(w, &f) })
		},
	})
}

func printCache(w io.Writer, f *cacheFigures) error {
	if !f.Exact && !f.Semantic {
		_, err := fmt.Fprintln(w, "there is no cache: turn it on with cache: {exact: {}}")
		return err
	}
	for _, p := range []*cachePlace{&f.Memory, f.Beyond} {
		if p == nil {
			continue
		}
		fmt.Fprintf(w, "%s: %d answers, %d bytes", p.Kind, p.Entries, p.Bytes)
		if p.Limit > 0 {
			fmt.Fprintf(w, " of %d", p.Limit)
		}
		if p.Meanings > 0 {
			fmt.Fprintf(w, ", %d meanings", p.Meanings)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d hits, %d misses, %s USD saved\n", f.Hits, f.Misses, dollarText(f.SavedUSD))
	if len(f.Rows) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TENANT\tMODEL\tEXACT\tSEMANTIC\tMISSES\tBYPASSED\tSAVED USD")
	for _, r := range f.Rows {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%s\n", r.Tenant, r.Model, r.Exact, r.Semantic, r.Misses, r.Bypassed, dollarText(r.SavedUSD))
	}
	return t.Flush()
}

func dollarText(d float64) string { return dollars(int64(d*1e9 + .5)) }

func cachePurgeCommand(a *access) *cobra.Command {
	var tenant, model, key string
	var all bool
	c := shown(&cobra.Command{
		Use:     "purge",
		Short:   "Forget kept answers: of a tenant, of a model, of one key, or all",
		Args:    cobra.NoArgs,
		Example: "  signalbox cache purge --model fast\n  signalbox cache purge --all",
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{}
			for name, v := range map[string]string{"tenant": tenant, "model": model, "key": key} {
				if v != "" {
					q.Set(name, v)
				}
			}
			switch {
			case all && len(q) > 0:
				return hint(errors.New("--all and what picks answers exclude each other"), "leave out one of them")
			case all:
				q.Set("all", "true")
			case len(q) == 0:
				return hint(errors.New("nothing is to be purged"), "give --tenant, --model or --key, or --all")
			}
			var done struct{ Purged int64 }
			return a.ask(c, asked{http.MethodDelete, "/admin/cache?" + q.Encode(), nil}, &done, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%d answers are forgotten\n", done.Purged)
				return err
			})
		},
	})
	f := c.Flags()
	f.StringVar(&tenant, "tenant", "", "whose answers, as signalbox cache show names them")
	f.StringVar(&model, "model", "", "of the model that was asked for")
	f.StringVar(&key, "key", "", "the one under this key")
	f.BoolVar(&all, "all", false, "everything")
	return c
}
