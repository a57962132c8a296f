package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// requests is the file of what is sent, as it leaves.
func (d *hand) requests(ctx context.Context, b *call.Batch) (*Sent, error) {
	f, err := d.store.File(ctx, keeper, b.Native.Input)
	return &Sent{Name: f.Name, Size: f.Size, Open: func(from int64) (io.ReadCloser, error) { return d.store.ReadFile(ctx, f.ID, from) }}, err
}

// uploadTo sends the file of requests. One that is lost to a crash on the way
// is sent again: files cost nothing.
func (d *hand) uploadTo(ctx context.Context, b *call.Batch) (time.Duration, error) {
	if !b.Cancelling.IsZero() {
		return 0, d.refused(ctx, b, Fault{})
	}
	f, err := d.requests(ctx, b)
	if err != nil {
		return 0, err
	}
	text, failed := d.do(ctx, b, &Errand{Op: wire.OpFiles, Dialect: wire.OpenAIFiles, File: f})
	var r struct {
		ID string `json:"id"`
	}
	if failed == nil && (json.Unmarshal(text, &r) != nil || r.ID == "") {
		failed = wire.Errorf(502, "bad_answer", "the provider's answer about a file cannot be read")
	}
	if failed != nil {
		return d.trouble(ctx, b, failed)
	}
	return 0, d.move(ctx, b, func(b *call.Batch) {
		b.Native.Stage, b.Native.File, b.Native.Asked = call.NativeCreating, r.ID, time.Time{}
	})
}

const (
	// arrives is after what time a request for a batch, whose sender has died, has
	// been carried out if it ever is.
	arrives = 15 * time.Second
	// clocks is how far the provider's clock may be from ours.
	clocks = time.Hour
	// slowest is how many bytes a second leave at the least.
	slowest = 256 << 10
)

// sending is how long a request for a batch may take, 0: as long as others.
// Where the requests go along it is long, and who believes its sender dead has
// to know when it is over.
func sending(b *call.Batch) time.Duration {
	if b.Native.Size == 0 {
		return 0
	}
	return time.Minute + time.Duration(b.Native.Size/slowest)*time.Second
}

// createAt makes the batch. Before it is asked for that is noted: whoever finds
// the note looks for the batch among the provider's, and asks anew only if it
// is not there: what it cost is to be paid once.
func (d *hand) createAt(ctx context.Context, b *call.Batch) (time.Duration, error) {
	if !b.Native.Asked.IsZero() {
		r, again, err := d.find(ctx, b)
		if err != nil || again > 0 || b.Native.Stage == call.NativeOver {
			return again, err
		}
		if r.ID != "" {
			return 0, d.made(ctx, b, &r)
		}
	}
	if !b.Cancelling.IsZero() || time.Now().After(b.Expires) {
		return 0, d.refused(ctx, b, Fault{Code: "batch_not_taken", Message: "The provider has not taken the batch before its completion window was over."})
	}
	order, err := d.order(ctx, b)
	if err != nil {
		return 0, err
	}
	if err := d.move(ctx, b, func(b *call.Batch) { b.Native.Asked = time.Now().UTC() }); err != nil {
		return 0, err
	}
	timed, cancel := ctx, context.CancelFunc(func() {})
	if most := sending(b); most > 0 {
		timed, cancel = context.WithDeadline(ctx, b.Native.Asked.Add(most))
	}
	defer cancel()
	r, failed := d.ask(timed, b, order)
	switch {
	case failed != nil && timed.Err() == nil && failed.Status >= 400 && failed.Status < 500 && !passing(failed):
		return 0, d.refused(ctx, b, Fault{Code: failed.Code, Message: failed.Message})
	case failed != nil: // it may be there all the same: look
		d.log.Warn("it is not known whether a provider has taken a batch", "batch", b.ID, "provider", b.Native.Provider, "err", failed)
		return max(rest(failed), soon), nil
	}
	return 0, d.made(ctx, b, &r)
}

// order is what asks for the batch.
func (d *hand) order(ctx context.Context, b *call.Batch) (*Errand, error) {
	sh := shapeOf(b.Native)
	if sh.layout().uploads {
		return sh.order(b, nil)
	}
	f, err := d.requests(ctx, b)
	if err != nil {
		return nil, err
	}
	f.Type = "application/json"
	return sh.order(b, f)
}

func (d *hand) made(ctx context.Context, b *call.Batch, r *remote) error {
	if r.ID == "" {
		return d.refused(ctx, b, Fault{Code: "bad_answer", Message: "The provider's answer names no batch."})
	}
	return d.move(ctx, b, func(b *call.Batch) {
		b.Native.Stage, b.Native.Batch, b.Native.State, b.Native.Polls = call.NativeWaiting, r.ID, r.State, 0
	})
}

// find looks for the batch among the provider's. again > 0: it cannot be said
// yet whether it is there.
func (d *hand) find(ctx context.Context, b *call.Batch) (found remote, again time.Duration, err error) {
	const pages = 100
	sh, after := shapeOf(b.Native), ""
	var doubt *wire.Error // why one that may be it is not known to be
	for range pages {
		list, failed := d.ask(ctx, b, &Errand{Method: http.MethodGet, Path: sh.page(after)})
		if failed != nil {
			again, err = d.blind(ctx, b, failed, rest(failed))
			return found, again, err
		}
		for i := range list.List {
			switch is, failed := sh.own(ctx, d, b, &list.List[i]); {
			case is == ownYes:
				return list.List[i], 0, nil
			case failed != nil:
				doubt = failed
			case is == ownUnsure && doubt == nil:
				doubt = wire.Errorf(409, "batch_in_doubt", "its batch %s may be this one, which can be told once that has ended", list.List[i].ID)
			}
		}
		last := len(list.List) - 1
		if !list.More || last < 0 || list.List[last].Created.Before(b.Begun.Add(-clocks)) {
			break
		}
		after = list.List[last].ID
	}
	if doubt != nil {
		if again, err = d.blind(ctx, b, doubt, pollPause(b)); again > 0 {
			err = d.move(ctx, b, func(b *call.Batch) { b.Native.Polls++ })
		}
		return found, again, err
	}
	if left := time.Until(b.Native.Asked.Add(sending(b) + arrives)); left > 0 {
		return found, max(left, time.Second), nil
	}
	return found, 0, nil
}

// blind is what to do about a batch that cannot be looked for now: it is given
// up when its provider is not waited for any more.
func (d *hand) blind(ctx context.Context, b *call.Batch, why *wire.Error, again time.Duration) (time.Duration, error) {
	d.log.Warn("cannot find a batch at its provider yet", "batch", b.ID, "provider", b.Native.Provider, "err", why)
	if !givenUp(b) {
		return again, nil
	}
	return 0, d.lost(ctx, b, why)
}

// takenBy reports whether a provider's batch is known to be another of the
// gateway's than b.
func (d *hand) takenBy(ctx context.Context, b *call.Batch, id string) (bool, error) {
	ids, err := d.store.Unfinished(ctx, "")
	if err != nil {
		return false, err
	}
	for _, other := range ids {
		if other == b.ID {
			continue
		}
		o, err := d.store.Batch(ctx, other)
		switch {
		case errors.Is(err, call.ErrNoBatch):
		case err != nil:
			return false, err
		case o.Native != nil && o.Native.Provider == b.Native.Provider && o.Native.Batch == id:
			return true, nil
		}
	}
	return false, nil
}

// poll asks how far the provider is.
func (d *hand) poll(ctx context.Context, b *call.Batch) (time.Duration, error) {
	at := "/" + url.PathEscape(b.Native.Batch)
	r, failed := d.ask(ctx, b, &Errand{Method: http.MethodGet, Path: at})
	if failed != nil {
		if givenUp(b) {
			return 0, d.lost(ctx, b, failed)
		}
		return rest(failed), nil
	}
	switch {
	case r.State == call.BatchFailed && r.Output == "" && r.Errors == "":
		return 0, d.refused(ctx, b, r.Fault)
	case ended(r.State):
		return 0, d.move(ctx, b, func(b *call.Batch) {
			n := b.Native
			n.Stage, n.State, n.Output, n.Errors, n.Done, n.Failed = call.NativeFetching, r.State, r.Output, r.Errors, r.Done, r.Failed
			b.Finalizing = time.Now().UTC()
			if b.State == call.BatchRunning {
				b.State = call.BatchFinalizing
			}
		})
	case r.State != call.BatchCancelling && !b.Cancelling.IsZero():
		if _, failed = d.ask(ctx, b, &Errand{Path: at + "/cancel"}); failed != nil {
			d.log.Warn("cannot cancel a batch at its provider", "batch", b.ID, "provider", b.Native.Provider, "err", failed)
		}
	}
	if givenUp(b) {
		return 0, d.lost(ctx, b, wire.Errorf(502, "batch_endless", "it has not ended a day after its window: it says %q", r.State))
	}
	err := d.move(ctx, b, func(b *call.Batch) {
		n := b.Native
		n.State, n.Done, n.Failed = r.State, r.Done, r.Failed
		n.Polls++
	})
	return pollPause(b), err
}

// ended reports whether a batch in that state has its results, all that there
// will be.
func ended(state string) bool {
	switch state {
	case call.BatchFailed, call.BatchCompleted, call.BatchExpired, call.BatchCancelled:
		return true
	}
	return false
}

// pollPause is after what time it is asked again: what is over soon is known soon.
func pollPause(b *call.Batch) time.Duration {
	if !b.Cancelling.IsZero() {
		return soon
	}
	wait := time.Second
	for range min(b.Native.Polls, 12) {
		wait = wait * 3 / 2
	}
	return min(wait, time.Minute)
}

// lost ends a batch that its provider does not tell of any more: it may have
// cost as much as was reserved.
func (d *hand) lost(ctx context.Context, b *call.Batch, e *wire.Error) error {
	now, err := d.store.Batch(ctx, b.ID)
	if err != nil {
		return err
	}
	booked := now.Cost // by lines whose results have come: their rows are a part of what is charged
	for _, g := range b.Native.Groups {
		row := Row{ID: g.ID, Asked: g.Asked, Target: g.Target, Status: 502, Class: wire.ClassServer, Code: "batch_lost", Estimated: true}
		part := min(booked, g.Need[call.UnitUSD])
		booked -= part
		row.Cost = g.Need[call.UnitUSD] - part
		if err := d.natives.Books().Book(b, &row); err != nil {
			return err
		}
		if err := d.natives.Books().Redeem(ctx, g.ID, g.Need); err != nil {
			return err
		}
	}
	text, err := json.Marshal([]Fault{{Code: "batch_lost", Message: fmt.Sprintf("The provider does not tell of the batch any more: %s. What it may have cost at most is charged.", e.Message)}})
	if err != nil {
		return err
	}
	return d.move(ctx, b, func(b *call.Batch) { b.Native.Stage, b.Faults = call.NativeOver, text })
}
