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
)

// lead does what comes before and after all lines of a batch.
func (d *hand) lead(ctx context.Context, b *call.Batch) (done bool, again time.Duration, err error) {
	now := time.Now()
	switch {
	case b.Over():
		return true, 0, nil
	case b.State == call.BatchValidating:
		switch err := d.validate(ctx, b); {
		case err != nil:
			return false, 0, err
		case b.Native != nil:
			return d.native(ctx, b)
		case b.State == call.BatchFinalizing: // each of its lines is told why
			return false, soon / 8, nil
		}
		return false, 0, nil
	case b.Native != nil && b.Native.Stage != call.NativeOver:
		return d.native(ctx, b)
	case b.State == call.BatchRunning:
		left, err := d.undone(ctx, b.ID)
		if err != nil || left > 0 && !now.After(b.Expires) {
			return false, 0, err
		}
		*b, err = d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
			if b.State == call.BatchRunning {
				b.State, b.Finalizing = call.BatchFinalizing, now.UTC()
			}
			return nil
		})
		if err != nil {
			return false, 0, err
		}
	}
	if busy, err := d.busy(ctx, b.ID); err != nil || busy {
		return false, soon / 4, err
	}
	if *b, err = d.store.Batch(ctx, b.ID); err != nil { // with the counts that are final
		return false, 0, err
	}
	return true, 0, d.finish(ctx, b)
}

// undone is how many chunks with lines there are left of a batch.
func (d *Desk) undone(ctx context.Context, id string) (n int, err error) {
	chunks, err := d.store.Chunks(ctx, id)
	for _, c := range chunks {
		if c.Number != lead && !c.Done {
			n++
		}
	}
	return n, err
}

// busy reports whether anybody is still at a batch's lines.
func (d *Desk) busy(ctx context.Context, id string) (bool, error) {
	chunks, err := d.store.Chunks(ctx, id)
	for _, c := range chunks {
		if c.Number != lead && c.Node != "" {
			return true, err
		}
	}
	return false, err
}

// validate looks through the input file and begins the batch, or ends it.
func (d *hand) validate(ctx context.Context, b *call.Batch) error {
	opt := d.options()
	who, refused := d.gateway.Principal(b.Key)
	if refused != nil {
		return d.fail(ctx, b, []Fault{{Code: refused.Code, Message: refused.Message}})
	}
	r, err := d.store.ReadFile(ctx, b.Input, 0)
	if err != nil {
		if errors.Is(err, call.ErrNoFile) {
			return d.fail(ctx, b, []Fault{{Code: "file_not_found", Message: "The input file is not there any more."}})
		}
		return err
	}
	defer r.Close()
	var chunks []call.Chunk
	k := d.checker(who, endpoint(b.Endpoint), &opt)
	k.add = func(c call.Chunk) error {
		chunks = append(chunks, c)
		return nil
	}
	count, faults, err := k.check(r, b.ID)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return d.fail(ctx, b, faults)
	}
	if left, err := d.leave(ctx, b, who, count); left || err != nil {
		return err
	}
	return d.begin(ctx, b, count, chunks)
}

// checker looks through requests of who for e.
func (d *Desk) checker(who *call.Principal, e *Endpoint, opt *Options) *checker {
	return newChecker(e, opt, func(name string) *Fault {
		if err := d.gateway.Check(who, e, name); err != nil {
			return &Fault{Code: err.Code, Message: err.Message}
		}
		return nil
	})
}

// begin makes a batch that is in order ready for work.
func (d *Desk) begin(ctx context.Context, b *call.Batch, count int, chunks []call.Chunk) error {
	for from := 0; from < len(chunks); from += pageChunks {
		if err := d.store.AddChunks(ctx, chunks[from:min(from+pageChunks, len(chunks))]); err != nil {
			return err
		}
	}
	_, err := d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
		if b.State == call.BatchValidating {
			b.State, b.Begun, b.Lines = call.BatchRunning, time.Now().UTC(), int64(count)
		}
		return nil
	})
	if err != nil {
		return err
	}
	opt := d.options()
	var steps []call.Step
	for _, c := range chunks[:min(len(chunks), opt.window())] {
		steps = append(steps, call.Step{Batch: b.ID, Chunk: c.Number})
	}
	return d.store.Enqueue(ctx, steps)
}

const pageChunks = 200

// fail ends a batch that could not begin. Where it is known how many requests
// it has, each is told why.
func (d *Desk) fail(ctx context.Context, b *call.Batch, faults []Fault) error {
	text, err := json.Marshal(faults)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	*b, err = d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
		switch {
		case b.State != call.BatchValidating:
		case b.Lines > 0:
			b.State, b.Finalizing, b.Faults = call.BatchFinalizing, now, text
		default:
			b.State, b.Broken, b.Faults = call.BatchFailed, now, text
		}
		return nil
	})
	return err
}

// finish writes the files of a batch whose lines nobody is at any more.
func (d *Desk) finish(ctx context.Context, b *call.Batch) error {
	now := time.Now().UTC()
	end, why := ending(b, now)
	out, err := d.result(ctx, b, "output", func(w io.Writer) error { _, err := d.write(ctx, b, w, call.LineDone, nil); return err })
	if err != nil {
		return err
	}
	var unsent int64
	faults, err := d.result(ctx, b, "error", func(w io.Writer) (err error) {
		unsent, err = d.write(ctx, b, w, call.LineFailed, why)
		return err
	})
	if err != nil {
		return err
	}
	_, err = d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
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

// result keeps what write writes as a file of the batch, "": it was nothing.
// Writing it again replaces it.
func (d *Desk) result(ctx context.Context, b *call.Batch, kind string, write func(io.Writer) error) (id string, err error) {
	id = derived("file-", b.ID, kind)
	if err := ignore(d.store.DeleteFile(ctx, b.Tenant, id), call.ErrNoFile); err != nil {
		return "", err
	}
	pr, pw := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(pw, 64<<10)
		err := write(w)
		pw.CloseWithError(errors.Join(err, w.Flush()))
	}()
	defer pr.Close()
	first := make([]byte, 1)
	if n, err := io.ReadFull(pr, first); n == 0 {
		return "", ignore(err, io.EOF)
	}
	now := time.Now().UTC()
	keep := time.Duration(b.OutputLife) * time.Second
	if keep == 0 {
		keep = d.options().KeepFiles
	}
	f := call.File{ID: id, Tenant: b.Tenant, Name: b.ID + "_" + kind + ".jsonl", Purpose: "batch_output", Created: now, Expires: now.Add(keep)}
	if _, err = d.store.PutFile(ctx, f, io.MultiReader(bytes.NewReader(first), pr)); err != nil {
		return "", err
	}
	return id, nil
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
