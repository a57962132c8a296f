package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/audit"
)

func auditCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "audit", Short: "Read and verify the log of who did what to the gateway"}
	a.flags(c)
	c.AddCommand(auditListCommand(a), auditShowCommand(a), auditExportCommand(a), auditVerifyCommand(a))
	return c
}

// auditQuery are the flags that select entries.
type auditQuery struct{ since, until, who, what, outcome string }

func (q *auditQuery) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&q.since, "since", "", "from when on: "+sinceUsage)
	f.StringVar(&q.until, "until", "", "until when: the same")
	f.StringVar(&q.who, "who", "", "part of the name of who did it")
	f.StringVar(&q.what, "what", "", "part of the action, or of what it was done to")
	f.StringVar(&q.outcome, "outcome", "", "begun, done, refused or failed")
}

func (q *auditQuery) values(now time.Time) (url.Values, error) {
	if q.outcome != "" && !slices.Contains([]string{"begun", "done", "refused", "failed"}, q.outcome) {
		return nil, hint(fmt.Errorf("cannot read --outcome %q", q.outcome), "give begun, done, refused or failed")
	}
	v := url.Values{}
	for name, text := range map[string]string{"who": q.who, "what": q.what, "outcome": q.outcome} {
		if text != "" {
			v.Set(name, text)
		}
	}
	for name, text := range map[string]string{"since": q.since, "until": q.until} {
		if text == "" {
			continue
		}
		t, err := parseSince(name, text, now)
		if err != nil {
			return nil, err
		}
		v.Set(name, t.UTC().Format(time.RFC3339))
	}
	return v, nil
}

// entries asks for entries, as they are hashed.
func (a *access) entries(ctx context.Context, v url.Values) ([]json.RawMessage, error) {
	api, err := a.open()
	if err != nil {
		return nil, err
	}
	var answer struct{ Entries []json.RawMessage }
	err = api.do(ctx, http.MethodGet, "/admin/audit?"+v.Encode(), nil, &answer)
	return answer.Entries, err
}

func auditListCommand(a *access) *cobra.Command {
	var q auditQuery
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the latest entries",
		Args:    cobra.NoArgs,
		Example: "  signalbox audit list --since 7d --who ann --what keys",
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := q.values(time.Now())
			if err != nil {
				return err
			}
			if limit < 1 || limit > 1000 {
				return hint(fmt.Errorf("cannot list %d entries", limit), "give --limit 1 to 1000; signalbox audit export writes all")
			}
			v.Set("most", strconv.Itoa(limit))
			list, err := a.entries(c.Context(), v)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printLines(c.OutOrStdout(), list)
			}
			return printEntries(c.OutOrStdout(), list)
		},
	}
	q.flags(c)
	c.Flags().IntVar(&limit, "limit", 100, "at most so many, 1 to 1000")
	c.Flags().BoolVar(&asJSON, "json", false, "one entry a line, as they are hashed")
	return c
}

func printLines(w io.Writer, list []json.RawMessage) error {
	for _, e := range list {
		if _, err := fmt.Fprintf(w, "%s\n", e); err != nil {
			return err
		}
	}
	return nil
}

func printEntries(w io.Writer, list []json.RawMessage) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ENTRY\tTIME\tWHO\tROLE\tACTION\tON\tOUTCOME")
	for _, raw := range list {
		var e audit.Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("cannot read an entry: %w", err)
		}
		outcome := e.Outcome
		if e.Code != "" {
			outcome += " " + e.Code
		}
		if e.Of != 0 {
			outcome += fmt.Sprintf(" (of %d)", e.Of)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Seq, second(e.Time), dash(e.Who), dash(e.Role), e.Action, dash(e.On), outcome)
	}
	return t.Flush()
}

func auditShowCommand(a *access) *cobra.Command {
	return always(&cobra.Command{
		Use:     "show ENTRY",
		Short:   "Show one entry whole, as JSON",
		Example: "  signalbox audit show 42",
		Args:    exactly(1, "the number of an entry"),
		RunE: func(c *cobra.Command, args []string) error {
			if n, err := strconv.ParseInt(args[0], 10, 64); err != nil || n < 1 {
				return hint(fmt.Errorf("%q is no number of an entry", args[0]), "signalbox audit list shows them")
			}
			list, err := a.entries(c.Context(), url.Values{"seq": {args[0]}})
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return hint(fmt.Errorf("there is no entry %s", args[0]), "it may be older than audit.keep")
			}
			return printJSON(c.OutOrStdout(), list[0])
		},
	})
}

func auditExportCommand(a *access) *cobra.Command {
	var q auditQuery
	c := always(&cobra.Command{
		Use:   "export",
		Short: "Write all entries, one a line, as they are hashed",
		Long: "Write all entries, one a line, as they are hashed: prev is the SHA-256 of the line before, without its end.\n" +
			"signalbox audit verify --file checks a whole export; one of --who or --what has gaps.",
		Example: "  signalbox audit export > audit.jsonl",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := q.values(time.Now())
			if err != nil {
				return err
			}
			v.Set("most", "1000")
			for after := int64(0); ; {
				v.Set("after", strconv.FormatInt(after, 10))
				list, err := a.entries(c.Context(), v)
				if err != nil || len(list) == 0 {
					return err
				}
				if err := printLines(c.OutOrStdout(), list); err != nil {
					return err
				}
				var last audit.Entry
				if err := json.Unmarshal(list[len(list)-1], &last); err != nil || last.Seq <= after {
					return fmt.Errorf("cannot read the entries after %d: %w", after, err)
				}
				after = last.Seq
			}
		},
	})
	q.flags(c)
	return c
}

func auditVerifyCommand(a *access) *cobra.Command {
	var file string
	c := told(&cobra.Command{
		Use:   "verify",
		Short: "Check that no entry was changed, removed, moved or added",
		Long: "Check that no entry was changed, removed, moved or added: all hashes, the signed end, and the anchors in\n" +
			"the store and in audit.anchor.file. With --file, check an export: its hashes alone.",
		Example: "  signalbox audit verify\n  signalbox audit verify --file audit.jsonl",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := verdict(c.Context(), a, file)
			if err != nil {
				return err
			}
			err = say(c, v, func(w io.Writer) error {
				if v.Broken != nil {
					return nil // the error tells
				}
				_, err := fmt.Fprintf(w, "whole: entries %d to %d, %d anchors, hash of the last %s\n", v.First, v.Last, v.Anchors, v.Hash)
				return err
			})
			if err == nil && v.Broken != nil {
				err = hint(fmt.Errorf("the audit log is broken (%s): %s", v.Broken.Kind, v.Broken.Text),
					"keep a copy of the store, and compare with an export or a backup from before")
			}
			return err
		},
	})
	c.Flags().StringVar(&file, "file", "", "export to check in place of the gateway's log")
	return c
}

func verdict(ctx context.Context, a *access, file string) (v audit.Verdict, err error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return v, fmt.Errorf("cannot read the export: %w", err)
		}
		defer f.Close()
		return audit.VerifyExport(f)
	}
	api, err := a.open()
	if err != nil {
		return v, err
	}
	return v, api.do(ctx, http.MethodGet, "/admin/audit/verify", nil, &v)
}
