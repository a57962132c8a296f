package trace

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exportWait bounds one export, its repetitions included.
const exportWait = 30 * time.Second

// run exports batches until Close. It alone touches exporter and spans.
func (t *Tracer) run() {
	defer close(t.done)
	ticker := time.NewTicker(t.opt.Every)
	defer ticker.Stop()
	batch := make([]*Item, 0, t.opt.Batch)
	for {
		select {
		case it := <-t.queue:
			if batch = append(batch, it); len(batch) < t.opt.Batch {
				continue
			}
		case <-ticker.C:
		case <-t.stop:
			t.drain(batch)
			return
		}
		ctx, cancel := context.WithTimeout(t.hurry, exportWait)
		batch = t.export(ctx, batch)
		cancel()
	}
}

// drain exports what has been sent before Close, within the time for that.
func (t *Tracer) drain(batch []*Item) {
	ctx := t.hurry
	for {
		select {
		case it := <-t.queue:
			if batch = append(batch, it); len(batch) == t.opt.Batch {
				batch = t.export(ctx, batch)
			}
			continue
		default:
		}
		break
	}
	t.export(ctx, batch)
	if err := t.opt.Export.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.opt.Log.Debug("the exporter of traces did not end in order", "err", err)
	}
}

// export sends one batch and returns it empty.
func (t *Tracer) export(ctx context.Context, batch []*Item) []*Item {
	if len(batch) == 0 {
		return batch
	}
	var spans []sdktrace.ReadOnlySpan
	for _, it := range batch {
		spans = t.appendSpans(spans, it)
	}
	err := t.opt.Export.ExportSpans(ctx, spans)
	if n := int64(len(batch)); err == nil {
		t.counts.sent.Add(n)
		t.counts.spans.Add(int64(len(spans)))
	} else {
		t.counts.failed.Add(n)
		t.notice.warn(time.Now(), "traces cannot be exported, requests go on without",
			"err", fmt.Errorf("cannot export traces: %w: check telemetry.traces.endpoint and the collector", err), "lost", t.counts.failed.Load(), "dropped", t.counts.dropped.Load())
	}
	for i, it := range batch {
		t.free(it)
		batch[i] = nil
	}
	return batch[:0]
}

// Close exports what waits, within Options.Stop, and ends the tracer.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	t.once.Do(func() {
		close(t.stop)
		end := time.AfterFunc(t.opt.Stop, t.cancel) // also of an export that is under way
		<-t.done
		end.Stop()
		t.cancel()
	})
	<-t.done
}
