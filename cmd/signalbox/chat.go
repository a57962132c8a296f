package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func chatCommand(src *sources) *cobra.Command {
	a := &caller{src: src}
	t := &talk{}
	var message string
	var images, audio []string
	c := &cobra.Command{
		Use:   "chat [MODEL]",
		Short: "Talk to a model through the running gateway",
		Long: "Talk to a model through the running gateway, with what each answer took and cost. --message and what comes by the\n" +
			"standard input ask once. Ctrl-C stops an answer, not the program. " + chatHelp,
		Example: "  signalbox chat demo/echo\n  signalbox chat -m 'what is in the picture?' --image photo.png\n  signalbox chat fast -m 'sum it up' --json < report.txt",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if t.door, err = a.open(); err != nil {
				return err
			}
			t.out, t.notes = c.OutOrStdout(), c.ErrOrStderr()
			t.look, t.noteLook = lookOf(t.out), lookOf(t.notes)
			if t.model = strings.Join(args, ""); t.model == "" {
				t.model = t.door.model
			}
			for kind, files := range map[string][]string{"image": images, "audio": audio} {
				for _, file := range files {
					if err := t.attach(kind, file); err != nil {
						return err
					}
				}
			}
			piped, err := readPiped(c.InOrStdin())
			if err != nil {
				return err
			}
			ctx, stop := t.own(c.Context())
			defer stop()
			if err := t.choose(ctx); err != nil {
				return err
			}
			if text := strings.TrimSpace(strings.Join([]string{message, piped}, "\n\n")); text != "" || c.Flags().Changed("message") {
				return t.once(ctx, text)
			}
			return t.loop(ctx, c.InOrStdin())
		},
	}
	a.flags(c)
	f := c.Flags()
	f.StringVarP(&message, "message", "m", "", "ask this once")
	f.StringVar(&t.system, "system", "", "what the model is told before")
	f.StringArrayVar(&images, "image", nil, "picture to send along (repeatable)")
	f.StringArrayVar(&audio, "audio", nil, "recording to send along (repeatable)")
	f.IntVar(&t.max, "max-tokens", 0, "longest answer")
	f.BoolVar(&t.json, "json", false, "with --message or a piped text: print the answer and what it took as JSON")
	return c
}

// readPiped reads all of a standard input that is neither a terminal nor nothing.
func readPiped(in io.Reader) (string, error) {
	f, ok := in.(*os.File)
	if !ok {
		return "", nil
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice != 0 {
		return "", nil
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxAttached))
	if err != nil {
		return "", fmt.Errorf("cannot read the standard input: %w", err)
	}
	return string(raw), nil
}

// talk is a conversation.
type talk struct {
	door           *door
	out, notes     io.Writer
	look, noteLook look
	json           bool

	model, system string
	max           int
	said          []turn
	parts         []part // of the next message
	cost          float64
	input, output int64
	answers       int

	interrupts chan os.Signal
}

// own takes interrupts over: the program goes on after one. It ends at SIGTERM,
// or when the context ends by itself.
func (t *talk) own(ctx context.Context) (context.Context, context.CancelFunc) {
	t.interrupts = make(chan os.Signal, 1)
	term := make(chan os.Signal, 1)
	signal.Notify(t.interrupts, os.Interrupt)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-term:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		signal.Stop(t.interrupts)
		signal.Stop(term)
	}
}

// choose takes the first model where none is named.
func (t *talk) choose(ctx context.Context) error {
	if t.model != "" {
		return nil
	}
	list, err := t.door.models(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return hint(errors.New("the gateway lists no model for this key"), "name one, such as provider/model")
	}
	t.model = list[0]
	return nil
}

func (t *talk) attach(kind, file string) error {
	p, err := attach(kind, file)
	if err == nil {
		t.parts = append(t.parts, p)
	}
	return err
}

// once asks one question.
func (t *talk) once(ctx context.Context, text string) error {
	r, err := t.say(ctx, text)
	if err != nil {
		return err
	}
	if t.json {
		return printLine(t.out, r)
	}
	fmt.Fprintln(t.out)
	fmt.Fprintln(t.notes, t.noteLook.paint(dim, r.line()))
	if r.Stopped {
		return errors.New("the answer was stopped")
	}
	return nil
}

// say sends text with what is attached, and shows the answer as it comes.
func (t *talk) say(ctx context.Context, text string) (reply, error) {
	message := turn{Role: "user", Content: text}
	if len(t.parts) > 0 {
		message.Content = append([]part{{Type: "text", Text: text}}, t.parts...)
	}
	q := question{Model: t.model, MaxTokens: t.max}
	if t.system != "" {
		q.Messages = append(q.Messages, turn{Role: "system", Content: t.system})
	}
	q.Messages = append(append(q.Messages, t.said...), message)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-t.interrupts: // of before
	default:
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-t.interrupts:
			cancel()
		case <-done:
		}
	}()
	r, err := t.door.ask(ctx, q, t.show)
	if err != nil {
		return r, err
	}
	t.parts = nil
	t.said = append(t.said, message, turn{Role: "assistant", Content: r.Text})
	t.cost, t.input, t.output, t.answers = t.cost+r.CostUSD, t.input+r.Input, t.output+r.Output, t.answers+1
	return r, nil
}

// show writes a piece of an answer. A terminal gets nothing that it acts on.
func (t *talk) show(text string, reasoning bool) {
	switch {
	case t.json:
	case t.look.terminal && reasoning:
		fmt.Fprint(t.out, t.look.paint(dim, printable(text)))
	case reasoning:
	case t.look.terminal:
		fmt.Fprint(t.out, printable(text))
	default:
		fmt.Fprint(t.out, text)
	}
}

// printable is harmless with lines.
func printable(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		cells := strings.Split(line, "\t")
		for j := range cells {
			cells[j] = harmless(cells[j])
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return strings.Join(lines, "\n")
}

// line says what an answer took.
func (r *reply) line() string {
	cost := money(r.CostUSD)
	if r.Stopped {
		cost = "cost in the ledger"
	}
	text := fmt.Sprintf("%s · %d tokens in, %d out · %s · %s, first after %s", harmless(r.Model), r.Input, r.Output, cost, shortTime(ms(r.Took)), shortTime(ms(r.First)))
	for _, more := range []struct {
		when bool
		text string
	}{{r.Cached != "", "from the cache (" + r.Cached + ")"}, {r.Finish == "length", "cut at its longest"}, {r.Stopped, "stopped"}} {
		if more.when {
			text += " · " + more.text
		}
	}
	return text + " · " + r.Request
}

// isTerminal reports whether lines can be edited there.
func isTerminal(in io.Reader) (*os.File, bool) {
	f, ok := in.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}
