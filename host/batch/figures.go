package batch

import (
	"context"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
)

// figures count what this node has done since its start.
type figures struct {
	done, failed, waits atomic.Int64 // lines
	open                atomic.Int64 // batches that are not over, of all nodes
}

// Figures are counters of a Desk.
type Figures struct {
	Done, Failed, Waits int64 // lines that this node has finished, or put off
	Open                int64 // batches that are not over, of all nodes
}

// Figures returns the counters, zeros for nil.
func (d *Desk) Figures() (f Figures) {
	if d == nil {
		return f
	}
	return Figures{d.figures.done.Load(), d.figures.failed.Load(), d.figures.waits.Load(), d.figures.open.Load()}
}

// List returns batches as q asks for.
func (d *Desk) List(ctx context.Context, q call.FilesQuery) ([]call.Batch, error) {
	return d.store.Batches(ctx, q)
}

// Show is a batch with its chunks.
func (d *Desk) Show(ctx context.Context, id string) (call.Batch, []call.Chunk, error) {
	b, err := d.store.Batch(ctx, id)
	if err != nil {
		return b, nil, err
	}
	chunks, err := d.store.Chunks(ctx, id)
	return b, chunks, err
}
