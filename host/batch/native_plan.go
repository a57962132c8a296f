package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	// keeper is the tenant that the gateway's own files are of.
	keeper = "signalbox/batches"
	// maxGroups bounds the reservations of one batch.
	maxGroups = 64
	// nativeWindow is the only one that providers have.
	nativeWindow = 24 * time.Hour
)

// sheet is a batch as it would be sent to a provider.
type sheet struct {
	provider string
	shape    Shape
	groups   []call.NativeGroup
	chains   []any // of groups
	at       map[groupKey]int
	refused  []refusal
	lines    int64     // that are sent
	file     call.File // a draft of this worker alone
}

type groupKey struct {
	chain         any
	asked, target string
}

// refusal is a line that is not sent.
type refusal struct {
	n      int
	custom string
	id     call.ID
	err    *wire.Error
}

// unfit says why a batch cannot be left to a provider.
type unfit string

func (u unfit) Error() string { return string(u) }

// mode is who is to carry b out.
func (d *hand) mode(b *call.Batch) string {
	if d.natives == nil {
		return call.BatchGateway
	}
	return b.Mode
}

// leave leaves a batch that is in order to a provider, if one can have it.
func (d *hand) leave(ctx context.Context, b *call.Batch, who *call.Principal, count int) (left bool, err error) {
	if d.mode(b) == call.BatchGateway {
		return false, nil
	}
	s, err := d.sheet(ctx, b, who)
	var why unfit
	if err == nil {
		err = d.entrust(ctx, b, s, who, count)
	}
	if err != nil { // unless it has become the batch's: then whoever voids that removes it
		if derr := d.store.DiscardDraft(context.WithoutCancel(ctx), b.ID, s.file.ID); derr != nil {
			d.log.Warn("what was to be sent of a batch stays until it is swept", "batch", b.ID, "file", s.file.ID, "err", derr)
		}
	}
	if !errors.As(err, &why) {
		return err == nil, err
	}
	if b.Mode == call.BatchNative {
		return true, d.fail(ctx, b, []Fault{{Code: "batch_not_native", Message: "No provider can carry out the batch: " + string(why) + ". Leave x-signalbox-batch out to have the gateway do it."}})
	}
	changed, err := d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
		if b.State != call.BatchValidating || b.Native != nil {
			return errMoved
		}
		b.Mode, b.Why = call.BatchGateway, string(why)
		return nil
	})
	if err == nil {
		*b = changed
	}
	return false, err
}

// sheet plans all lines of b and writes what is to be sent of them. Two workers
// that both take the batch to be theirs write files of their own, of which the
// one is found that is entrusted to the provider.
func (d *hand) sheet(ctx context.Context, b *call.Batch, who *call.Principal) (*sheet, error) {
	now := time.Now().UTC()
	s := &sheet{at: map[groupKey]int{}, file: call.File{ID: derived("file-", b.ID, "native", d.token), Tenant: keeper, Name: b.ID + ".jsonl",
		Purpose: "batch", Created: now, Expires: b.Expires.Add(2 * giveUp)}}
	if window := b.Expires.Sub(b.Created); window < nativeWindow {
		return s, unfit("providers take 24h, and completion_window is " + b.Window)
	}
	if now.After(b.Expires) {
		return s, unfit("its completion_window is over")
	}
	known, err := d.settled(ctx, b.ID)
	if err != nil {
		return s, err
	}
	pr, pw := io.Pipe()
	planned := make(chan error, 1)
	go func() {
		err := d.plan(ctx, b, who, s, known, pw)
		if err == nil {
			err = s.close(pw)
		}
		pw.CloseWithError(err)
		planned <- err
	}()
	file, err := d.store.DraftFile(ctx, s.file, pr)
	_ = pr.Close()
	if perr := <-planned; perr != nil && !errors.Is(perr, io.ErrClosedPipe) {
		return s, perr
	}
	if err != nil {
		return s, err
	}
	s.file = file
	switch f := shapes[s.shape].layout(); {
	case s.lines == 0:
		err = unfit("none of its requests is allowed")
	case f.bytes > 0 && file.Size > f.bytes:
		err = unfit(fmt.Sprintf("its requests come to %d bytes, and provider %q takes %d at most in a batch", file.Size, s.provider, f.bytes))
	}
	return s, err
}

// settled are the lines that nothing is to be done about, with what each has cost.
func (d *hand) settled(ctx context.Context, batch string) (map[int]int64, error) {
	known := map[int]int64{}
	const page = 64
	for from := 0; ; {
		list, err := d.store.Lines(ctx, batch, from, page)
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			if from = l.Number + 1; l.State != call.LineSent {
				known[l.Number] = l.Cost
			}
		}
		if len(list) < page {
			return known, nil
		}
	}
}

// plan writes the lines as they are to be sent.
func (d *hand) plan(ctx context.Context, b *call.Batch, who *call.Principal, s *sheet, known map[int]int64, w io.Writer) error {
	file, err := d.store.ReadFile(ctx, b.Input, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	e := endpoint(b.Endpoint)
	l := newLines(file, d.options().MaxLine)
	for n := 1; ctx.Err() == nil; n++ {
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, is := known[n]; is || len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var t task
		if err := json.Unmarshal(text, &t); err != nil {
			return fmt.Errorf("cannot read line %d of file %q: it has changed since it was looked through: %w", n, b.Input, err)
		}
		p, refused := d.natives.Plan(&Request{Endpoint: e, Principal: who, Batch: b.ID, Body: t.Body, Model: lacking(modelOf(t.Body), e)})
		if refused != nil {
			if passing(refused) {
				return unfit("a request cannot be judged now: " + refused.Message)
			}
			s.refused = append(s.refused, refusal{n, t.ID, p.ID, refused})
			continue
		}
		if err := s.add(w, n, &t, &p); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// add adds a line.
func (s *sheet) add(w io.Writer, n int, t *task, p *Plan) error {
	switch {
	case p.Not != "":
		return unfit(p.Not)
	case s.provider == "":
		s.provider, s.shape = p.Provider, p.Shape
	case s.provider != p.Provider:
		return unfit("its requests go to several providers: " + s.provider + " and " + p.Provider)
	case s.shape != p.Shape:
		return unfit("its requests go to batches of several kinds")
	}
	key := groupKey{p.Chain, p.Asked, p.Target}
	at, ok := s.at[key]
	if !ok {
		if at = len(s.groups); at == maxGroups {
			return unfit(fmt.Sprintf("it has requests for more than %d models", maxGroups))
		}
		s.at[key] = at
		s.groups = append(s.groups, call.NativeGroup{ID: p.Reservation, Asked: p.Asked, Target: p.Target, Price: p.Price})
		s.chains = append(s.chains, p.Chain)
	}
	g := &s.groups[at]
	g.Lines++
	s.lines++
	for u, n := range p.Need {
		g.Need[u] += n
	}
	return s.write(w, &label{n, at, p.ID, t.ID}, t, p.Body)
}

// write writes a line as its provider takes it.
func (s *sheet) write(w io.Writer, name *label, t *task, body []byte) error {
	sh := shapes[s.shape]
	f := sh.layout()
	if f.lines > 0 && s.lines > f.lines {
		return unfit(fmt.Sprintf("it has more requests than the %d that provider %q takes in a batch", f.lines, s.provider))
	}
	before := f.between
	if s.lines == 1 {
		before = f.head
	}
	line, err := json.Marshal(sh.request(s.file.ID, name, t, compact(body)))
	if err == nil {
		_, err = w.Write(append([]byte(before), line...))
	}
	return err
}

// close ends what was written.
func (s *sheet) close(w io.Writer) error {
	if s.lines == 0 {
		return nil
	}
	_, err := io.WriteString(w, shapes[s.shape].layout().tail)
	return err
}

// compact is body on one line.
func compact(body []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		return body // Marshal says what is wrong with it
	}
	return b.Bytes()
}

// entrust reserves what s may cost, in a way that a crash at any point leaves
// either nothing reserved or all of it known to whoever goes on.
func (d *hand) entrust(ctx context.Context, b *call.Batch, s *sheet, who *call.Principal, count int) (err error) {
	how, now := shapes[s.shape].layout(), time.Now().UTC()
	changed, err := d.store.EndBatch(ctx, b.ID, []call.File{s.file}, func(b *call.Batch) error {
		if b.State != call.BatchValidating || b.Native != nil || b.Mode == call.BatchGateway { // as another has decided
			return errMoved
		}
		b.State, b.Begun, b.Lines = call.BatchRunning, now, int64(count)
		b.Native = &call.Native{Provider: s.provider, Shape: string(s.shape), Stage: call.NativeReserving, Input: s.file.ID, Planned: now, Groups: s.groups, Total: s.lines,
			Org: who.Org, Project: who.Project, Team: who.Team, User: who.User}
		if !how.uploads {
			b.Native.Size = s.file.Size
		}
		return nil
	})
	if err != nil {
		return err
	}
	*b = changed
	groups := make([]Group, len(s.groups))
	for i := range s.groups {
		groups[i] = Group{s.groups[i].ID, s.chains[i], s.groups[i].Need}
	}
	if e := d.natives.Books().Reserve(ctx, b.ID, groups); e != nil {
		err := d.void(ctx, b, func(b *call.Batch) { b.Native, b.State = nil, reopened(b) })
		switch {
		case err != nil:
			return err
		case e.Status >= 500: // it is not that there is too little
			return e
		}
		return unfit(e.Message)
	}
	if err := d.refuse(ctx, b, s.refused); err != nil {
		return err
	}
	return d.move(ctx, b, func(b *call.Batch) {
		if b.Native.Stage = call.NativeCreating; how.uploads {
			b.Native.Stage = call.NativeUploading
		}
	})
}

// refuse notes the lines that are not sent.
func (d *hand) refuse(ctx context.Context, b *call.Batch, list []refusal) error {
	e := endpoint(b.Endpoint)
	for len(list) > 0 {
		var changes []store.LineChange
		for _, r := range list[:min(len(list), maxCommit)] {
			err := d.natives.Books().Book(b, &Row{ID: r.id, Status: r.err.Status, Class: r.err.Class, Code: r.err.Code})
			if err != nil {
				return err
			}
			out := outcome{ID: lineID(b.ID, r.n), Custom: r.custom, Response: &outResponse{r.err.Status, r.id.String(), wire.AppendError(nil, e.Dialect, r.err, r.id.String())}}
			changes = append(changes, d.ended(b, call.Line{Number: r.n, State: call.LineFailed, Out: out.json()}))
		}
		counted, err := d.store.Note(ctx, changes)
		if err != nil {
			return err
		}
		if slices.Contains(counted, false) {
			return errMoved
		}
		list = list[len(changes):]
		d.figures.failed.Add(int64(len(changes)))
	}
	return nil
}
