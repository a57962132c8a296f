package main

import (
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

func keyCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "key", Short: "Create, list, change, rotate and revoke virtual keys of the running gateway"}
	a.flags(c)
	c.AddCommand(keyCreateCommand(a), keyListCommand(a), keyShowCommand(a), keyUpdateCommand(a), keyRotateCommand(a), keyRevokeCommand(a))
	return c
}

// newKey is the body of POST /admin/keys.
type newKey struct {
	Name    string            `json:"name"`
	Org     string            `json:"org,omitempty"`
	Project string            `json:"project,omitempty"`
	Team    string            `json:"team,omitempty"`
	User    string            `json:"user,omitempty"`
	Env     string            `json:"env,omitempty"`
	Roles   []string          `json:"roles,omitempty"`
	Attrs   map[string]string `json:"attrs,omitempty"`
	Budgets []call.Limit      `json:"budgets,omitempty"`
	Rates   []call.Limit      `json:"rates,omitempty"`
	Scope   *call.Scope       `json:"scope,omitempty"`
	Expires time.Time         `json:"expires,omitzero"`
}

func keyCreateCommand(a *access) *cobra.Command {
	var form keyForm
	c := shown(&cobra.Command{
		Use:     "create NAME",
		Short:   "Make a key; its secret is shown once",
		Args:    exactly(1, "a name for the key"),
		Example: "  signalbox key create ci --team core --budget 5/day --budget 100/month@Europe/Berlin --rate 60/minute --concurrent 4 --expires 90d",
		RunE: func(c *cobra.Command, args []string) error {
			k, err := form.key(args[0])
			if err != nil {
				return err
			}
			return a.issue(c, asked{http.MethodPost, "/admin/keys", k}, "key")
		},
	})
	form.flags(c)
	return c
}

// keyRow is a key as the gateway lists it.
type keyRow struct {
	ID, Name, Source, Org, Project, Team, User, Env string
	Roles                                           []string
	Attrs                                           map[string]string
	Budgets, Rates                                  []call.Limit
	Scope                                           *call.Scope
	Created, Expires, Revoked, Rotated, Used        time.Time
	PreviousUntil                                   time.Time `json:"previous_until"`
	Refused                                         string
}

// state is how the key fares, in a word or two.
func (k *keyRow) state() string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked " + day(k.Revoked)
	case !k.Expires.IsZero() && k.Expires.Before(time.Now()):
		return "expired"
	case k.Refused != "":
		return "refused"
	case !k.PreviousUntil.IsZero():
		return "rotating"
	}
	return "live"
}

func keyListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "list",
		Short:   "List all keys, without their secrets",
		Args:    cobra.NoArgs,
		Example: "  signalbox key list --json | jq -r '.keys[].name'",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Keys []keyRow }
			return a.show(c, "/admin/keys", &answer, func(w io.Writer) error { return printKeys(w, answer.Keys) })
		},
	})
}

func printKeys(w io.Writer, keys []keyRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tID\tSOURCE\tTEAM\tBUDGETS\tEXPIRES\tUSED\tSTATE")
	for _, k := range keys {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.ID, k.Source, dash(k.Team), dash(limitsText(append(k.Budgets, k.Rates...))), day(k.Expires), day(k.Used), k.state())
	}
	return t.Flush()
}

func keyRevokeCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "revoke NAME|ID",
		Short:   "End a key at once",
		Args:    exactly(1, "the name or id of the key"),
		Example: "  signalbox key revoke ci",
		RunE: func(c *cobra.Command, args []string) error {
			return a.change(c, http.MethodDelete, "/admin/keys/"+url.PathEscape(args[0]), nil)
		},
	})
}

// exactly asks for n arguments and names what is missing.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return hint(fmt.Errorf("%s needs %s", strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" "), what), "see %s --help", c.CommandPath())
		}
		return nil
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
