package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func statusCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := shown(&cobra.Command{
		Use:     "status",
		Short:   "Show how the running gateway fares",
		Example: "  signalbox status",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var s gatewayStatus
			return a.show(c, "/admin/status", &s, s.print)
		},
	})
	a.flags(c)
	return c
}

// gatewayStatus is what is shown of GET /admin/status.
type gatewayStatus struct {
	Started   time.Time
	Config    string
	Providers []struct {
		Provider, Adapter, Version, State string
		InFlight                          int64 `json:"in_flight"`
		Restarts                          int
		LastError                         string `json:"last_error"`
	}
	Policy struct{ Revision, LastError string }
	Ledger struct{ Backlog, LeftOut int64 }
	Routes []struct{ Name, Version string }
}

func (s *gatewayStatus) print(w io.Writer) error {
	fmt.Fprintf(w, "runs since %s with %s, policy %s\n", second(s.Started), s.Config, s.Policy.Revision)
	if s.Policy.LastError != "" {
		fmt.Fprintf(w, "the last policy was refused: %s\n", s.Policy.LastError)
	}
	if s.Ledger.Backlog > 0 {
		fmt.Fprintf(w, "%d bytes of the journal wait for the store\n", s.Ledger.Backlog)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PROVIDER\tADAPTER\tSTATE\tIN FLIGHT\tRESTARTS\tLAST ERROR")
	for _, p := range s.Providers {
		fmt.Fprintf(t, "%s\t%s %s\t%s\t%d\t%d\t%s\n", p.Provider, p.Adapter, p.Version, p.State, p.InFlight, p.Restarts, dash(harmless(p.LastError)))
	}
	return t.Flush()
}

func reloadCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := shown(&cobra.Command{
		Use:     "reload",
		Short:   "Have the running gateway read its configuration again",
		Long:    "Have the running gateway read its configuration again. It is taken whole, or the one before it stays.",
		Example: "  signalbox reload",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var answer struct{ Reloaded bool }
			err := a.ask(c, asked{http.MethodPost, "/admin/reload", nil}, &answer, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, "reloaded")
				return err
			})
			if err != nil {
				return hint(err, "signalbox check tells all that is wrong")
			}
			return nil
		},
	})
	a.flags(c)
	return c
}

func apiCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var file string
	c := always(&cobra.Command{
		Use:     "api METHOD PATH",
		Short:   "Ask the admin API for anything, as JSON",
		Long:    "Ask the admin API for anything: what it answers is printed as it is. A body is read from --body, - is the standard input.",
		Example: "  signalbox api GET /admin/series?minutes=10\n  signalbox api POST /admin/reload",
		Args:    exactly(2, "a method and a path, such as GET /admin/status"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			body, err := readBody(file, c.InOrStdin())
			if err != nil {
				return err
			}
			return api.raw(c, strings.ToUpper(args[0]), args[1], body)
		},
	})
	a.flags(c)
	c.Flags().StringVar(&file, "body", "", "file with the request's body")
	return c
}

func readBody(file string, in io.Reader) ([]byte, error) {
	switch file {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(in)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read --body: %w", err)
	}
	return body, nil
}

// raw asks for path and copies the answer.
func (c *client) raw(cmd *cobra.Command, method, path string, body []byte) error {
	req, err := http.NewRequestWithContext(cmd.Context(), method, c.url(path), bytes.NewReader(body))
	if err != nil {
		return hint(fmt.Errorf("cannot call %s: %w", c.address, err), "a path begins with /admin/")
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	if json.Valid(body) {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.lasting().Do(req)
	if err != nil {
		return hint(fmt.Errorf("cannot reach the gateway's admin API at %s: %w", c.address, err), "is it running? start it with signalbox serve, or name another with --address")
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
		return refusal(resp.StatusCode, raw)
	}
	_, err = io.Copy(cmd.OutOrStdout(), resp.Body)
	return err
}
