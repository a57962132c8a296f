package batch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func newID(prefix string) string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}

// order is what a batch is made of.
type order struct {
	Input    string                      `json:"input_file_id"`
	Endpoint string                      `json:"endpoint"`
	Window   string                      `json:"completion_window"`
	Metadata map[string]*json.RawMessage `json:"metadata"`
	Output   *lifetime                   `json:"output_expires_after"`
}

type lifetime struct {
	Anchor  string `json:"anchor"`
	Seconds int64  `json:"seconds"`
}

// Bounds of what may be said, by OpenAI's API reference.
const (
	minLife     = 3600
	maxLife     = 2592000
	maxMetadata = 16
	maxName     = 64
	maxValue    = 512
)

func (l *lifetime) check(param string) *wire.Error {
	switch {
	case l.Anchor != "created_at":
		return invalid(param+".anchor", "%s.anchor must be created_at", param)
	case l.Seconds < minLife || l.Seconds > maxLife:
		return invalid(param+".seconds", "%s.seconds must be from %d to %d", param, minLife, maxLife)
	}
	return nil
}

// read makes b what the order says.
func (r *order) read(b *call.Batch, opt *Options) *wire.Error {
	if r.Input == "" {
		return invalid("input_file_id", "input_file_id is missing: upload a file of requests with purpose batch first")
	}
	if endpoint(r.Endpoint) == nil {
		var paths []string
		for _, e := range endpoints {
			paths = append(paths, e.Path)
		}
		return invalid("endpoint", "endpoint must be one of %s, not %q", strings.Join(paths, ", "), r.Endpoint)
	}
	window, err := time.ParseDuration(r.Window)
	if err != nil || window < time.Minute || window > opt.Window {
		return invalid("completion_window", "completion_window must be a time such as 24h, up to %s, not %q", opt.Window, r.Window)
	}
	if r.Output != nil {
		if err := r.Output.check("output_expires_after"); err != nil {
			return err
		}
		b.OutputLife = r.Output.Seconds
	}
	b.Input, b.Endpoint, b.Window, b.Expires = r.Input, r.Endpoint, r.Window, b.Created.Add(window)
	return r.describe(b)
}

// describe keeps the metadata.
func (r *order) describe(b *call.Batch) *wire.Error {
	if r.Metadata == nil {
		return nil
	}
	if len(r.Metadata) > maxMetadata {
		return invalid("metadata", "metadata has %d entries: it may have %d", len(r.Metadata), maxMetadata)
	}
	plain := map[string]string{}
	for name, raw := range r.Metadata {
		var value string
		if raw == nil || json.Unmarshal(*raw, &value) != nil || len(name) > maxName || len(value) > maxValue {
			return invalid("metadata", "metadata must map names of up to %d bytes to texts of up to %d: see %q", maxName, maxValue, name)
		}
		plain[name] = value
	}
	b.Metadata, _ = json.Marshal(plain) // texts cannot fail
	return nil
}

// create takes a batch in. Its file is looked through later.
func (d *Desk) create(ctx context.Context, o Owner, q *Ask) (Result, *wire.Error) {
	var r order
	if err := json.Unmarshal(q.Body, &r); err != nil {
		return Result{}, invalid("", "the body cannot be read as the JSON of a batch: %v", err)
	}
	opt := d.options()
	mode, bad := q.mode(opt.Mode)
	if bad != nil {
		return Result{}, bad
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	b := call.Batch{ID: newID("batch_"), Tenant: o.Tenant, Key: o.Key, KeyName: o.KeyName, State: call.BatchValidating, Mode: mode, Created: now}
	if err := r.read(&b, &opt); err != nil {
		return Result{}, err
	}
	f, err := d.store.File(ctx, o.Tenant, b.Input)
	if err != nil {
		e := named(err, "file", b.Input)
		e.Param = "input_file_id"
		return Result{}, e
	}
	if f.Purpose != "batch" {
		return Result{}, invalid("input_file_id", "the file %s has purpose %s: upload one with purpose batch", f.ID, f.Purpose)
	}
	if err := d.take(ctx, b, opt.MaxBatches); err != nil {
		return Result{}, told(err)
	}
	d.queue(ctx, b.ID)
	return answer(showBatch(&b), nil, "batch", b.ID)
}

// mode is who is to carry out a batch, as is asked for or else as usual.
func (q *Ask) mode(usual string) (string, *wire.Error) {
	switch q.Wish {
	case "":
		return usual, nil
	case call.BatchAuto, call.BatchGateway, call.BatchNative:
		return q.Wish, nil
	}
	return "", invalid("x-signalbox-batch", "x-signalbox-batch must be auto, native or gateway, not %q", q.Wish)
}

// queue has a batch that is new worked on.
func (d *Desk) queue(ctx context.Context, id string) {
	if err := d.store.Enqueue(ctx, []call.Step{{Batch: id, Chunk: lead}}); err != nil {
		d.log.Warn("cannot queue a batch now: it is looked for again", "batch", id, "err", err)
	}
}

// take keeps a batch, unless its tenant has as many at work as it may. They
// come one by one, so that none is overlooked.
func (d *Desk) take(ctx context.Context, b call.Batch, most int) error {
	d.taking.Lock()
	defer d.taking.Unlock()
	ids, err := d.store.Unfinished(ctx, b.Tenant)
	if err != nil {
		return err
	}
	if len(ids) >= most {
		e := wire.Errorf(429, "too_many_batches", "%d batches of yours are not over, as many as may be: wait for one, or cancel one", len(ids))
		e.RetryAfter = time.Minute
		return e
	}
	return d.store.CreateBatch(ctx, b)
}

// Cancel ends a batch: what runs is waited for, what waits is not sent.
func (d *Desk) Cancel(ctx context.Context, id string) (call.Batch, error) {
	b, err := d.store.ChangeBatch(ctx, id, func(b *call.Batch) error {
		switch b.State {
		case call.BatchValidating, call.BatchRunning:
			b.State, b.Cancelling = call.BatchCancelling, time.Now().UTC()
		case call.BatchCancelling, call.BatchCancelled:
		default:
			return wire.Errorf(409, "batch_over", "the batch is %s and cannot be cancelled any more", b.State)
		}
		return nil
	})
	if err != nil {
		return b, err
	}
	if !b.Over() { // with a try of its own, as the next look at the provider may wait in the queue
		err = d.store.Enqueue(ctx, []call.Step{{Batch: id, Chunk: lead, Try: 1}})
	}
	return b, err
}
