package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
)

func keyCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "key", Short: "Create, list and revoke virtual keys of the running gateway"}
	a.flags(c)
	c.AddCommand(keyCreateCommand(a), keyListCommand(a), keyRevokeCommand(a))
	return c
}

// newKey is the body of POST /admin/keys.
type newKey struct {
	Name    string      `json:"name"`
	Org     string      `json:"org,omitempty"`
	Project string      `json:"project,omitempty"`
	Team    string      `json:"team,omitempty"`
	User    string      `json:"user,omitempty"`
	Env     string      `json:"env,omitempty"`
	Roles   []string    `json:"roles,omitempty"`
	Budgets []keyBudget `json:"budgets,omitempty"`
	Expires time.Time   `json:"expires,omitzero"`
}

type keyBudget struct {
	USD    json.Number `json:"usd"`
	Window any         `json:"window"`
}

func keyCreateCommand(a *access) *cobra.Command {
	var k newKey
	var budgets []string
	var expires string
	c := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a key; its secret is shown once",
		Args:    exactly(1, "a name for the key"),
		Example: "  signalbox key create ci --team core --budget 5/day --budget 100/month@Europe/Berlin --expires 90d",
		RunE: func(c *cobra.Command, args []string) (err error) {
			k.Name = args[0]
			for _, text := range budgets {
				b, err := parseBudget(text)
				if err != nil {
					return err
				}
				k.Budgets = append(k.Budgets, b)
			}
			if k.Expires, err = parseExpiry(expires, time.Now()); err != nil {
				return err
			}
			api, err := a.open()
			if err != nil {
				return err
			}
			var made struct{ ID, Name, Token string }
			if err := api.do(c.Context(), http.MethodPost, "/admin/keys", k, &made); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "key %s (%s), shown this once:\n", made.Name, made.ID)
			fmt.Fprintln(c.OutOrStdout(), made.Token)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&k.Org, "org", "", "organisation that the key belongs to")
	f.StringVar(&k.Project, "project", "", "project")
	f.StringVar(&k.Team, "team", "", "team")
	f.StringVar(&k.User, "user", "", "user")
	f.StringVar(&k.Env, "env", "", "environment, such as prod")
	f.StringSliceVar(&k.Roles, "role", nil, "role (repeatable)")
	f.StringArrayVar(&budgets, "budget", nil, "USD/window, as in 5/day, 20/2week, 100/month@Europe/Berlin (repeatable)")
	f.StringVar(&expires, "expires", "", "90d, 12h, or a time such as 2027-01-31T00:00:00Z")
	return c
}

var budgetForm = regexp.MustCompile(`^([0-9.]+)/([0-9]*)([a-z]+)(?:@(.+))?$`)

// parseBudget reads USD/window[@time zone]; the gateway checks what it means.
func parseBudget(text string) (keyBudget, error) {
	m := budgetForm.FindStringSubmatch(text)
	if m == nil {
		return keyBudget{}, hint(fmt.Errorf("cannot read --budget %q", text), "write USD/window, such as 5/day, 20/2week or 100/month@Europe/Berlin")
	}
	if _, err := call.ParseUSD(m[1]); err != nil {
		return keyBudget{}, fmt.Errorf("cannot read --budget %q: %w", text, err)
	}
	window := map[string]any{"unit": m[3]}
	if n, err := strconv.Atoi(m[2]); err == nil {
		window["size"] = n
	}
	if m[4] != "" {
		window["tz"] = m[4]
	}
	return keyBudget{USD: json.Number(m[1]), Window: window}, nil
}

func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return now.AddDate(0, 0, n).UTC().Truncate(time.Second), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, hint(fmt.Errorf("cannot read --expires %q", text), "write 90d, 12h, or a time such as 2027-01-31T00:00:00Z")
	}
	return t, nil
}

// keyRow is a key as the gateway lists it.
type keyRow struct {
	ID, Name, Source, Team    string
	Budgets                   []keyBudget
	Created, Expires, Revoked time.Time
}

func keyListCommand(a *access) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all keys, without their secrets",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			var answer struct{ Keys []keyRow }
			if err := api.do(c.Context(), http.MethodGet, "/admin/keys", nil, &answer); err != nil {
				return err
			}
			return printKeys(c.OutOrStdout(), answer.Keys)
		},
	}
}

func printKeys(w io.Writer, keys []keyRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tID\tSOURCE\tTEAM\tBUDGETS\tEXPIRES\tSTATE")
	for _, k := range keys {
		state := "live"
		switch {
		case !k.Revoked.IsZero():
			state = "revoked " + day(k.Revoked)
		case !k.Expires.IsZero() && k.Expires.Before(time.Now()):
			state = "expired"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.ID, k.Source, dash(k.Team), dash(budgetsText(k.Budgets)), day(k.Expires), state)
	}
	return t.Flush()
}

func budgetsText(budgets []keyBudget) string {
	var list []string
	for _, b := range budgets {
		window := fmt.Sprint(b.Window)
		if m, ok := b.Window.(map[string]any); ok {
			window = fmt.Sprint(m["unit"])
			if n, ok := m["size"].(float64); ok && n > 1 {
				window = fmt.Sprintf("%.0f%s", n, window)
			}
			if tz, ok := m["tz"].(string); ok {
				window += "@" + tz
			}
		}
		list = append(list, fmt.Sprintf("%s/%s", b.USD, window))
	}
	return strings.Join(list, " ")
}

func keyRevokeCommand(a *access) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME|ID",
		Short: "End a key at once",
		Args:  exactly(1, "the name or id of the key"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			var answer struct{ Revoked string }
			if err := api.do(c.Context(), http.MethodDelete, "/admin/keys/"+url.PathEscape(args[0]), nil, &answer); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "revoked %s\n", answer.Revoked)
			return nil
		},
	}
}

// exactly asks for n arguments and names what is missing.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return hint(fmt.Errorf("%s needs %s", c.CommandPath(), what), "see %s --help", c.CommandPath())
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

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}
