package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// longestResult bounds a line of a provider's results.
const longestResult = 64 << 20

// take is one time of reading a provider's results.
type take struct {
	*hand
	b     *call.Batch
	known map[int]int64  // what each line has cost that nothing is to be done about
	names map[int]string // of lines whose labels have no room for them
	spent [][3]int64     // by group
	open  []store.LineChange
}

// fetch reads the results, notes each once and settles what they have cost.
func (d *hand) fetch(ctx context.Context, b *call.Batch) (time.Duration, error) {
	known, err := d.settled(ctx, b.ID)
	if err != nil {
		return 0, err
	}
	t := &take{hand: d, b: b, known: known, spent: make([][3]int64, len(b.Native.Groups))}
	if shapeOf(b.Native).layout().nameless {
		if t.names, err = d.names(ctx, b); err != nil {
			return 0, err
		}
	}
	for _, e := range shapeOf(b.Native).results(b) {
		failed, err := t.results(ctx, e)
		if err != nil {
			return 0, err
		}
		if failed != nil {
			if givenUp(b) {
				return 0, d.lost(ctx, b, failed)
			}
			d.log.Warn("cannot fetch the results of a batch now", "batch", b.ID, "provider", b.Native.Provider, "err", failed)
			return rest(failed), nil
		}
	}
	for i, g := range b.Native.Groups {
		if err := d.natives.Books().Redeem(ctx, g.ID, t.spent[i]); err != nil {
			return 0, err
		}
	}
	if err := d.move(ctx, b, func(b *call.Batch) { b.Native.Stage = call.NativeOver }); err != nil {
		return 0, err
	}
	d.clear(ctx, b) // only now: nobody reads them again
	return 0, nil
}

// clear removes what lies at the provider; what cannot be is left.
func (d *hand) clear(ctx context.Context, b *call.Batch) {
	for _, e := range shapeOf(b.Native).remains(b) {
		if _, failed := d.do(ctx, b, e); failed != nil {
			d.log.Info("something of a batch stays at its provider", "batch", b.ID, "provider", b.Native.Provider, "path", e.Path, "err", failed)
		}
	}
	if err := ignore(d.store.DeleteFile(ctx, keeper, b.Native.Input), call.ErrNoFile); err != nil {
		d.log.Warn("cannot remove a file", "file", b.Native.Input, "err", err)
	}
}

// names are the caller's ids of lines.
func (d *hand) names(ctx context.Context, b *call.Batch) (map[int]string, error) {
	names := map[int]string{}
	file, err := d.store.ReadFile(ctx, b.Input, 0)
	if errors.Is(err, call.ErrNoFile) {
		d.log.Error("the input of a batch is gone: its results have numbers of lines in place of custom_ids", "batch", b.ID, "file", b.Input)
		return names, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	l := newLines(file, d.options().MaxLine)
	for n := 1; ; n++ {
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		var t struct {
			ID string `json:"custom_id"`
		}
		if len(bytes.TrimSpace(text)) > 0 && json.Unmarshal(text, &t) == nil {
			names[n] = t.ID
		}
	}
}

// results reads what e asks for. failed is what the provider says.
func (t *take) results(ctx context.Context, e *Errand) (failed *wire.Error, err error) {
	failed, err = t.follow(ctx, t.b, e, func(r io.Reader) error { return t.read(ctx, r) })
	if errors.Is(err, errBroken) {
		return failed, nil
	}
	return nil, err
}

// firstLine reads the first line of what e asks for.
func (d *hand) firstLine(ctx context.Context, b *call.Batch, e *Errand) (text []byte, _ *wire.Error) {
	failed, err := d.follow(ctx, b, e, func(r io.Reader) (err error) {
		text, err = newLines(r, longestResult).next()
		return err
	})
	switch {
	case err == nil: // the rest has been cut, as it was to be
		return text, nil
	case failed == nil:
		failed = wire.Errorf(502, "bad_answer", "the provider's answer is empty")
	}
	return nil, failed
}

// follow has read take what e asks for, as it comes: errBroken where it breaks
// off. failed is what the provider says.
func (d *hand) follow(ctx context.Context, b *call.Batch, e *Errand, read func(io.Reader) error) (failed *wire.Error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	e.Into = pw
	asked := make(chan *wire.Error, 1)
	go func() {
		_, failed := d.do(ctx, b, e)
		if failed != nil {
			pw.CloseWithError(errBroken)
		} else {
			pw.Close()
		}
		asked <- failed
	}()
	err = read(pr)
	cancel()
	_ = pr.Close()
	return <-asked, err
}

var errBroken = errors.New("the results broke off")

func (t *take) read(ctx context.Context, r io.Reader) error {
	l := newLines(r, longestResult)
	for {
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			return t.flush(ctx)
		}
		if err == nil && len(bytes.TrimSpace(text)) > 0 {
			err = t.line(text, l.long)
		}
		if err == nil && len(t.open) >= maxCommit/4 {
			err = t.flush(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// line takes in one result: its row in the ledger, and what is to be noted of it.
func (t *take) line(text []byte, long bool) error {
	b := t.b
	var a answered
	err := errors.New("it is too long")
	if !long {
		a, err = shapeOf(b.Native).result(b, text)
	}
	if err == nil && a.group >= len(t.spent) {
		err = fmt.Errorf("it is of no group of the batch: %d", a.group)
	}
	if err != nil {
		t.log.Warn("a provider's result of a batch cannot be read", "batch", b.ID, "bytes", len(text), "err", err)
		return nil
	}
	g := &b.Native.Groups[a.group]
	row := Row{ID: a.id, Asked: g.Asked, Target: g.Target}
	cost, done := t.known[a.n]
	if a.response != nil {
		row.of(g, &a)
		if !done {
			cost = row.Cost
		}
		s := &t.spent[a.group]
		s[call.UnitUSD] += cost
		s[call.UnitTokens] += row.Usage.Total()
		s[call.UnitRequests]++
	}
	if done {
		return nil
	}
	t.known[a.n] = cost
	l := call.Line{Number: a.n, State: call.LineFailed, Cost: cost}
	out := outcome{ID: lineID(b.ID, a.n), Custom: t.name(&a.label), Error: a.err}
	if a.response != nil {
		if err := t.natives.Books().Book(b, &row); err != nil {
			return err
		}
		out.Response = &outResponse{a.response.Status, a.id.String(), a.response.Body}
		if a.err == nil && row.Code == "" {
			l.State = call.LineDone
		}
	}
	l.Out = out.json()
	t.open = append(t.open, t.ended(b, l))
	return nil
}

// name is the caller's id of a line.
func (t *take) name(m *label) string {
	if t.names == nil {
		return m.custom
	}
	if name, ok := t.names[m.n]; ok {
		return name
	}
	return "line-" + strconv.Itoa(m.n)
}

func (a *outResponse) well() bool { return a.Status >= 200 && a.Status <= 299 }

// of reads what a request has come to and what it has cost.
func (r *Row) of(g *call.NativeGroup, a *answered) {
	r.Usage = a.usage
	if r.Status = a.response.Status; !a.response.well() {
		r.Class, r.Code = wire.ClassOfStatus(r.Status), "upstream_"+strconv.Itoa(r.Status)
	}
	switch {
	case a.metered && g.Price != nil:
		r.Cost = g.Price.Cost(a.usage)
	case !a.metered && r.Code == "": // it may have cost its part of what is reserved
		r.Cost, r.Estimated = (g.Need[call.UnitUSD]+g.Lines-1)/max(g.Lines, 1), true
	}
}

// ended is what is noted of a line that is over.
func (d *hand) ended(b *call.Batch, l call.Line) store.LineChange {
	return store.LineChange{Step: call.Step{Batch: b.ID, Chunk: lead}, Token: d.token, What: store.LineEnd, Line: l}
}

// flush brings to the disk what is open. Rows came before: they count once.
func (t *take) flush(ctx context.Context) error {
	if len(t.open) == 0 {
		return nil
	}
	counted, err := t.store.Note(ctx, t.open)
	if err != nil {
		return err
	}
	for i, c := range t.open {
		switch {
		case !counted[i]:
			return fmt.Errorf("cannot note line %d of batch %q: %w", c.Line.Number, t.b.ID, errMoved)
		case c.Line.State == call.LineDone:
			t.figures.done.Add(1)
		default:
			t.figures.failed.Add(1)
		}
	}
	t.open = t.open[:0]
	return nil
}
