package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func adminCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "admin", Short: "Manage who may use the admin API, and with which role",
		Long: "Manage who may use the admin API, and with which role:\n" +
			"  viewer         sees everything but secrets\n" +
			"  policy_author  sees, and changes policy\n" +
			"  operator       runs the gateway: adapters, modules, reloads, limits\n" +
			"  owner          does everything: keys, credentials and administrators too"}
	a.flags(c)
	c.AddCommand(adminCreateCommand(a), adminListCommand(a), adminRotateCommand(a), adminRevokeCommand(a), adminWhoamiCommand(a))
	return c
}

// madeToken is a key or token that the gateway has made.
type madeToken struct {
	ID, Name, Token string
	PreviousUntil   time.Time `json:"previous_until"`
}

func adminCreateCommand(a *access) *cobra.Command {
	var role, expires string
	c := shown(&cobra.Command{
		Use: "create NAME --role ROLE", Short: "Let somebody in; the token is shown once", Args: exactly(1, "a name"),
		Example: "  signalbox admin create ann --role operator --expires 365d",
		RunE: func(c *cobra.Command, args []string) error {
			until, err := parseExpiry(expires, time.Now())
			if err != nil {
				return err
			}
			body := map[string]any{"name": args[0], "role": role}
			if !until.IsZero() {
				body["expires"] = until
			}
			return a.issue(c, asked{http.MethodPost, "/admin/admins", body}, "token of administrator")
		},
	})
	c.Flags().StringVar(&role, "role", "", "viewer, policy_author, operator or owner")
	c.Flags().StringVar(&expires, "expires", "", expiresUsage)
	_ = c.MarkFlagRequired("role") // it is there
	return c
}

func adminRotateCommand(a *access) *cobra.Command {
	var overlap span
	c := shown(&cobra.Command{
		Use: "rotate NAME", Short: "Give an administrator a new token, shown once", Args: exactly(1, "a name"),
		Example: "  signalbox admin rotate ann --overlap 1h",
		RunE: func(c *cobra.Command, args []string) error {
			path, body := "/admin/admins/"+url.PathEscape(args[0])+"/rotate", map[string]any{"overlap": time.Duration(overlap).String()}
			return a.issue(c, asked{http.MethodPost, path, body}, "token of administrator")
		},
	})
	c.Flags().Var(&overlap, "overlap", "for how long the token before it counts, as in 7d or 12h (default: it ends at once)")
	return c
}

// issue asks for a token. It alone goes to the standard output, so that it can
// be kept in a file.
func (a *access) issue(c *cobra.Command, q asked, what string) error {
	var made madeToken
	return a.ask(c, q, &made, func(w io.Writer) error {
		fmt.Fprintf(c.ErrOrStderr(), "%s %s (%s), shown this once%s:\n", what, made.Name, made.ID, made.before())
		_, err := fmt.Fprintln(w, made.Token)
		return err
	})
}

type adminRow struct {
	Name, Role, Source, ID string
	Expires, Used          time.Time
}

func adminListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "list", Short: "List administrators, without their tokens", Args: cobra.NoArgs,
		Example: "  signalbox admin list",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Admins []adminRow }
			return a.show(c, "/admin/admins", &answer, func(w io.Writer) error { return printAdmins(w, answer.Admins, time.Now()) })
		},
	})
}

func printAdmins(w io.Writer, rows []adminRow, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tROLE\tID\tSOURCE\tEXPIRES\tUSED")
	for _, r := range rows {
		state := day(r.Expires)
		if !r.Expires.IsZero() && r.Expires.Before(now) {
			state = "expired"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Role, dash(r.ID), r.Source, state, clock(r.Used))
	}
	return t.Flush()
}

func adminRevokeCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "revoke NAME", Short: "End an administrator's token at once, on every node", Args: exactly(1, "a name"),
		Example: "  signalbox admin revoke ann",
		RunE: func(c *cobra.Command, args []string) error {
			return a.change(c, http.MethodDelete, "/admin/admins/"+url.PathEscape(args[0]), nil)
		},
	})
}

func adminWhoamiCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use: "whoami", Short: "Tell whose token is used, and which role it has", Args: cobra.NoArgs,
		Example: "  signalbox admin whoami --address gateway.internal:8081",
		RunE: func(c *cobra.Command, _ []string) error {
			var who struct{ Name, Role string }
			return a.show(c, "/admin/whoami", &who, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s is %s\n", who.Name, who.Role)
				return err
			})
		},
	})
}
