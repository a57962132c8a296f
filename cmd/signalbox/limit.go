package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
)

func limitCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "limit", Short: "Set, list and remove budgets and rates of keys, users, projects, teams, organisations, models and providers"}
	a.flags(c)
	c.AddCommand(limitSetCommand(a), limitListCommand(a), limitShowCommand(a), limitRemoveCommand(a))
	return c
}

// limitPath is where the limits of a scope are.
func limitPath(scope string) (string, error) {
	kind, name, ok := strings.Cut(scope, "/")
	if !ok || kind == "" || name == "" {
		return "", hint(fmt.Errorf("cannot read the scope %q", scope), "write kind/name, such as team/core; kinds are %s", strings.Join(call.ScopeKinds, ", "))
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/admin/limits/" + url.PathEscape(kind) + "/" + strings.Join(parts, "/"), nil
}

// scopeRow are the limits of one scope as the gateway lists them.
type scopeRow struct {
	Scope, Source, Problem string
	Limits                 []call.Limit
	Revision               int64
	Changed                time.Time
}

func limitSetCommand(a *access) *cobra.Command {
	var form limitForm
	c := shown(&cobra.Command{
		Use:     "set SCOPE",
		Short:   "Replace the limits that a scope has in the store",
		Args:    exactly(1, "a scope, such as team/core"),
		Example: "  signalbox limit set team/core --budget 50/day --budget 500/month@Europe/Berlin --rate 60/minute --rate 100000tokens/minute --concurrent 8",
		RunE: func(c *cobra.Command, args []string) error {
			path, err := limitPath(args[0])
			if err != nil {
				return err
			}
			budgets, rates, err := form.limits()
			if err != nil {
				return err
			}
			all := append(budgets, rates...)
			if len(all) == 0 {
				return hint(errors.New("nothing is to be limited"), "give --budget, --rate or --concurrent; to have no limits, signalbox limit remove %s", args[0])
			}
			var row scopeRow
			return a.ask(c, asked{http.MethodPut, path, map[string]any{"limits": all}}, &row, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: %s\n", row.Scope, limitsText(row.Limits))
				return err
			})
		},
	})
	form.flags(c)
	return c
}

func limitListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "list",
		Short:   "List all limits of scopes, of the configuration and of the store",
		Args:    cobra.NoArgs,
		Example: "  signalbox limit list",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Limits []scopeRow }
			return a.show(c, "/admin/limits", &answer, func(w io.Writer) error { return printScopes(w, answer.Limits) })
		},
	})
}

func printScopes(w io.Writer, rows []scopeRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCOPE\tSOURCE\tKIND\tLIMIT\tCHANGED\tPROBLEM")
	for _, row := range rows {
		for i := range row.Limits {
			l := &row.Limits[i]
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Scope, row.Source, kindText(l), flagText(l), day(row.Changed), dash(row.Problem))
		}
	}
	return t.Flush()
}

// appliedRow is one limit that holds for a scope.
type appliedRow struct {
	Scope, Source string
	Holds         bool
	Limit         call.Limit
}

func limitShowCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "show SCOPE",
		Short:   "Show all limits that apply to a key or another scope, and where each comes from",
		Args:    exactly(1, "a scope, such as key/ci or team/core"),
		Example: "  signalbox limit show key/ci",
		RunE: func(c *cobra.Command, args []string) error {
			path, err := limitPath(args[0])
			if err != nil {
				return err
			}
			var answer struct {
				Scope   string
				Applies []appliedRow
			}
			return a.show(c, path, &answer, func(w io.Writer) error { return printApplied(w, answer.Scope, answer.Applies) })
		},
	})
}

func printApplied(w io.Writer, scope string, rows []appliedRow) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintf(w, "nothing limits %s beside policy\n", scope)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCOPE\tSOURCE\tKIND\tLIMIT\tHOLDS")
	for i := range rows {
		r := &rows[i]
		holds := "yes"
		if !r.Holds {
			holds = "a stricter one does"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Scope, r.Source, kindText(&r.Limit), flagText(&r.Limit), holds)
	}
	return t.Flush()
}

func limitRemoveCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "remove SCOPE",
		Short:   "Remove the limits that a scope has in the store",
		Example: "  signalbox limit remove team/core",
		Args:    exactly(1, "a scope, such as team/core"),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := limitPath(args[0])
			if err != nil {
				return err
			}
			var answer struct{ Removed string }
			return a.ask(c, asked{http.MethodDelete, path, nil}, &answer, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: no limits of its own in the store\n", answer.Removed)
				return err
			})
		},
	})
}
