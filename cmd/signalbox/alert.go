package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func alertCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	c := &cobra.Command{Use: "alert", Short: "See what people were told of, and change whom the gateway tells"}
	a.flags(c)
	c.AddCommand(alertListCommand(a), alertTestCommand(a), alertSetCommand(a), alertRemoveCommand(a))
	return c
}

type alertRow struct {
	Event struct{ Type, Scope, Message string }
	Time  time.Time

	Deliveries []struct {
		To        string
		Tries     int
		Delivered time.Time
		Next      time.Time `json:"next_try"`
		Error     string
	}
}

// alertList is the answer of GET /admin/alerts.
type alertList struct {
	Alerts    []alertRow
	Receivers []struct{ Name, Kind, Source string }
}

func alertListCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "list",
		Short:   "List the latest alerts with their deliveries, and the receivers",
		Args:    cobra.NoArgs,
		Example: "  signalbox alert list",
		RunE: func(c *cobra.Command, _ []string) error {
			var l alertList
			return a.show(c, "/admin/alerts", &l, l.print)
		},
	})
}

func (l *alertList) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RECEIVER\tKIND\tSOURCE")
	for _, r := range l.Receivers {
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.Name, r.Kind, r.Source)
	}
	fmt.Fprintln(t, "\nTIME\tKIND\tDELIVERIES\tMESSAGE")
	for _, a := range l.Alerts {
		var to []string
		for _, d := range a.Deliveries {
			switch {
			case !d.Delivered.IsZero():
				to = append(to, d.To+" delivered")
			case d.Next.IsZero():
				to = append(to, d.To+" lost: "+d.Error)
			default:
				to = append(to, fmt.Sprintf("%s waits (%d tries)", d.To, d.Tries))
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", clock(a.Time), a.Event.Type, dash(strings.Join(to, ", ")), a.Event.Message)
	}
	return t.Flush()
}

func receiverPath(name string) string { return "/admin/alerts/receivers/" + url.PathEscape(name) }

func alertTestCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "test RECEIVER",
		Short:   "Send a receiver a message now",
		Example: "  signalbox alert test ops",
		Args:    exactly(1, "the name of a receiver"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.change(c, http.MethodPost, receiverPath(args[0])+"/test", nil)
		},
	})
}

func alertSetCommand(a *access) *cobra.Command {
	var file string
	c := shown(&cobra.Command{
		Use:   "set RECEIVER",
		Short: "Keep a receiver in the running gateway, sealed in its store",
		Long: "Keep a receiver in the running gateway, sealed in its store. It is read as JSON from a file or from standard\n" +
			`input, as in {"webhook": "https://hooks.example.com/x", "secret": "…"}, {"slack": "https://hooks.slack.com/…"}.`,
		Args:    exactly(1, "a name for the receiver"),
		Example: "  signalbox alert set ops --file slack.json",
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readSecret("receiver", file, c.InOrStdin(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			if !json.Valid([]byte(text)) {
				return hint(fmt.Errorf("the receiver is not JSON"), `write {"webhook": "https://…", "secret": "…"}`)
			}
			return a.change(c, http.MethodPut, receiverPath(args[0]), json.RawMessage(text))
		},
	})
	c.Flags().StringVar(&file, "file", "", "file that holds the receiver (default: standard input)")
	return c
}

func alertRemoveCommand(a *access) *cobra.Command {
	return shown(&cobra.Command{
		Use:     "remove RECEIVER",
		Short:   "Forget a receiver that the store holds",
		Example: "  signalbox alert remove ops",
		Args:    exactly(1, "the name of a receiver"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.change(c, http.MethodDelete, receiverPath(args[0]), nil)
		},
	})
}
