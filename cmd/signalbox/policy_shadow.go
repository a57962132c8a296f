package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/policy"
)

func policyShadowCommand(a *access) *cobra.Command {
	var share string
	var off bool
	c := &cobra.Command{
		Use:   "shadow [BUNDLE]",
		Short: "Ask a bundle beside the one that decides, and show how the two differ",
		Long: "Ask a bundle, a folder or .tar.gz, about the requests that another decides, and show how the two differ.\n" +
			"It changes nothing for callers. Without BUNDLE show what has been found so far. One that is set here is\n" +
			"forgotten at the next start: policy.shadow of the configuration is not.",
		Example: "  signalbox policy shadow ./policies --share 10%\n  signalbox policy shadow\n  signalbox policy shadow --off",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && c.Flags().Changed("share") {
				return hint(errors.New("cannot take a share of no bundle"), "name the bundle, as in signalbox policy shadow ./policies --share %s", share)
			}
			if off {
				if err := a.tell(c, asked{http.MethodDelete, "/admin/policy/shadow", nil}, &struct{ Ended bool }{}); err != nil {
					return err
				}
			}
			var r shadowAnswer
			if len(args) == 0 {
				return a.show(c, "/admin/policy/shadow", &r, r.print)
			}
			body, err := shadowBody(args[0], share)
			if err != nil {
				return err
			}
			return a.ask(c, asked{http.MethodPut, "/admin/policy/shadow", body}, &r, r.print)
		},
	}
	c.Flags().StringVar(&share, "share", "100%", "of the requests")
	c.Flags().BoolVar(&off, "off", false, "end what was set here")
	return shown(c)
}

// shadowBody is the body of PUT /admin/policy/shadow.
func shadowBody(path, share string) (body struct {
	Bundle []byte  `json:"bundle"`
	Share  float64 `json:"share"`
}, err error) {
	if body.Share, err = parseShare(share); err == nil {
		body.Bundle, err = policy.Pack(path)
	}
	return body, err
}

// shadowAnswer is what GET /admin/policy/shadow answers.
type shadowAnswer struct {
	Active                bool
	Revision, Deciding    string
	Since                 time.Time
	Seen, Dropped         uint64
	TooLarge              uint64 `json:"too_large"`
	Changes, Codes, Units map[string]uint64
	Terms                 map[string]uint64
	Latest                []policyChange
	DryRun                []struct {
		Unit, Code string
		Requests   uint64
	} `json:"dry_run"`
}

func (r *shadowAnswer) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if r.Active {
		fmt.Fprintf(w, "shadow\t%s (%s decides)\n", r.Revision, r.Deciding)
		fmt.Fprintf(w, "since\t%s\n", r.Since.Format(time.DateTime))
		fmt.Fprintf(w, "requests\t%d seen, %d left out\n", r.Seen, r.Dropped+r.TooLarge)
		printChanges(w, r.Changes)
	} else {
		fmt.Fprintf(w, "there is no shadow: %s decides alone\n", r.Deciding)
	}
	counts := func(title string, m map[string]uint64) {
		if len(m) > 0 {
			fmt.Fprintf(w, "\n%s\tREQUESTS\n", title)
		}
		for _, name := range sorted(m) {
			fmt.Fprintf(w, "%s\t%d\n", name, m[name])
		}
	}
	counts("REFUSED WITH", r.Codes)
	counts("BY UNIT", r.Units)
	counts("TERMS", r.Terms)
	printLatest(w, r.Latest)
	if len(r.DryRun) > 0 {
		fmt.Fprintln(w, "\nDRY RUN OF UNIT\tWOULD REFUSE WITH\tREQUESTS")
	}
	for _, d := range r.DryRun {
		fmt.Fprintf(w, "%s\t%s\t%d\n", d.Unit, d.Code, d.Requests)
	}
	return w.Flush()
}
