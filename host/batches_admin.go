package host

import (
	"context"
	"errors"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/batch"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// ListBatches implements admin.Batches.
func (h *Host) ListBatches(ctx context.Context, after string, most int) ([]admin.BatchRow, error) {
	rows := []admin.BatchRow{}
	d, err := h.batches(ctx, false)
	if err != nil || d == nil {
		return rows, err
	}
	list, err := d.List(ctx, call.FilesQuery{After: after, Most: most})
	for i := range list {
		rows = append(rows, batchRow(&list[i], time.Now()))
	}
	return rows, err
}

// ShowBatch implements admin.Batches.
func (h *Host) ShowBatch(ctx context.Context, id string) (admin.BatchRow, error) {
	return h.oneBatch(ctx, id, func(d *batch.Desk) (call.Batch, []call.Chunk, error) { return d.Show(ctx, id) })
}

// CancelBatch implements admin.Batches.
func (h *Host) CancelBatch(ctx context.Context, id string) (admin.BatchRow, error) {
	return h.oneBatch(ctx, id, func(d *batch.Desk) (call.Batch, []call.Chunk, error) {
		b, err := d.Cancel(ctx, id)
		return b, nil, err
	})
}

func (h *Host) oneBatch(ctx context.Context, id string, do func(*batch.Desk) (call.Batch, []call.Chunk, error)) (admin.BatchRow, error) {
	d, err := h.batches(ctx, false)
	if err != nil {
		return admin.BatchRow{}, err
	}
	if d == nil {
		return admin.BatchRow{}, admin.ErrBatchUnknown
	}
	b, chunks, err := do(d)
	if errors.Is(err, call.ErrNoBatch) {
		err = admin.ErrBatchUnknown
	}
	if err != nil {
		return admin.BatchRow{}, err
	}
	row := batchRow(&b, time.Now())
	for _, c := range chunks {
		if c.Node != "" {
			row.Parts = append(row.Parts, admin.BatchPart{Number: c.Number, First: c.First, Lines: c.Lines, Node: h.nodeName(ctx, c.Node)})
		}
	}
	return row, nil
}

// nodeName is what a node is called, its id where nobody knows.
func (h *Host) nodeName(ctx context.Context, id string) string {
	nodes, err := h.store.Nodes(ctx)
	if err == nil {
		for i := range nodes {
			if nodes[i].ID == id {
				return nodes[i].Name
			}
		}
	}
	return id
}

func batchRow(b *call.Batch, now time.Time) admin.BatchRow {
	r := admin.BatchRow{ID: b.ID, Tenant: b.Tenant, Key: b.Key, KeyName: b.KeyName, Endpoint: b.Endpoint, Status: b.State,
		Mode: b.Mode, Why: b.Why, Total: b.Lines, Cost: b.Cost, Created: b.Created, Expires: b.Expires}
	r.Completed, r.Failed = b.Counts()
	if n := b.Native; n != nil {
		r.Mode, r.Provider, r.ProviderBatch, r.ProviderStatus = call.BatchNative, n.Provider, n.Batch, n.State
		if n.State == "" {
			r.ProviderStatus = string(n.Stage)
		}
	}
	r.Ended = b.Ended()
	if b.Begun.IsZero() {
		return r
	}
	until := now
	if !b.Finalizing.IsZero() {
		until = b.Finalizing
	}
	done := r.Completed + r.Failed
	if took := until.Sub(b.Begun).Seconds(); took > 0 {
		r.PerSecond = float64(done) / took
	}
	if b.State == call.BatchRunning && r.PerSecond > 0 {
		r.Left = float64(b.Lines-done) / r.PerSecond
	}
	return r
}

// batchFamilies are the counters of batches.
func (h *Host) batchFamilies() []telemetry.Family {
	figures := func() batch.Figures {
		h.desk.mu.Lock()
		defer h.desk.mu.Unlock()
		return h.desk.open.Figures()
	}
	return []telemetry.Family{
		{Name: "batch_requests_total", Help: "Requests of batches that this gateway has finished, or put off since a limit was reached.", Labels: []string{"result"}, Collect: func(emit telemetry.Emit) {
			f := figures()
			emit(float64(f.Done), "done")
			emit(float64(f.Failed), "failed")
			emit(float64(f.Waits), "put_off")
		}},
		{Name: "batches_open", Help: "Batches that are not over, of all gateways that share the store.", Collect: func(emit telemetry.Emit) {
			emit(float64(figures().Open))
		}},
	}
}
