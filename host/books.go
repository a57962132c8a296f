package host

import (
	"context"
	"log/slog"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// books answers questions about the ledger, what is still in this node's journal
// included.
type books struct{ h *Host }

// Usage implements admin.Ledger.
func (b books) Usage(ctx context.Context, q call.UsageQuery) (call.Usage, error) {
	if err := b.fold(ctx); err != nil {
		return call.Usage{}, err
	}
	return b.h.store.Usage(ctx, q)
}

// fold brings the journal in. Without it an answer would leave something out.
func (b books) fold(ctx context.Context) error {
	if err := b.h.ledger.Fold(ctx); err != nil {
		b.h.log.Error("cannot answer from the ledger", "error", err)
		return wire.Errorf(503, codeLedger, "the store does not take rows now, so that it cannot say what they sum up to: try again later; the gateway's log says why")
	}
	return nil
}

// page is how many rows are read in one go, before the first is given on: the
// store does not wait for those who export.
const page = 5000

// Requests implements admin.Ledger.
func (b books) Requests(ctx context.Context, q call.RequestsQuery, each func(*call.LedgerRow) error) error {
	if err := b.fold(ctx); err != nil {
		return err
	}
	left := q.Limit
	var rows []call.LedgerRow
	for {
		q.Limit, rows = page, rows[:0]
		if left > 0 {
			q.Limit = min(page, left)
		}
		err := b.h.store.Requests(ctx, q, func(r *call.LedgerRow) error {
			rows = append(rows, *r)
			return nil
		})
		for i := 0; i < len(rows) && err == nil; i++ {
			q.After = rows[i].ID
			err = each(&rows[i])
		}
		if err != nil || len(rows) < q.Limit || left == len(rows) || q.ID != 0 {
			return err
		}
		if left > 0 {
			left -= len(rows)
		}
	}
}

func ledgerOptions(cfg *config.Config, log *slog.Logger) ledger.Options {
	o := ledger.Options{Log: log, Max: int64(cfg.Ledger.MaxJournal), Strangers: cfg.Ledger.UnauthenticatedRows}
	if o.Strangers == 0 {
		o.Strangers = -1
	}
	return o
}

// write writes r down. Callers without a valid key must not fill the disk, and
// nobody must while it cannot be written.
func (h *Host) write(f *flight, r *call.Record) error {
	switch {
	case f.Principal == nil:
		r.KeyID = f.shown
		if f.Remote.IsValid() {
			r.Address = f.Remote.String()
		}
		return h.ledger.AppendStranger(r)
	case f.Err != nil && f.Err.Code == codeLedger && len(f.Attempts) == 0:
		return h.ledger.Count(r)
	}
	return h.ledger.Append(r)
}

// codeLedger is of requests that are refused since they could not be recorded.
const codeLedger = "ledger_unavailable"

// bookFamilies are the ledger's own counters.
func (h *Host) bookFamilies() []telemetry.Family {
	one := func(name, help string, value func(ledger.Stats) float64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) { emit(value(h.ledger.Stats())) }}
	}
	return []telemetry.Family{
		one("ledger_left_out_total", "Requests that the ledger counts without rows of their own.", func(s ledger.Stats) float64 { return float64(s.LeftOut) }),
		one("ledger_backlog_bytes", "Bytes of the journal that the store has not taken.", func(s ledger.Stats) float64 { return float64(s.Backlog) }),
		one("ledger_fold_errors_total", "Batches of rows that the store did not take, to be tried again.", func(s ledger.Stats) float64 { return float64(s.FoldErrors) }),
	}
}
