package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// pollEvery is how often top asks for what does not come by itself.
const pollEvery = 2 * time.Second

func topCommand(src *sources) *cobra.Command {
	a := &access{src: src}
	var filter liveFilter
	var once, asJSON bool
	by, order := "model", "requests"
	c := &cobra.Command{
		Use:   "top",
		Short: "Watch what passes: rates, latency, cost, providers, budgets, failures",
		Long: "Watch what passes through the node that is asked: rates, latency, tokens and cost of the last minute by model,\n" +
			"provider, key or team, how providers fare, which budgets come to their end, and the last failures.\n" +
			"Where the output is no terminal, and with --once and --json, one picture is printed.\n" +
			"Keys: m p k t choose what the table is by; r e l o c n what it is sorted by; space pauses; q quits.",
		Example: "  signalbox top --by key --sort cost\n  signalbox top --once --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s := &topState{by: by, sort: order}
			if err := s.known(); err != nil {
				return err
			}
			api, err := a.open()
			if err != nil {
				return err
			}
			s.Address = api.address
			if err := s.begin(c.Context(), api, &filter); err != nil {
				return err
			}
			l := lookOf(c.OutOrStdout())
			if once || asJSON || !l.terminal {
				return s.print(c.OutOrStdout(), asJSON)
			}
			return s.watch(c.Context(), api, &filter, l, c.InOrStdin())
		},
	}
	a.flags(c)
	filter.flags(c)
	f := c.Flags()
	f.StringVar(&by, "by", by, "what the table is by: model, provider, key or team")
	f.StringVar(&order, "sort", order, "what it is sorted by: requests, errors, latency, tokens, cost or name")
	f.BoolVar(&once, "once", false, "print one picture")
	f.BoolVar(&asJSON, "json", false, "print one picture as JSON")
	return c
}

// known checks by and sort.
func (s *topState) known() error {
	f := func(flag, value string, all []topKey) error {
		var names []string
		for _, k := range all {
			if k.name == value {
				return nil
			}
			names = append(names, k.name)
		}
		return hint(fmt.Errorf("cannot show --%s %q", flag, value), "there are %s", strings.Join(names, ", "))
	}
	if err := f("by", s.by, topBys); err != nil {
		return err
	}
	return f("sort", s.sort, topSorts)
}

// begin fills s with what there is already.
func (s *topState) begin(ctx context.Context, api *client, filter *liveFilter) (err error) {
	s.now = time.Now()
	if s.polled, err = api.poll(ctx); err != nil {
		return err
	}
	var rows []passedRow
	if s.Node, rows, err = api.recent(ctx, s.now); err != nil {
		return err
	}
	for _, r := range rows {
		if filter.keeps(&r) {
			s.passed(r)
		}
	}
	return nil
}

// print prints one picture.
func (s *topState) print(w io.Writer, asJSON bool) error {
	if asJSON {
		by := map[string][]topLine{}
		for _, k := range topBys {
			by[k.name] = append([]topLine{}, s.table(k.name, s.sort)...)
		}
		return printLine(w, map[string]any{"node": s.Node, "time": s.now.UTC().Truncate(time.Second), "minute": s.sums(), "by": by,
			"providers": s.polled.Providers, "budgets": s.polled.Budgets, "failures": append([]passedRow{}, s.failures...)})
	}
	d := &drawing{width: 100}
	s.head(d)
	s.drawTable(d, 1000)
	s.drawProviders(d, 1000)
	s.drawBudgets(d, 10)
	s.drawFailures(d, 10)
	_, err := fmt.Fprintln(w, strings.Join(d.lines, "\n"))
	return err
}

// topEvent is what changes s while it is watched.
type topEvent func(*topState) (quit bool)

// watch shows s until q is pressed or ctx ends.
func (s *topState) watch(ctx context.Context, api *client, filter *liveFilter, l look, in io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		before, err := term.MakeRaw(int(f.Fd()))
		if err != nil {
			return fmt.Errorf("cannot read keys: %w", err)
		}
		defer func() { _ = term.Restore(int(f.Fd()), before) }()
	}
	out := bufio.NewWriterSize(l.file, 64<<10)
	fmt.Fprint(out, "\x1b[?1049h\x1b[?25l") // another screen, without a cursor
	defer func() {
		fmt.Fprint(out, "\x1b[?25h\x1b[?1049l")
		_ = out.Flush()
	}()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)

	events := make(chan topEvent, 256)
	failed := make(chan error, 1)
	go readKeys(ctx, in, events)
	go func() { failed <- s.listen(ctx, api, filter, events) }()
	go pollAgain(ctx, api, events)
	for {
		if err := s.draw(out, l); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-resized:
			s.drawn = false
		case e := <-events:
			if e(s) {
				return nil
			}
			if s.drain(events) {
				return nil
			}
		}
	}
}

// drain takes what else waits, so that one picture shows it all.
func (s *topState) drain(events <-chan topEvent) (quit bool) {
	for range cap(events) {
		select {
		case e := <-events:
			if e(s) {
				return true
			}
		default:
			return false
		}
	}
	return false
}

// draw writes the picture over the one before.
func (s *topState) draw(out *bufio.Writer, l look) error {
	if s.paused && s.drawn {
		return nil
	}
	s.drawn = true
	width, height := l.size()
	fmt.Fprint(out, "\x1b[H")
	for i, line := range s.screen(l, width, height) {
		if i > 0 {
			fmt.Fprint(out, "\r\n")
		}
		fmt.Fprint(out, line, "\x1b[K")
	}
	fmt.Fprint(out, "\x1b[J")
	return out.Flush()
}

// listen hears of requests and seconds.
func (s *topState) listen(ctx context.Context, api *client, filter *liveFilter, events chan<- topEvent) error {
	send := func(e topEvent) {
		select {
		case events <- e:
		case <-ctx.Done():
		}
	}
	return api.follow(ctx, "/admin/live?"+filter.query().Encode(), func(name string, data []byte) error {
		e, err := heard(name, data)
		if e != nil {
			send(e)
		}
		return err
	}, func(err error) {
		send(func(s *topState) bool { s.trouble = err.Error() + ": trying again"; return false })
	}, func() {
		send(func(s *topState) bool { s.trouble = ""; return false })
	})
}

// heard reads an event of the gateway's.
func heard(name string, data []byte) (topEvent, error) {
	var r passedRow
	var p topSecond
	var lost struct{ Requests int64 }
	var err error
	switch name {
	case "request":
		if err = json.Unmarshal(data, &r); err == nil {
			return func(s *topState) bool { s.passed(r); return false }, nil
		}
	case "second":
		if err = json.Unmarshal(data, &p); err == nil {
			return func(s *topState) bool { s.second(p); return false }, nil
		}
	case "lost":
		if err = json.Unmarshal(data, &lost); err == nil {
			return func(s *topState) bool { s.missed += lost.Requests; return false }, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the gateway's answer: %w", err)
	}
	return nil, nil
}

func readKeys(ctx context.Context, in io.Reader, events chan<- topEvent) {
	key := make([]byte, 1)
	for {
		if _, err := in.Read(key); err != nil {
			return
		}
		pressed := key[0]
		select {
		case events <- func(s *topState) bool { s.drawn = false; return s.press(pressed) }:
		case <-ctx.Done():
			return
		}
	}
}

func pollAgain(ctx context.Context, api *client, events chan<- topEvent) {
	every := time.NewTicker(pollEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
		p, err := api.poll(ctx)
		if err != nil {
			continue // listen says so
		}
		select {
		case events <- func(s *topState) bool { s.polled = p; return false }:
		case <-ctx.Done():
			return
		}
	}
}
