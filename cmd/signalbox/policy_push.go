package main

import (
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/policy"
)

// bundleRow is a version of the bundle in the store, as the gateway tells it.
type bundleRow struct {
	Version  int
	Revision string
	Size     int
	By, Why  string
	At       time.Time
	Active   bool
	Serving  bool
}

func policyPushCommand(a *access) *cobra.Command {
	var why string
	c := shown(&cobra.Command{
		Use:   "push BUNDLE",
		Short: "Keep a bundle in the store and take it into use on every gateway",
		Long: "Keep a bundle, a folder or .tar.gz, in the store and take it into use on every gateway whose configuration\n" +
			"has policy: {bundle: \"store:\"}. The gateway checks it first, its own tests included, and refuses it if\n" +
			"anything is wrong: what decided before it goes on deciding.",
		Example: "  signalbox policy push ./policies --why \"eu models for the lab\"",
		Args:    exactly(1, "a folder or .tar.gz"),
		RunE: func(c *cobra.Command, args []string) error {
			body := struct {
				Bundle []byte `json:"bundle"`
				Why    string `json:"why"`
			}{Why: why}
			var err error
			if body.Bundle, err = policy.Pack(args[0]); err != nil {
				return err
			}
			return a.changePolicy(c, "/admin/policy/bundles", body)
		},
	})
	c.Flags().StringVar(&why, "why", "", "a reason, for the history")
	return c
}

func policyRollbackCommand(a *access) *cobra.Command {
	var body struct {
		Version int    `json:"version"`
		Why     string `json:"why"`
	}
	c := shown(&cobra.Command{
		Use:     "rollback",
		Short:   "Take an earlier version of the bundle in the store into use",
		Example: "  signalbox policy rollback\n  signalbox policy rollback --to 3 --why \"denied the batch jobs\"",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.changePolicy(c, "/admin/policy/rollback", body)
		},
	})
	c.Flags().IntVar(&body.Version, "to", 0, "number of the version; left out: the one that decided before")
	c.Flags().StringVar(&body.Why, "why", "", "a reason, for the history")
	return c
}

func (a *access) changePolicy(c *cobra.Command, path string, body any) error {
	var v bundleRow
	return a.ask(c, asked{http.MethodPost, path, body}, &v, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "version %d (%s) is active\n", v.Version, v.Revision)
		if !v.Serving {
			fmt.Fprintln(c.ErrOrStderr(), `but this gateway does not decide by it: its configuration needs policy: {bundle: "store:"}`)
		}
		return err
	})
}

func policyListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "list",
		Short:   "List the versions of the bundle in the store",
		Args:    cobra.NoArgs,
		Example: "  signalbox policy list",
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Versions []bundleRow }
			return a.show(c, "/admin/policy/bundles", &answer, func(w io.Writer) error { return printVersions(w, answer.Versions) })
		},
	})
}

func printVersions(w io.Writer, rows []bundleRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VERSION\tREVISION\tBYTES\tSTATE\tPUSHED\tBY\tWHY")
	for _, v := range rows {
		state := "kept"
		if v.Active {
			state = "active"
		}
		fmt.Fprintf(t, "%d\t%s\t%d\t%s\t%s\t%s\t%s\n", v.Version, v.Revision, v.Size, state, clock(v.At), v.By, dash(v.Why))
	}
	return t.Flush()
}

// policyEvents is the answer of GET /admin/policy/history.
type policyEvents struct {
	History []struct {
		What    string
		Version int
		By, Why string
		At      time.Time
	}
}

func policyHistoryCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "history",
		Short:   "Show who has pushed and rolled back the bundle in the store, newest first",
		Args:    cobra.NoArgs,
		Example: "  signalbox policy history",
		RunE: func(c *cobra.Command, _ []string) error {
			var h policyEvents
			return a.show(c, "/admin/policy/history", &h, h.print)
		},
	})
}

func (h *policyEvents) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TIME\tWHAT\tVERSION\tBY\tWHY")
	for _, e := range h.History {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", second(e.At), e.What, e.Version, e.By, dash(e.Why))
	}
	return t.Flush()
}

// policyState is what the gateway tells of the policy that decides.
type policyState struct {
	Revision, Source, Error string
	Since                   time.Time
	Kept                    bool
	Sources                 []struct {
		Name, Error string
		Revision    string    `json:"active_revision"`
		Activated   time.Time `json:"last_successful_activation"`
		Asked       time.Time `json:"last_request"`
	}
	Units []struct {
		Name         string
		Cached       bool
		Hits, Misses uint64
		Errors       uint64
	}
}

func policyStatusCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "status",
		Short:   "Show which bundles decide, where they come from and what is wrong with new ones",
		Args:    cobra.NoArgs,
		Example: "  signalbox policy status",
		RunE: func(c *cobra.Command, _ []string) error {
			var s policyState
			return a.show(c, "/admin/policy", &s, s.print)
		},
	})
}

func (s *policyState) print(w io.Writer) error {
	fmt.Fprintf(w, "revision  %s since %s\nsource    %s\n", s.Revision, second(s.Since), s.Source)
	if s.Kept {
		fmt.Fprintln(w, "kept      what was accepted last stands in for the configured bundle")
	}
	if s.Error != "" {
		fmt.Fprintf(w, "error     %s\n", s.Error)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(s.Sources) > 0 {
		fmt.Fprintln(t, "\nBUNDLE\tREVISION\tASKED\tERROR")
		for _, b := range s.Sources {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", b.Name, dash(b.Revision), second(b.Asked), dash(b.Error))
		}
	}
	fmt.Fprintln(t, "\nUNIT\tREMEMBERED\tHITS\tMISSES\tERRORS")
	for _, u := range s.Units {
		fmt.Fprintf(t, "%s\t%v\t%d\t%d\t%d\n", u.Name, u.Cached, u.Hits, u.Misses, u.Errors)
	}
	return t.Flush()
}
