package batch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// over finishes b as a step does; what fails is tried again.
func (d *hand) over(ctx context.Context, b *call.Batch) (done bool, again time.Duration, err error) {
	err = d.finish(ctx, b)
	if errors.Is(err, errMoved) {
		return false, soon, nil
	}
	return err == nil, 0, err
}

// finish ends a batch whose lines nobody is at any more, with its files. Two
// that both take it to be theirs write files of their own, which nobody finds
// but those of the one that ends it.
func (d *hand) finish(ctx context.Context, b *call.Batch) (err error) {
	if err := d.settle(ctx, b); err != nil {
		return err
	}
	if *b, err = d.store.Batch(ctx, b.ID); err != nil || b.Over() { // with the counts that are final
		return err
	}
	now := time.Now().UTC()
	end, why := ending(b, now)
	var drafts []call.File
	defer func() {
		if err != nil {
			err = errors.Join(ignore(err, errMoved), d.discard(context.WithoutCancel(ctx), b.ID, drafts))
		}
	}()
	draft := func(kind string, write func(io.Writer) error) (id string, err error) {
		f, err := d.draft(ctx, b, kind, write)
		if err == nil && f.ID != "" {
			drafts = append(drafts, f)
		}
		return f.ID, err
	}
	out, err := draft("output", func(w io.Writer) error { _, err := d.write(ctx, b, w, call.LineDone, nil); return err })
	if err != nil {
		return err
	}
	var unsent int64
	faults, err := draft("error", func(w io.Writer) (err error) {
		unsent, err = d.write(ctx, b, w, call.LineFailed, why)
		return err
	})
	if err != nil {
		return err
	}
	_, err = d.store.EndBatch(ctx, b.ID, drafts, func(b *call.Batch) error {
		if b.Over() {
			return errMoved
		}
		b.State, b.Output, b.Errors, b.Unsent = end, out, faults, unsent
		switch end {
		case call.BatchCompleted:
			b.Completed = now
		case call.BatchCancelled:
			b.Cancelled = now
		case call.BatchExpired:
			b.Expired = now
		default:
			b.Broken = now
		}
		return nil
	})
	return err
}

func (d *Desk) discard(ctx context.Context, batch string, drafts []call.File) (err error) {
	for _, f := range drafts {
		err = errors.Join(err, d.store.DiscardDraft(ctx, batch, f.ID))
	}
	return err
}

// settle ends the lines that were sent and whose answers nobody waits for any
// more, so that one that comes all the same, between the writing of two files,
// is not missing from both.
func (d *hand) settle(ctx context.Context, b *call.Batch) error {
	const page = 32
	var told bytes.Buffer
	in := input{d: d.Desk, b: b, why: errInterrupted, w: &told}
	defer in.close()
	for from := 0; ; {
		list, err := d.store.Lines(ctx, b.ID, from, page)
		if err != nil {
			return err
		}
		for _, l := range list {
			if from = l.Number + 1; l.State != call.LineSent {
				continue
			}
			if err := in.upTo(ctx, l.Number-1, nil); err != nil {
				return err
			}
			told.Reset()
			if err := in.upTo(ctx, l.Number, errInterrupted); err != nil {
				return err
			}
			if told.Len() == 0 { // the input is gone
				told.Write((&outcome{ID: lineID(b.ID, l.Number), Error: errInterrupted}).json())
			}
			if err := d.settleLine(ctx, b.ID, l, bytes.Clone(told.Bytes())); err != nil {
				return err
			}
		}
		if len(list) < page {
			return nil
		}
	}
}

func (d *hand) settleLine(ctx context.Context, batch string, l call.Line, out []byte) error {
	c := store.LineChange{Step: call.Step{Batch: batch, Chunk: lead}, Token: d.token, What: store.LineSettle,
		Line: call.Line{Number: l.Number, State: call.LineFailed, Out: out}}
	if l.Token == d.token { // it was this worker that sent it
		c.What = store.LineEnd
	}
	counted, err := d.store.Note(ctx, []store.LineChange{c})
	if err != nil || counted[0] {
		return err
	}
	list, err := d.store.Lines(ctx, batch, l.Number, 1)
	if err == nil && len(list) > 0 && list[0].Number == l.Number && list[0].State == call.LineSent {
		err = errMoved // no answer has come meanwhile: another holds the batch
	}
	return err
}

// ending is how a batch ends, and what is said of lines that were never sent.
func ending(b *call.Batch, now time.Time) (state string, why *outError) {
	switch {
	case len(b.Faults) > 0:
		var f []Fault
		if json.Unmarshal(b.Faults, &f) != nil || len(f) == 0 {
			f = []Fault{{Code: "batch_failed", Message: "The batch failed."}}
		}
		return call.BatchFailed, &outError{f[0].Code, f[0].Message}
	case !b.Cancelling.IsZero(), b.Native != nil && b.Native.State == call.BatchCancelled:
		return call.BatchCancelled, &outError{codeCancelled, "This request was not executed: the batch was cancelled."}
	case b.Done+b.Failed < b.Lines && now.After(b.Expires), b.Native != nil && b.Native.State == call.BatchExpired:
		return call.BatchExpired, &outError{codeExpired, "This request could not be executed before the completion window expired."}
	}
	return call.BatchCompleted, &outError{"batch_incomplete", "This request was not executed."}
}

// draft writes what write writes to a file of the batch, of this worker alone;
// without an id: it was nothing.
func (d *hand) draft(ctx context.Context, b *call.Batch, kind string, write func(io.Writer) error) (call.File, error) {
	pr, pw := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(pw, 64<<10)
		err := write(w)
		pw.CloseWithError(errors.Join(err, w.Flush()))
	}()
	defer pr.Close()
	first := make([]byte, 1)
	if n, err := io.ReadFull(pr, first); n == 0 {
		return call.File{}, ignore(err, io.EOF)
	}
	now := time.Now().UTC()
	keep := time.Duration(b.OutputLife) * time.Second
	if keep == 0 {
		keep = d.options().KeepFiles
	}
	f := call.File{ID: derived("file-", b.ID, kind, d.token), Tenant: b.Tenant, Name: b.ID + "_" + kind + ".jsonl", Purpose: "batch_output", Created: now, Expires: now.Add(keep)}
	return d.store.DraftFile(ctx, f, io.MultiReader(bytes.NewReader(first), pr))
}

// write writes the lines of one state; with why, also that no line was sent
// which is not there. It tells how many nobody has carried out.
func (d *Desk) write(ctx context.Context, b *call.Batch, w io.Writer, state call.LineState, why *outError) (unsent int64, err error) {
	const page = 32 // each may hold a long answer
	in := input{d: d, b: b, why: why, w: w}
	defer in.close()
	for from := 0; ; {
		list, err := d.store.Lines(ctx, b.ID, from, page)
		if err != nil {
			return 0, err
		}
		for _, l := range list {
			var lost *outError
			if l.State == call.LineSent {
				lost = errInterrupted
			}
			if err := in.upTo(ctx, l.Number, lost); err != nil {
				return 0, err
			}
			if l.State == state {
				if _, err := w.Write(l.Out); err != nil {
					return 0, err
				}
				var o struct{ Error *outError }
				if why != nil && json.Unmarshal(l.Out, &o) == nil && o.Error.unsent() { // its provider said so
					in.unsent++
				}
			}
			from = l.Number + 1
		}
		if len(list) < page {
			err := in.upTo(ctx, 1<<62, nil)
			return in.unsent, err
		}
	}
}

// input tells of the lines that were never sent, and of those that were but
// whose answers nobody knows: of both there is nothing but the input.
type input struct {
	d    *Desk
	b    *call.Batch
	why  *outError
	w    io.Writer
	file io.ReadCloser
	l    *lines
	n    int // the line that was read last

	unsent int64 // that it has told of
}

// upTo tells of all lines before n that it has not come to, and with last of n
// itself; else it passes n.
func (in *input) upTo(ctx context.Context, n int, last *outError) error {
	if in.why == nil || in.b.Done+in.b.Failed >= in.b.Lines {
		return nil
	}
	if in.file == nil {
		r, err := in.d.store.ReadFile(ctx, in.b.Input, 0)
		if errors.Is(err, call.ErrNoFile) { // it ends all the same
			in.d.log.Error("the input of a batch is gone: its results do not tell of requests that were not sent", "batch", in.b.ID, "file", in.b.Input)
			in.why = nil
			return nil
		}
		if err != nil {
			return err
		}
		in.file, in.l = r, newLines(r, in.d.options().MaxLine)
	}
	for in.n < n {
		text, err := in.l.next()
		if errors.Is(err, io.EOF) {
			in.n = n
			return nil
		}
		if err != nil {
			return err
		}
		why := in.why
		if in.n++; in.n == n {
			why = last
		}
		if why == nil || len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var t task
		if err := json.Unmarshal(text, &t); err != nil {
			return fmt.Errorf("cannot read line %d of file %q: %w", in.n, in.b.Input, err)
		}
		if why == in.why {
			in.unsent++
		}
		o := outcome{ID: lineID(in.b.ID, in.n), Custom: t.ID, Error: why}
		if _, err := in.w.Write(o.json()); err != nil {
			return err
		}
	}
	return nil
}

func (in *input) close() {
	if in.file != nil {
		_ = in.file.Close() // it was only read
	}
}
