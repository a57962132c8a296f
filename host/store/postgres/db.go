package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-ai/signalbox/host/store"
)

// db is the pool of connections: every call is bounded in time and goes past
// the breaker.
type db struct {
	pool    *pgxpool.Pool
	timeout time.Duration
	breaker breaker
	reports chan struct{} // as many as may run at once: what else has to be done needs connections too
}

// reportTimeout bounds what reads much: usage over years, exports.
const reportTimeout = 2 * time.Minute

func openDB(ctx context.Context, url string, opt Options) (*db, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err // pgx leaves the password out
	}
	cfg.MaxConns = int32(opt.Conns)
	cfg.ConnConfig.ConnectTimeout = opt.Timeout
	p := cfg.ConnConfig.RuntimeParams
	p["application_name"] = "signalbox " + opt.Node.Name
	// What the client gives up, the server is to give up as well, also where the
	// word of it is lost.
	p["statement_timeout"] = milliseconds(opt.Timeout)
	p["lock_timeout"] = milliseconds(opt.Timeout)
	p["idle_in_transaction_session_timeout"] = milliseconds(2 * opt.Timeout)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &db{pool: pool, timeout: opt.Timeout, reports: make(chan struct{}, max(1, opt.Conns/2))}, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// use runs f on a connection, without a transaction, within the timeout.
func (d *db) use(ctx context.Context, f func(context.Context, *pgxpool.Conn) error) error {
	return d.within(ctx, d.timeout, func(ctx context.Context) error {
		return d.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return f(ctx, c) })
	})
}

// exec runs one statement.
func (d *db) exec(ctx context.Context, query string, args ...any) error {
	return d.use(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, query, args...)
		return err
	})
}

// tx runs f in a transaction, within the timeout, and commits it, or rolls it
// back on error. When the commit's reply is lost, it is an error although the
// transaction may have been committed.
func (d *db) tx(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return d.within(ctx, d.timeout, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error { return f(ctx, tx) })
	})
}

// change runs f in a transaction that tells all nodes of a change of topic.
func (d *db) change(ctx context.Context, topic string, f func(context.Context, pgx.Tx) error) error {
	return d.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		return announce(ctx, tx, topic)
	})
}

var reading = pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}

// snapshot runs f in a transaction that sees the database as of one moment.
func (d *db) snapshot(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return d.within(ctx, d.timeout, func(ctx context.Context) error {
		return pgx.BeginTxFunc(ctx, d.pool, reading, func(tx pgx.Tx) error { return f(ctx, tx) })
	})
}

// report is a snapshot for as long as reports may take.
func (d *db) report(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	select {
	case d.reports <- struct{}{}:
		defer func() { <-d.reports }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return d.within(ctx, reportTimeout, func(ctx context.Context) error {
		return pgx.BeginTxFunc(ctx, d.pool, reading, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = "+milliseconds(reportTimeout)); err != nil {
				return err
			}
			return f(ctx, tx)
		})
	})
}

// within runs f unless the breaker is open, and bounds it in time.
func (d *db) within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	if err := d.breaker.enter(time.Now()); err != nil {
		return err
	}
	err := d.bounded(ctx, limit, f)
	if code(err) == readOnly {
		d.pool.Reset() // what was the primary may not be it any more: look where the url leads now
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("it has not answered within %v: %w", limit, err)
	}
	if unanswered(err) {
		err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// bounded runs f within limit, and tells the breaker how it ended, if only by a
// panic: what probes must not probe for ever.
func (d *db) bounded(ctx context.Context, limit time.Duration, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = context.Canceled // unless it comes to its end
	defer func() { d.breaker.leave(time.Now(), err) }()
	err = f(ctx)
	return err
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// collect returns the rows of a query.
func collect[T any](ctx context.Context, q querier, query string, args []any, row pgx.RowToFunc[T]) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, row)
	if len(all) == 0 {
		return nil, err
	}
	return all, err
}

// list returns the rows of a query that runs by itself.
func list[T any](ctx context.Context, d *db, query string, args []any, row pgx.RowToFunc[T]) (all []T, err error) {
	err = d.use(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		all, err = collect(ctx, c, query, args, row)
		return err
	})
	return all, err
}
