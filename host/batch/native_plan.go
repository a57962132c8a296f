package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	groups   []call.NativeGroup
	chains   []any // of groups
	at       map[groupKey]int
	refused  []refusal
	lines    int64 // that are sent
	file     string
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
	if !errors.As(err, &why) {
		return err == nil, err
	}
	if b.Mode == call.BatchNative {
		return true, d.fail(ctx, b, []Fault{{Code: "batch_not_native", Message: "No provider can carry out the batch: " + string(why) + ". Leave x-signalbox-batch out to have the gateway do it."}})
	}
	*b, err = d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
		b.Mode, b.Why = call.BatchGateway, string(why)
		return nil
	})
	return false, err
}

// sheet plans all lines of b and writes what is to be sent of them.
func (d *hand) sheet(ctx context.Context, b *call.Batch, who *call.Principal) (*sheet, error) {
	if window := b.Expires.Sub(b.Created); window < nativeWindow {
		return nil, unfit("providers take 24h, and completion_window is " + b.Window)
	}
	if time.Now().After(b.Expires) {
		return nil, unfit("its completion_window is over")
	}
	s := &sheet{at: map[groupKey]int{}, file: derived("file-", b.ID, "native")}
	if err := ignore(d.store.DeleteFile(ctx, keeper, s.file), call.ErrNoFile); err != nil {
		return nil, err
	}
	known, err := d.settled(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	planned := make(chan error, 1)
	go func() {
		err := d.plan(ctx, b, who, s, known, pw)
		pw.CloseWithError(err)
		planned <- err
	}()
	f := call.File{ID: s.file, Tenant: keeper, Name: b.ID + ".jsonl", Purpose: "batch", Created: time.Now().UTC(), Expires: b.Expires.Add(2 * giveUp)}
	_, err = d.store.PutFile(ctx, f, pr)
	_ = pr.Close()
	if perr := <-planned; perr != nil && !errors.Is(perr, io.ErrClosedPipe) {
		return nil, perr
	}
	if err == nil && s.lines == 0 {
		err = unfit("none of its requests is allowed")
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
		s.provider = p.Provider
	case s.provider != p.Provider:
		return unfit("its requests go to several providers: " + s.provider + " and " + p.Provider)
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
	name := label{n, at, p.ID, t.ID}
	line, err := json.Marshal(task{ID: name.String(), Method: t.Method, URL: t.URL, Body: compact(p.Body)})
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
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
	now := time.Now().UTC()
	*b, err = d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
		if b.State != call.BatchValidating {
			return errMoved
		}
		b.State, b.Begun, b.Lines = call.BatchRunning, now, int64(count)
		b.Native = &call.Native{Provider: s.provider, Stage: call.NativeReserving, Input: s.file, Planned: now, Groups: s.groups, Total: s.lines,
			Org: who.Org, Project: who.Project, Team: who.Team, User: who.User}
		return nil
	})
	if err != nil {
		return err
	}
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
	return d.move(ctx, b, func(b *call.Batch) { b.Native.Stage = call.NativeUploading })
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
		if _, err := d.store.Note(ctx, changes); err != nil {
			return err
		}
		list = list[len(changes):]
		d.figures.failed.Add(int64(len(changes)))
	}
	return nil
}
