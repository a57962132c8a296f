package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
)

var dialect = report.Dialect{
	Param:    func(n int) string { return fmt.Sprintf("?%d", n) },
	Provider: "substr(f.target, 1, instr(f.target, '/') - 1)",
	Month:    func(seconds string) string { return "strftime('%Y-%m', " + seconds + ", 'unixepoch')" },
	Unit:     func(name string) string { return "coalesce(r.units ->> '" + name + "', 0)" },
	Sorts:    true,
}

// Usage sums the ledger up.
func (s *Store) Usage(ctx context.Context, q call.UsageQuery) (out call.Usage, err error) {
	err = s.read(ctx, func(conn *sqlite.Conn) error {
		kept, err := readKept(conn)
		if err != nil {
			return err
		}
		ask, err := report.Usage(&dialect, q, kept)
		if err != nil {
			return err
		}
		out.Source = ask.Source
		if out.Rows, err = usageRows(conn, ask, len(q.By)); err != nil {
			return err
		}
		return ask.Label(out.Rows)
	})
	if err != nil {
		return call.Usage{}, fmt.Errorf("cannot query usage: %w", err)
	}
	return out, nil
}

var errFull = errors.New("there are more groups than an answer may have")

// usageRows are the answer to ask, grouped here: SQLite groups by sorting, which
// takes longer than the rest.
func usageRows(conn *sqlite.Conn, ask *report.Question, keys int) ([]call.UsageRow, error) {
	var t report.Tally
	err := sqlitex.Execute(conn, ask.SQL, &sqlitex.ExecOptions{Args: ask.Args, ResultFunc: func(st *sqlite.Stmt) error {
		r := t.Row(keys, func(n int, to []byte) []byte {
			at := len(to)
			to = slices.Grow(to, st.ColumnLen(n))[:at+st.ColumnLen(n)]
			st.ColumnBytes(n, to[at:])
			return to
		})
		for i, f := range r.Figures() {
			*f += st.ColumnInt64(keys + i)
		}
		if t.Full() {
			return errFull
		}
		return nil
	}})
	if t.Full() {
		err = nil // Label says it better
	}
	return t.Rows(), err
}

// read runs f on one state of the ledger.
func (s *Store) read(ctx context.Context, f func(*sqlite.Conn) error) (err error) {
	conn, err := s.reads.Take(ctx)
	if err != nil {
		return err
	}
	defer s.reads.Put(conn)
	end := sqlitex.Transaction(conn)
	defer end(&err)
	return f(conn)
}

func readKept(conn *sqlite.Conn) (k report.Kept, err error) {
	err = sqlitex.Execute(conn, "SELECT requests, hours FROM kept", &sqlitex.ExecOptions{ResultFunc: func(st *sqlite.Stmt) error {
		k = report.Kept{Requests: st.ColumnInt64(0), Hours: st.ColumnInt64(1)}
		return nil
	}})
	return k, err
}

// Requests calls each with the rows that q asks for, until it fails. The row is
// used again.
func (s *Store) Requests(ctx context.Context, q call.RequestsQuery, each func(*call.LedgerRow) error) error {
	ask, err := report.Requests(&dialect, q)
	if err == nil {
		err = s.read(ctx, func(conn *sqlite.Conn) error {
			var row call.LedgerRow
			return sqlitex.Execute(conn, ask.SQL, &sqlitex.ExecOptions{Args: ask.Args, ResultFunc: func(st *sqlite.Stmt) error {
				if err := ledgerRow(st, &row); err != nil {
					return err
				}
				return each(&row)
			}})
		})
	}
	if err != nil {
		return fmt.Errorf("cannot read ledger: %w", err)
	}
	return nil
}

func ledgerRow(st *sqlite.Stmt, r *call.LedgerRow) error {
	*r = call.LedgerRow{ID: call.ID(st.ColumnInt64(0)), Count: st.ColumnInt64(1), Stream: st.ColumnInt64(14) != 0}
	texts, numbers := report.RowFields(r)
	for i, f := range texts {
		if f != nil {
			*f = st.ColumnText(i)
		}
	}
	for i, f := range numbers {
		if f != nil {
			*f = st.ColumnInt64(i)
		}
	}
	r.Parent = call.ID(st.ColumnInt64(report.RowParent)) // NULL: 0
	if st.ColumnType(report.RowAttempts) != sqlite.TypeNull {
		r.Attempts = []byte(st.ColumnText(report.RowAttempts))
	}
	return report.ReadUnits([]byte(st.ColumnText(report.RowUnits)), r)
}
