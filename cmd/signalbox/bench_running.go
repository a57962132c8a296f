package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// runningResult is what was measured of a gateway that runs, from here.
type runningResult struct {
	Model    string  `json:"model"`
	Requests int     `json:"requests"`
	Conns    int     `json:"connections"`
	FirstP50 float64 `json:"first_text_p50_ms"`
	FirstP99 float64 `json:"first_text_p99_ms"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Own50    float64 `json:"overhead_p50_us"`
	Own99    float64 `json:"overhead_p99_us"`
	Rate     float64 `json:"requests_per_second"`
	CostUSD  float64 `json:"cost_usd"`
	Cached   int     `json:"cached"`
}

// running measures a gateway that runs, by streams: it says of each what its
// own part was.
func (q *benching) running(c *cobra.Command, a *caller, model string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	if !c.Flags().Changed("requests") {
		q.requests = 100 // they are not free
	}
	if q.requests < 1 || q.conns < 1 {
		return hint(fmt.Errorf("cannot send %d requests over %d connections", q.requests, q.conns), "give --requests and --conns of 1 or more")
	}
	q.conns = min(q.conns, q.requests)
	work := progressOf(c.ErrOrStderr(), "bench: requests", int64(q.requests), plainly)
	began := time.Now()
	replies, err := d.many(c.Context(), question{Model: model, MaxTokens: 50, Messages: []turn{{"user", "Say a word."}}}, q, work)
	took := time.Since(began)
	work.end()
	if err != nil {
		return err
	}
	r := runningResult{Model: model, Requests: len(replies), Conns: q.conns, Rate: float64(len(replies)) / took.Seconds()}
	r.sum(replies)
	if q.asJSON {
		return printLine(c.OutOrStdout(), r)
	}
	return r.print(c.OutOrStdout())
}

// many asks the same again and again, over several connections.
func (d *door) many(ctx context.Context, ask question, q *benching, work *progress) ([]reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	replies := make([]reply, q.requests)
	var next atomic.Int64
	var over sync.WaitGroup
	for range q.conns {
		over.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(replies)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				var err error
				if replies[i], err = d.ask(ctx, ask, func(string, bool) {}); err != nil {
					cancel(err)
				}
				work.add(1)
			}
		})
	}
	over.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("cannot measure: %w", context.Cause(ctx))
	}
	return replies, nil
}

func (r *runningResult) sum(replies []reply) {
	of := func(quantile float64, what func(*reply) time.Duration, unit time.Duration) float64 {
		slices.SortFunc(replies, func(a, b reply) int { return cmp.Compare(what(&a), what(&b)) })
		return float64(what(&replies[min(int(quantile*float64(len(replies))), len(replies)-1)])) / float64(unit)
	}
	first := func(r *reply) time.Duration { return r.First }
	whole := func(r *reply) time.Duration { return r.Took }
	own := func(r *reply) time.Duration { return r.Overhead }
	r.FirstP50, r.FirstP99 = of(.5, first, time.Millisecond), of(.99, first, time.Millisecond)
	r.P50, r.P99 = of(.5, whole, time.Millisecond), of(.99, whole, time.Millisecond)
	r.Own50, r.Own99 = of(.5, own, time.Microsecond), of(.99, own, time.Microsecond)
	for i := range replies {
		r.CostUSD += replies[i].CostUSD
		if replies[i].Cached != "" {
			r.Cached++
		}
	}
}

func (r *runningResult) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s, %d streams over %d connections\tP50\tP99\t\n", harmless(r.Model), r.Requests, r.Conns)
	fmt.Fprintf(t, "first text\t%s\t%s\t\n", shortTime(r.FirstP50), shortTime(r.FirstP99))
	fmt.Fprintf(t, "whole answer\t%s\t%s\t\n", shortTime(r.P50), shortTime(r.P99))
	fmt.Fprintf(t, "of which the gateway says are its own\t%.0fµs\t%.0fµs\t\n", r.Own50, r.Own99)
	if err := t.Flush(); err != nil {
		return err
	}
	cached := ""
	if r.Cached > 0 {
		cached = fmt.Sprintf("; %d came from its cache", r.Cached)
	}
	_, err := fmt.Fprintf(w, "%.0f requests/s, %s in all%s\n", r.Rate, money(r.CostUSD), cached)
	return err
}
