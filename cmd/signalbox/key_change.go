package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func keyShowCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "show NAME|ID",
		Short:   "Show all of a key but its secret",
		Args:    exactly(1, "the name or id of the key"),
		Example: "  signalbox key show ci",
		RunE: func(c *cobra.Command, args []string) error {
			var k keyRow
			return a.show(c, "/admin/keys/"+url.PathEscape(args[0]), &k, k.print)
		},
	})
}

func (k *keyRow) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" && value != "-" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	line("name", k.Name)
	line("id", k.ID)
	line("source", k.Source)
	line("state", k.state())
	line("refused", k.Refused)
	line("org", k.Org)
	line("project", k.Project)
	line("team", k.Team)
	line("user", k.User)
	line("env", k.Env)
	line("roles", strings.Join(k.Roles, " "))
	line("attrs", pairsText(k.Attrs))
	line("budgets", limitsText(k.Budgets))
	line("rates", limitsText(k.Rates))
	if s := k.Scope; s != nil {
		line("models", strings.Join(s.Models, " "))
		line("operations", strings.Join(s.Operations, " "))
		line("from", strings.Join(s.From, " "))
		line("certificates", strings.Join(s.Certificates, " "))
		line("read-only", map[bool]string{true: "yes"}[s.ReadOnly])
	}
	line("created", clock(k.Created))
	line("expires", clock(k.Expires))
	line("rotated", clock(k.Rotated))
	line("previous until", clock(k.PreviousUntil))
	line("used", clock(k.Used))
	return t.Flush()
}

func pairsText(m map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, name+"="+m[name])
	}
	return strings.Join(list, " ")
}

func keyUpdateCommand(a *access) *cobra.Command {
	var form keyForm
	c := shown(&cobra.Command{
		Use:     "update NAME|ID",
		Short:   "Change what a key is good for, at once and on every node; its secret stays",
		Long:    "Change what a key is good for, at once and on every node; its secret stays.\nWhat no flag names stays; a list is replaced, and taken away by an empty one (--model '').",
		Args:    exactly(1, "the name or id of the key"),
		Example: "  signalbox key update ci --model 'openai/*' --from 10.0.0.0/8 --expires 90d",
		RunE: func(c *cobra.Command, args []string) error {
			change, err := form.change(c.Flags())
			if err != nil {
				return err
			}
			var k keyRow
			return a.ask(c, asked{http.MethodPatch, "/admin/keys/" + url.PathEscape(args[0]), change}, &k, k.print)
		},
	})
	form.flags(c)
	return c
}

func keyRotateCommand(a *access) *cobra.Command {
	overlap := span(24 * time.Hour)
	var now, finish bool
	c := shown(&cobra.Command{
		Use:   "rotate NAME|ID",
		Short: "Give a key a new secret, shown once; the one before it counts for a while",
		Long: "Give a key a new secret, shown once. The one before it counts until the overlap ends.\n" +
			"Of three secrets the oldest ends at once: two count at a time.",
		Args:    exactly(1, "the name or id of the key"),
		Example: "  signalbox key rotate ci --overlap 7d\n  signalbox key rotate ci --finish   # the callers have the new one",
		RunE: func(c *cobra.Command, args []string) error {
			if now {
				overlap = 0
			}
			path := "/admin/keys/" + url.PathEscape(args[0]) + "/rotate"
			if finish {
				var k keyRow
				return a.ask(c, asked{http.MethodPost, path, map[string]any{"finish": true}}, &k, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "key %s has one secret, the last\n", k.Name)
					return err
				})
			}
			return a.issue(c, asked{http.MethodPost, path, map[string]any{"overlap": time.Duration(overlap).String()}}, "new secret of key")
		},
	})
	f := c.Flags()
	f.Var(&overlap, "overlap", "for how long the secret before it counts, as in 7d or 12h")
	f.BoolVar(&now, "now", false, "the secret before it ends at once")
	f.BoolVar(&finish, "finish", false, "make no new secret, but end the one before the last at once")
	c.MarkFlagsMutuallyExclusive("overlap", "now", "finish")
	return c
}

// before is what becomes of the token before, "" where it counts no more.
func (m *madeToken) before() string {
	if m.PreviousUntil.IsZero() {
		return ""
	}
	return "; the one before it counts until " + clock(m.PreviousUntil) + " UTC"
}
