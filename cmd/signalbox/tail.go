package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// passedRow is what is shown of a request that has finished.
type passedRow struct {
	ID                 string
	Time               time.Time
	KeyID              string `json:"key_id"`
	Key, Team, Org, Op string
	Asked, Model       string
	Stream             bool
	Status             int64
	Class, Code        string
	Origin, Cached     string
	DurationUS         int64 `json:"duration_us"`
	TTFTUS             int64 `json:"ttft_us"`
	Tokens             struct{ Total int64 }
	CostUSD            float64 `json:"cost_usd"`
}

func (r *passedRow) failed() bool { return r.Status >= 400 || r.Class != "" }

// who is whom the request is counted for.
func (r *passedRow) who() string {
	if r.Key != "" {
		return r.Key
	}
	return dash(r.KeyID)
}

// of is the model that answered or was asked last, else the one that was asked for.
func (r *passedRow) of() string {
	if r.Model != "" {
		return r.Model
	}
	return dash(r.Asked)
}

// liveFilter are the flags that say which requests are told.
type liveFilter struct {
	keys, models, statuses []string
	errors                 bool
}

func (l *liveFilter) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&l.keys, "key", nil, "of this key, by name or id (repeatable)")
	f.StringArrayVar(&l.models, "model", nil, "of this model, as it was asked for or as it answered (repeatable)")
	f.StringArrayVar(&l.statuses, "status", nil, "with this status, such as 429, or of this class, such as 5xx (repeatable)")
	f.BoolVar(&l.errors, "errors", false, "that failed or were refused")
}

func (l *liveFilter) query() url.Values {
	v := url.Values{}
	for name, values := range map[string][]string{"key": l.keys, "model": l.models, "status": l.statuses} {
		if len(values) > 0 {
			v[name] = values
		}
	}
	if l.errors {
		v.Set("errors", "true")
	}
	return v
}

// keeps says of a row of the ledger what the gateway says of those that pass.
func (l *liveFilter) keeps(r *passedRow) bool {
	status := strconv.FormatInt(r.Status, 10)
	any := func(wanted []string, has ...string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(has, w) })
	}
	return any(l.keys, r.Key, r.KeyID) && any(l.models, r.Model, r.Asked) && any(l.statuses, status, status[:1]+"xx") && (!l.errors || r.failed())
}

func tailCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var filter liveFilter
	var asJSON bool
	c := &cobra.Command{
		Use:   "tail",
		Short: "Show requests as they finish, one line each",
		Long: "Show requests as they finish, one line each: those of the node that is asked. Where the connection\n" +
			"breaks it is made anew. What a slow terminal misses is counted.",
		Example: "  signalbox tail --errors\n  signalbox tail --key web --status 429 --json | jq .code",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.open()
			if err != nil {
				return err
			}
			v := filter.query()
			v.Set("events", "request")
			t := &tail{out: c.OutOrStdout(), notes: c.ErrOrStderr(), look: lookOf(c.OutOrStdout()), json: asJSON}
			return api.follow(c.Context(), "/admin/live?"+v.Encode(), t.event,
				func(err error) { t.note("%v: trying again", err) }, func() { t.note("connected again: what passed meanwhile is in the ledger") })
		},
	}
	a.flags(c)
	filter.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line, as the ledger has it")
	return c
}

// tail prints what it is told.
type tail struct {
	out, notes io.Writer
	look       look
	json       bool
}

func (t *tail) note(format string, args ...any) {
	fmt.Fprintf(t.notes, "signalbox: "+format+"\n", args...)
}

func (t *tail) event(name string, data []byte) error {
	switch name {
	case "request":
		if t.json {
			_, err := fmt.Fprintf(t.out, "%s\n", data)
			return err
		}
		var r passedRow
		if err := json.Unmarshal(data, &r); err != nil {
			return fmt.Errorf("cannot read the gateway's answer: %w", err)
		}
		_, err := fmt.Fprintln(t.out, t.line(&r))
		return err
	case "lost":
		var lost struct{ Requests int64 }
		if err := json.Unmarshal(data, &lost); err != nil {
			return fmt.Errorf("cannot read the gateway's answer: %w", err)
		}
		t.note("%d requests were missed: they come faster than they are read here", lost.Requests)
	}
	return nil
}

// line is a request as people read it.
func (t *tail) line(r *passedRow) string {
	l := t.look
	model := harmless(r.of())
	if r.Asked != "" && r.Model != "" && r.Asked != r.Model {
		model = harmless(r.Asked) + " → " + model
	}
	line := l.paint(dim, r.Time.Local().Format("15:04:05")) + " " + l.paint(statusInk(r.Status, r.failed()), strconv.FormatInt(r.Status, 10)) +
		" " + fit(dash(r.Op), 10) + " " + l.paint(bold, model) + "  " + harmless(r.who()) + "  " + shortTime(float64(r.DurationUS)/1000)
	if r.Stream && r.TTFTUS > 0 {
		line += " (first " + shortTime(float64(r.TTFTUS)/1000) + ")"
	}
	if r.Tokens.Total > 0 {
		line += "  " + short(float64(r.Tokens.Total)) + " tok"
	}
	if r.CostUSD > 0 {
		line += "  " + money(r.CostUSD)
	}
	for _, mark := range []string{r.Cached, r.Origin} {
		if mark != "" {
			line += "  " + l.paint(cyan, harmless(mark))
		}
	}
	if r.failed() {
		why := r.Code
		if why == "" {
			why = r.Class
		}
		line += "  " + l.paint(statusInk(r.Status, true), harmless(why))
	}
	return line + "  " + l.paint(dim, r.ID)
}
