package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/signalbox-ai/signalbox/host/call"
)

func ledgerCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{
		Use:   "ledger",
		Short: "Export, show and reconcile the record of requests",
	}
	a.flags(c)
	c.AddCommand(ledgerExportCommand(a), ledgerShowCommand(a), ledgerReconcileCommand(a))
	return c
}

func ledgerExportCommand(a *access) *cobra.Command {
	var filters filterFlags
	var after string
	var limit int
	var asJSON, asCSV bool
	c := &cobra.Command{
		Use:   "export",
		Short: "Print a line for each request, oldest first",
		Long: "Print a line for each request, oldest first, as JSON or CSV, however many there are.\n" +
			"Where it is cut off, the error says the id to go on after.",
		Example: "  signalbox ledger export --since 2026-05-01 --until 2026-06-01 --csv > may.csv",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			v, err := filters.query()
			if err != nil {
				return err
			}
			if after != "" {
				v.Set("after", after)
			}
			if limit > 0 {
				v.Set("limit", strconv.Itoa(limit))
			}
			if asCSV {
				v.Set("format", "csv")
			}
			out := &lineCounter{w: c.OutOrStdout(), work: exportProgress(c)}
			err = api.stream(c.Context(), "/admin/ledger?"+v.Encode(), out)
			out.work.end()
			if err != nil && out.last != "" {
				err = hint(err, "the last whole line is of %s: go on with --after %s, in place of what follows that line", out.last, out.last)
			}
			return err
		},
	}
	filters.flags(c)
	f := c.Flags()
	f.StringVar(&after, "after", "", "only requests after this one, by its id")
	f.IntVar(&limit, "limit", 0, "at most so many")
	f.BoolVar(&asJSON, "json", false, "as JSON, one object a line (default)")
	f.BoolVar(&asCSV, "csv", false, "as CSV")
	c.MarkFlagsMutuallyExclusive("json", "csv")
	return c
}

// exportProgress counts lines, where these do not go to the terminal themselves.
func exportProgress(c *cobra.Command) *progress {
	w := c.ErrOrStderr()
	if lookOf(c.OutOrStdout()).terminal {
		w = io.Discard
	}
	return progressOf(w, "lines", 0, plainly)
}

// lineCounter passes an export on and remembers the id of its last whole line.
type lineCounter struct {
	w    io.Writer
	work *progress
	line []byte // the part of a line that is there
	last string
}

// Write implements io.Writer.
func (l *lineCounter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	for rest := p[:n]; ; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			if len(l.line) < 64 { // the id comes first
				l.line = append(l.line, rest...)
			}
			return n, err
		}
		if len(l.line) < 64 {
			l.line = append(l.line, rest[:i]...)
		}
		id := bytes.TrimPrefix(l.line, []byte(`{"id":"`))
		if n := len(call.ID(0).String()); len(id) > n && bytes.HasPrefix(id, []byte("req_")) {
			l.last = string(id[:n])
		}
		l.line, rest = l.line[:0], rest[i+1:]
		l.work.add(1)
	}
}

func ledgerShowCommand(a *access) *cobra.Command {
	return always(&cobra.Command{
		Use:     "show REQUEST",
		Short:   "Show what the ledger has of a request, as JSON",
		Example: "  signalbox ledger show req_0a1b2c3d4e5f6",
		Args:    exactly(1, "the id of a request, as in the header x-signalbox-request-id"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := api.do(c.Context(), http.MethodGet, "/admin/ledger/"+url.PathEscape(args[0]), nil, &raw); err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), raw)
		},
	})
}

// stream copies the answer to GET path to w, for as long as it takes.
func (c *client) stream(ctx context.Context, path string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(path), http.NoBody)
	if err != nil {
		return fmt.Errorf("cannot call %s: %w", c.address, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	resp, err := c.lasting().Do(req)
	if err != nil {
		return hint(fmt.Errorf("cannot reach the gateway's admin API at %s: %w", c.address, errors.Unwrap(err)),
			"is it running? start it with signalbox serve, or name another with --address")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		return refusal(resp.StatusCode, raw)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	return nil
}
