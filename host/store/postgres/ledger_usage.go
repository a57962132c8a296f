package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
)

var dialect = report.Dialect{
	Param:    func(n int) string { return fmt.Sprintf("$%d", n) },
	Provider: "CASE WHEN strpos(f.target, '/') > 0 THEN split_part(f.target, '/', 1) ELSE '' END",
	Month: func(seconds string) string {
		return "to_char(to_timestamp(" + seconds + ") AT TIME ZONE 'UTC', 'YYYY-MM')"
	},
	Unit: func(name string) string { return "coalesce((r.units::json ->> '" + name + "')::bigint, 0)" },
}

// Usage implements store.Ledger.
func (s *Store) Usage(ctx context.Context, q call.UsageQuery) (out call.Usage, err error) {
	err = s.report(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var kept report.Kept
		if err := tx.QueryRow(ctx, "SELECT requests, hours FROM ledger_kept").Scan(&kept.Requests, &kept.Hours); err != nil {
			return err
		}
		ask, err := report.Usage(&dialect, q, kept)
		if err != nil {
			return err
		}
		out.Source = ask.Source
		rows, err := tx.Query(ctx, ask.SQL, ask.Args...)
		if err != nil {
			return err
		}
		out.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r call.UsageRow, err error) {
			r.Keys = make([]string, len(q.By))
			var into []any
			for i := range r.Keys {
				into = append(into, &r.Keys[i])
			}
			for _, f := range r.Figures() {
				into = append(into, f)
			}
			return r, row.Scan(into...)
		})
		if err != nil {
			return err
		}
		return ask.Label(out.Rows)
	})
	if err != nil {
		return call.Usage{}, fmt.Errorf("cannot query usage: %w", err)
	}
	return out, nil
}

// Requests implements store.Ledger.
func (s *Store) Requests(ctx context.Context, q call.RequestsQuery, each func(*call.LedgerRow) error) error {
	ask, err := report.Requests(&dialect, q)
	if err == nil {
		err = s.report(ctx, func(ctx context.Context, tx pgx.Tx) error {
			rows, err := tx.Query(ctx, ask.SQL, ask.Args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			return eachRow(rows, each)
		})
	}
	if err != nil {
		return fmt.Errorf("cannot read ledger: %w", err)
	}
	return nil
}

func eachRow(rows pgx.Rows, each func(*call.LedgerRow) error) error {
	var r call.LedgerRow
	var id, stream int64
	var parent *int64
	var units, attempts *string
	texts, numbers := report.RowFields(&r)
	var into [report.NumRow]any
	for i := range into {
		switch {
		case texts[i] != nil:
			into[i] = texts[i]
		case numbers[i] != nil:
			into[i] = numbers[i]
		}
	}
	into[report.RowID], into[report.RowCount], into[report.RowStream] = &id, &r.Count, &stream
	into[report.RowUnits], into[report.RowAttempts], into[report.RowParent] = &units, &attempts, &parent
	for rows.Next() {
		r = call.LedgerRow{}
		if err := rows.Scan(into[:]...); err != nil {
			return err
		}
		r.ID, r.Stream = call.ID(id), stream != 0
		if parent != nil {
			r.Parent = call.ID(*parent)
		}
		if attempts != nil {
			r.Attempts = []byte(*attempts)
		}
		if units != nil {
			if err := report.ReadUnits([]byte(*units), &r); err != nil {
				return err
			}
		}
		if err := each(&r); err != nil {
			return err
		}
	}
	return rows.Err()
}
