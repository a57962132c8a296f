package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// label is the custom_id that a provider gets: it says of a result, wherever it
// is read, which line it is of, who pays, and the row that it has in the ledger.
type label struct {
	n, group int
	id       call.ID
	custom   string
}

// String is n.group.id/custom.
func (m label) String() string {
	return strconv.Itoa(m.n) + "." + strconv.Itoa(m.group) + "." + m.id.String() + "/" + m.custom
}

func parseLabel(s string) (m label, ok bool) {
	head, custom, ok := strings.Cut(s, "/")
	if !ok {
		return m, false
	}
	line, rest, _ := strings.Cut(head, ".")
	group, id, _ := strings.Cut(rest, ".")
	m.custom = custom
	m.n, ok = whole(line)
	if ok {
		m.group, ok = whole(group)
	}
	if ok {
		m.id, ok = call.ParseID(id)
	}
	return m, ok
}

// whole reads a number as it is written, and no other way.
func whole(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= 1<<31 && strconv.Itoa(n) == s
}

// longestResult bounds a line of a provider's results.
const longestResult = 64 << 20

// take is one time of reading a provider's results.
type take struct {
	*hand
	b     *call.Batch
	known map[int]int64 // what each line has cost that nothing is to be done about
	spent [][3]int64    // by group
	open  []store.LineChange
}

// fetch reads the results, notes each once and settles what they have cost.
func (d *hand) fetch(ctx context.Context, b *call.Batch) (time.Duration, error) {
	known, err := d.settled(ctx, b.ID)
	if err != nil {
		return 0, err
	}
	t := &take{hand: d, b: b, known: known, spent: make([][3]int64, len(b.Native.Groups))}
	for _, id := range [...]string{b.Native.Output, b.Native.Errors} {
		if id == "" {
			continue
		}
		failed, err := t.file(ctx, id)
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
	for _, id := range [...]string{b.Native.File, b.Native.Output, b.Native.Errors} {
		if id == "" {
			continue
		}
		_, failed := d.natives.Do(ctx, &Errand{Provider: b.Native.Provider, Batch: b.ID, Op: wire.OpFiles, Method: http.MethodDelete, Path: "/" + url.PathEscape(id)})
		if failed != nil {
			d.log.Info("a file of a batch stays at its provider", "batch", b.ID, "provider", b.Native.Provider, "file", id, "err", failed)
		}
	}
	if err := ignore(d.store.DeleteFile(ctx, keeper, b.Native.Input), call.ErrNoFile); err != nil {
		d.log.Warn("cannot remove a file", "file", b.Native.Input, "err", err)
	}
}

// file reads one file of results. failed is what the provider says.
func (t *take) file(ctx context.Context, id string) (failed *wire.Error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	asked := make(chan *wire.Error, 1)
	go func() {
		_, failed := t.natives.Do(ctx, &Errand{Provider: t.b.Native.Provider, Batch: t.b.ID, Op: wire.OpFiles, Method: http.MethodGet,
			Path: "/" + url.PathEscape(id) + "/content", Into: pw})
		if failed != nil {
			pw.CloseWithError(errBroken)
		} else {
			pw.Close()
		}
		asked <- failed
	}()
	err = t.read(ctx, pr)
	cancel()
	_ = pr.Close()
	failed = <-asked
	if errors.Is(err, errBroken) {
		return failed, nil
	}
	return nil, err
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
	var o outcome
	if long || json.Unmarshal(text, &o) != nil {
		t.log.Warn("a provider's result of a batch cannot be read", "batch", t.b.ID, "bytes", len(text), "too_long", long)
		return nil
	}
	m, ok := parseLabel(o.Custom)
	if !ok || m.group >= len(t.spent) || int64(m.n) > 1<<31 {
		t.log.Warn("a provider's result is of no line of the batch", "batch", t.b.ID, "custom_id", o.Custom)
		return nil
	}
	g := &t.b.Native.Groups[m.group]
	row := Row{ID: m.id, Asked: g.Asked, Target: g.Target}
	cost, done := t.known[m.n]
	if o.Response != nil {
		row.of(g, endpoint(t.b.Endpoint), o.Response)
		if !done {
			cost = row.Cost
		}
		s := &t.spent[m.group]
		s[call.UnitUSD] += cost
		s[call.UnitTokens] += row.Usage.Total()
		s[call.UnitRequests]++
	}
	if done {
		return nil
	}
	t.known[m.n] = cost
	l := call.Line{Number: m.n, State: call.LineFailed, Cost: cost}
	out := outcome{ID: lineID(t.b.ID, m.n), Custom: m.custom, Error: o.Error}
	if o.Response != nil {
		if err := t.natives.Books().Book(t.b, &row); err != nil {
			return err
		}
		out.Response = &outResponse{o.Response.Status, m.id.String(), o.Response.Body}
		if o.Error == nil && row.Code == "" {
			l.State = call.LineDone
		}
	}
	l.Out = out.json()
	t.open = append(t.open, t.ended(t.b, l))
	return nil
}

// of reads what a request has come to and what it has cost.
func (r *Row) of(g *call.NativeGroup, e *Endpoint, a *outResponse) {
	if r.Status = a.Status; a.Status < 200 || a.Status > 299 {
		r.Class, r.Code = wire.ClassOfStatus(a.Status), "upstream_"+strconv.Itoa(a.Status)
		return
	}
	u, ok := wire.ReadUsage(e.Dialect, a.Body)
	r.Usage = u
	switch {
	case ok && g.Price != nil:
		r.Cost = g.Price.Cost(u)
	case !ok: // it may have cost its part of what is reserved
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
