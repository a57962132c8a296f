package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func (w *batchWords) waitCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "wait BATCH", Short: "Wait until a batch is over, and show how far it is", Args: exactly(1, "the id of a batch"),
		Long:    "Wait until a batch is over. On a terminal a bar shows how far it is. It fails where the batch was not completed.",
		Example: "  signalbox batch wait batch_0123456789abcdef01234567",
		RunE:    func(c *cobra.Command, args []string) error { return w.wait(c, args[0]) },
	}
	return shown(c)
}

func (w *batchWords) wait(c *cobra.Command, id string) error {
	bar := bar{line: lineOf(c.ErrOrStderr())}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		b, raw, err := w.get(c.Context(), id)
		if err != nil {
			return err
		}
		bar.show(&b, time.Now())
		if b.over() {
			bar.keep()
			if err := w.print(c, raw, nil, func(out io.Writer) { b.tell(out) }); err != nil {
				return err
			}
			if b.Status != "completed" {
				return fmt.Errorf("the batch was not completed: it is %s", b.Status)
			}
			return nil
		}
		select {
		case <-c.Context().Done():
			return c.Context().Err()
		case <-time.After(pause):
		}
	}
}

// bar shows how far a batch is.
type bar struct {
	line
	pace pace
}

func (p *bar) show(b *batchState, now time.Time) {
	text := b.Status
	if b.Counts.Total > 0 {
		text = p.pace.bar(b.Counts.Completed+b.Counts.Failed, b.Counts.Total, now, plainly)
		if b.Counts.Failed > 0 {
			text += p.paint(red, fmt.Sprintf("  %d failed", b.Counts.Failed))
		}
	}
	p.line.show(text)
}
