package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func pluginLogsCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var follow bool
	var lines int
	c := told(&cobra.Command{
		Use: "logs PROVIDER", Short: "Show what a provider's adapter has logged", Args: exactly(1, "the name of a provider"),
		Example: "  signalbox plugin logs openai -f",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			q := url.Values{"lines": {strconv.Itoa(lines)}}
			if follow {
				q.Set("follow", "1")
			}
			req, err := http.NewRequestWithContext(c.Context(), "GET", api.url("/admin/plugins/"+url.PathEscape(args[0])+"/logs?"+q.Encode()), nil)
			if err != nil {
				return fmt.Errorf("cannot call %s: %w", api.address, err)
			}
			req.Header.Set("Authorization", "Bearer "+api.token.Reveal())
			resp, err := api.lasting().Do(req) // it may last
			if err != nil {
				return fmt.Errorf("cannot reach the gateway: %w", err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				raw, _ := io.ReadAll(resp.Body)
				return refusal(resp.StatusCode, raw)
			}
			if wantsJSON(c) {
				_, err := io.Copy(c.OutOrStdout(), resp.Body)
				return err
			}
			return printLog(c.OutOrStdout(), resp.Body)
		},
	})
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	c.Flags().IntVarP(&lines, "lines", "n", 100, "how many of the last lines")
	a.flags(c)
	return c
}

func printLog(out io.Writer, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct {
			Time       time.Time
			Level, Msg string
			Attrs      map[string]any
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("cannot read the gateway's answer: %w", err)
		}
		fmt.Fprintf(out, "%s %-5s %s", r.Time.Format(time.DateTime), r.Level, r.Msg)
		for _, name := range sorted(r.Attrs) {
			fmt.Fprintf(out, " %s=%v", name, r.Attrs[name])
		}
		fmt.Fprintln(out)
	}
	return lines.Err()
}
