package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/policy"
)

// impactRequest is the body of POST /admin/policy/impact.
type impactRequest struct {
	Bundle []byte    `json:"bundle,omitempty"`
	Since  time.Time `json:"since"`
}

func policyImpactCommand(a *access) *cobra.Command {
	var since string
	c := &cobra.Command{
		Use:   "impact [BUNDLE]",
		Short: "Show which of the requests that were kept a bundle would refuse, and which limits they would hit",
		Long: "Show which of the requests that were kept a bundle would refuse, and which limits they would hit.\n" +
			"BUNDLE is a folder or .tar.gz; without one it is the shadow bundle, or else the one that decides.\n" +
			"Which decisions are kept, decisions.sample, decisions.per_second and decisions.max say.",
		Example: "  signalbox policy impact ./policies --since 24h",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			var q impactRequest
			if q.Since, err = parseSince("since", since, time.Now()); err != nil {
				return err
			}
			if len(args) == 1 {
				if q.Bundle, err = policy.Pack(args[0]); err != nil {
					return err
				}
			}
			var r impactAnswer
			return a.ask(c, asked{http.MethodPost, "/admin/policy/impact", q}, &r, r.print)
		},
	}
	c.Flags().StringVar(&since, "since", "24h", "from when on: "+sinceUsage)
	return shown(c)
}

// impactAnswer is what POST /admin/policy/impact answers.
type impactAnswer struct {
	Revision, Deciding    string
	Since                 time.Time
	Requests, Kept, Tried int64
	Changes               map[string]int64
	Denied                []struct {
		Key, Team, Model, Code string
		Requests               int64
		Cost                   nanoUSD `json:"cost_nano_usd"`
	}
	Limits []struct {
		Limit   call.Limit
		Refused int64
		First   time.Time
		Cost    nanoUSD `json:"cost_nano_usd"`
	}
	Latest []policyChange
	Notes  []string
}

// policyChange is a request that another bundle would decide differently.
type policyChange struct {
	Request, Change string
	Codes, Terms    []string
}

// changeTexts are the changes as people read them, the gravest first.
var changeTexts = []struct{ change, text string }{
	{string(policy.ChangeDenied), "would be refused"},
	{string(policy.ChangeFailed), "would be refused, as the bundle fails"},
	{string(policy.ChangeAllowed), "would be allowed"},
	{string(policy.ChangeTerms), "would have other terms"},
	{string(policy.ChangeReasons), "would be refused for other reasons"},
	{string(policy.ChangeNone), "the same"},
}

func (r *impactAnswer) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "bundle\t%s (%s decides now)\n", r.Revision, r.Deciding)
	fmt.Fprintf(w, "since\t%s\n", r.Since.Format(time.DateTime))
	fmt.Fprintf(w, "requests\t%d, of which %d were kept and %d tried\n", r.Requests, r.Kept, r.Tried)
	printChanges(w, r.Changes)
	if len(r.Denied) > 0 {
		fmt.Fprintln(w, "\nKEY\tTEAM\tMODEL\tREFUSED WITH\tREQUESTS\tUSD")
		for _, d := range r.Denied {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", dash(d.Key), dash(d.Team), dash(d.Model), d.Code, d.Requests, d.Cost)
		}
	}
	if len(r.Limits) > 0 {
		fmt.Fprintln(w, "\nLIMIT\tREFUSES\tFIRST\tUSD")
		for _, l := range r.Limits {
			text, err := json.Marshal(l.Limit)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", text, l.Refused, l.First.Format(time.DateTime), l.Cost)
		}
	}
	printLatest(w, r.Latest)
	for _, n := range r.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", n)
	}
	return w.Flush()
}

func printChanges[N int64 | uint64](w io.Writer, changes map[string]N) {
	for _, c := range changeTexts {
		if n := changes[c.change]; n > 0 || c.change == string(policy.ChangeDenied) {
			fmt.Fprintf(w, "%s\t%d\n", c.text, n)
		}
	}
}

func printLatest(w io.Writer, latest []policyChange) {
	if len(latest) == 0 {
		return
	}
	fmt.Fprintln(w, "\nREQUEST\tCHANGE\tWHAT")
	for _, c := range latest {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Request, c.Change, words(append(c.Codes, c.Terms...)...))
	}
}
