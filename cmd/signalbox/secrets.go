package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func secretsCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "secrets", Short: "Look at and change the keys under which the store keeps secrets"}
	a.flags(c)
	c.AddCommand(secretsListCommand(a), secretsRekeyCommand(a))
	return c
}

// dataKeys is the answer of GET /admin/secrets.
type dataKeys struct {
	Key     string
	Classes []struct {
		Class string
		Keys  int      `json:"data_keys"`
		KEKs  []string `json:"wrapped_under"`
		Since time.Time
	}
}

func secretsListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "list",
		Short:   "List the data keys, and which key wraps them",
		Args:    cobra.NoArgs,
		Example: "  signalbox secrets list",
		RunE: func(c *cobra.Command, _ []string) error {
			var k dataKeys
			return a.show(c, "/admin/secrets", &k, k.print)
		},
	})
}

func (d *dataKeys) print(w io.Writer) error {
	fmt.Fprintln(w, "in use:", d.Key)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLASS\tDATA KEYS\tWRAPPED UNDER\tSINCE")
	for _, k := range d.Classes {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", k.Class, k.Keys, strings.Join(k.KEKs, " "), clock(k.Since))
	}
	return t.Flush()
}

func secretsRekeyCommand(a *access) *cobra.Command {
	var data bool
	c := shown(&cobra.Command{
		Use:   "rekey",
		Short: "Wrap all data keys under the key that the configuration names now",
		Long: "Wrap all data keys under the key that the configuration names now, while gateways run. Before it, give every\n" +
			"gateway the new key as secrets.key, or secrets.kms, and the old one in secrets.previous; after it, the old one\n" +
			"may go. Whatever ends it early, it may be run again.",
		Example: "  signalbox secrets rekey\n  signalbox secrets rekey --data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var r struct {
				Key                      string
				Wrapped, Sealed, Retired int
			}
			return a.ask(c, asked{http.MethodPost, "/admin/secrets/rekey", map[string]bool{"data": data}}, &r, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%d data keys are wrapped under %s\n", r.Wrapped, r.Key)
				if err == nil && data {
					_, err = fmt.Fprintf(w, "%d secrets were sealed anew, %d retired data keys stay until the next run after an hour\n", r.Sealed, r.Retired)
				}
				return err
			})
		},
	})
	c.Flags().BoolVar(&data, "data", false, "make new data keys, too, and seal all secrets anew under them")
	return c
}
