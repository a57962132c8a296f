package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// remote is a batch, or a page of them, as a provider shows it.
type remote struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Input   string `json:"input_file_id"`
	Output  string `json:"output_file_id"`
	Errors  string `json:"error_file_id"`
	Created int64  `json:"created_at"`
	Counts  struct {
		Completed int64 `json:"completed"`
		Failed    int64 `json:"failed"`
	} `json:"request_counts"`
	Faults *struct {
		Data []Fault `json:"data"`
	} `json:"errors"`
	Data []remote `json:"data"`
	More bool     `json:"has_more"`
}

// ask asks the provider of b and reads what it answers.
func (d *hand) ask(ctx context.Context, b *call.Batch, op wire.Op, method, path string, body []byte) (r remote, _ *wire.Error) {
	text, err := d.natives.Do(ctx, &Errand{Provider: b.Native.Provider, Batch: b.ID, Op: op, Method: method, Path: path, Body: body})
	if err == nil && json.Unmarshal(text, &r) != nil {
		err = wire.Errorf(502, "bad_answer", "the provider's answer about a batch cannot be read")
	}
	return r, err
}

// uploadTo sends the file of requests. One that is lost to a crash on the way
// is sent again: files cost nothing.
func (d *hand) uploadTo(ctx context.Context, b *call.Batch) (time.Duration, error) {
	if !b.Cancelling.IsZero() {
		return 0, d.refused(ctx, b, Fault{})
	}
	f, err := d.store.File(ctx, keeper, b.Native.Input)
	if err != nil {
		return 0, err
	}
	text, failed := d.natives.Do(ctx, &Errand{Provider: b.Native.Provider, Batch: b.ID, Op: wire.OpFiles, File: &Sent{f.Name, f.Size,
		func(from int64) (io.ReadCloser, error) { return d.store.ReadFile(ctx, f.ID, from) }}})
	var r remote
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

// arrives is after what time a request for a batch, whose sender has died, has
// been carried out if it ever is.
const arrives = 15 * time.Second

// createAt makes the batch. Before it is asked for that is noted: whoever finds
// the note looks for the batch by its file, which no other has, and asks anew
// only if there is none: what it cost is to be paid once.
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
	if err := d.move(ctx, b, func(b *call.Batch) { b.Native.Asked = time.Now().UTC() }); err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]any{"input_file_id": b.Native.File, "endpoint": b.Endpoint, "completion_window": "24h",
		"metadata": map[string]string{"signalbox_batch": b.ID}})
	if err != nil {
		return 0, err
	}
	r, failed := d.ask(ctx, b, wire.OpBatches, "", "", body)
	switch {
	case failed != nil && failed.Status >= 400 && failed.Status < 500 && !passing(failed):
		return 0, d.refused(ctx, b, Fault{Code: failed.Code, Message: failed.Message})
	case failed != nil: // it may be there all the same: look
		return max(rest(failed), soon), nil
	}
	return 0, d.made(ctx, b, &r)
}

func (d *hand) made(ctx context.Context, b *call.Batch, r *remote) error {
	if r.ID == "" {
		return d.refused(ctx, b, Fault{Code: "bad_answer", Message: "The provider's answer names no batch."})
	}
	return d.move(ctx, b, func(b *call.Batch) {
		b.Native.Stage, b.Native.Batch, b.Native.State = call.NativeWaiting, r.ID, r.Status
	})
}

// find looks for the batch among the provider's.
func (d *hand) find(ctx context.Context, b *call.Batch) (found remote, again time.Duration, err error) {
	const pages = 100
	path := "?limit=100"
	for range pages {
		list, failed := d.ask(ctx, b, wire.OpBatches, http.MethodGet, path, nil)
		if failed != nil {
			d.log.Warn("cannot look for a batch at its provider", "batch", b.ID, "provider", b.Native.Provider, "err", failed)
			if givenUp(b) {
				return found, 0, d.lost(ctx, b, failed)
			}
			return found, rest(failed), nil
		}
		for _, r := range list.Data {
			if r.Input == b.Native.File {
				return r, 0, nil
			}
		}
		last := len(list.Data) - 1
		if !list.More || last < 0 || list.Data[last].Created < b.Begun.Add(-time.Hour).Unix() {
			break
		}
		path = "?limit=100&after=" + url.QueryEscape(list.Data[last].ID)
	}
	if left := time.Until(b.Native.Asked.Add(arrives)); left > 0 {
		return found, max(left, time.Second), nil
	}
	return found, 0, nil
}

// poll asks how far the provider is.
func (d *hand) poll(ctx context.Context, b *call.Batch) (time.Duration, error) {
	at := "/" + url.PathEscape(b.Native.Batch)
	r, failed := d.ask(ctx, b, wire.OpBatches, http.MethodGet, at, nil)
	if failed != nil {
		if givenUp(b) {
			return 0, d.lost(ctx, b, failed)
		}
		return rest(failed), nil
	}
	switch r.Status {
	case call.BatchFailed:
		if r.Output == "" && r.Errors == "" {
			return 0, d.refused(ctx, b, r.fault())
		}
		fallthrough
	case call.BatchCompleted, call.BatchExpired, call.BatchCancelled:
		return 0, d.move(ctx, b, func(b *call.Batch) {
			n := b.Native
			n.Stage, n.State, n.Output, n.Errors, n.Done, n.Failed = call.NativeFetching, r.Status, r.Output, r.Errors, r.Counts.Completed, r.Counts.Failed
			b.Finalizing = time.Now().UTC()
			if b.State == call.BatchRunning {
				b.State = call.BatchFinalizing
			}
		})
	case call.BatchCancelling:
	default:
		if !b.Cancelling.IsZero() {
			_, failed = d.ask(ctx, b, wire.OpBatches, "", at+"/cancel", nil)
			if failed != nil {
				d.log.Warn("cannot cancel a batch at its provider", "batch", b.ID, "provider", b.Native.Provider, "err", failed)
			}
		}
	}
	if givenUp(b) {
		return 0, d.lost(ctx, b, wire.Errorf(502, "batch_endless", "it has not ended a day after its window: it says %q", r.Status))
	}
	err := d.move(ctx, b, func(b *call.Batch) {
		n := b.Native
		n.State, n.Done, n.Failed = r.Status, r.Counts.Completed, r.Counts.Failed
		n.Polls++
	})
	return pollPause(b), err
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

// fault is why a provider has not begun a batch.
func (r *remote) fault() Fault {
	if r.Faults != nil && len(r.Faults.Data) > 0 {
		f := r.Faults.Data[0]
		return Fault{Code: f.Code, Message: f.Message, Param: f.Param}
	}
	return Fault{Code: "batch_failed", Message: "The provider says no more than that the batch has failed."}
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
