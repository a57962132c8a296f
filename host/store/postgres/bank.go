package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// bank is the durable side of budgets, as one of several nodes deals with it.
// A batch is one call of a function of the database, which is one transaction.
type bank struct {
	s          *Store
	generation *atomic.Int64
}

// Bank implements store.Store.
func (s *Store) Bank() store.Bank { return bank{s, new(atomic.Int64)} }

// State implements store.Bank. It makes a node known to the bank. A batch of the
// process before it may still be underway in the database: State waits for it,
// and one that comes later is refused, as the node's epoch is another by then.
func (b bank) State(ctx context.Context) (st call.BankState, err error) {
	err = b.s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO bank_node VALUES ($1, 0, '[]', now_ms()) ON CONFLICT DO NOTHING", b.s.node.ID); err != nil {
			return err
		}
		var grants string
		err := tx.QueryRow(ctx, "SELECT generation, seq, grants FROM bank, bank_node WHERE node = $1 FOR UPDATE OF bank_node", b.s.node.ID).Scan(&st.Generation, &st.Seq, &grants)
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT fenced <> 0 FROM node WHERE id = $1", b.s.node.ID).Scan(&st.Fenced); err != nil {
			return err
		}
		return json.Unmarshal([]byte(grants), &st.Grants)
	})
	if err != nil {
		return st, fmt.Errorf("cannot read bank: %w", err)
	}
	b.generation.Store(st.Generation)
	return st, nil
}

// columns are the ops of a batch, as arrays.
type columns struct {
	scopes, windows                                          []string
	rows, starts, ends, froms, maxes, returns, needs, leasts []int64
	wants, helds, reserveds                                  []int64
}

func columnsOf(ops []call.BankOp) *columns {
	c := &columns{scopes: make([]string, 0, len(ops)), windows: make([]string, 0, len(ops)), rows: make([]int64, 0, len(ops))}
	for i := range ops {
		o := &ops[i]
		c.rows, c.scopes, c.windows = append(c.rows, o.Row), append(c.scopes, o.Scope), append(c.windows, o.Window)
		c.starts, c.ends, c.froms = append(c.starts, o.Start), append(c.ends, o.End), append(c.froms, o.From)
		c.maxes, c.returns = append(c.maxes, o.Max), append(c.returns, o.Return)
		c.needs, c.leasts, c.wants = append(c.needs, o.Need), append(c.leasts, o.Least), append(c.wants, o.Want)
		c.helds, c.reserveds = append(c.helds, o.Held), append(c.reserveds, o.Reserved)
	}
	return c
}

const applyBatch = "SELECT bank_apply($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"

// Apply implements store.Bank.
func (b bank) Apply(ctx context.Context, seq int64, ops []call.BankOp) (grants []call.BankGrant, err error) {
	c, node := columnsOf(ops), b.s.node
	err = b.s.use(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		var text string
		err := conn.QueryRow(ctx, applyBatch, node.ID, node.Epoch, b.generation.Load(), seq, c.rows, c.scopes, c.windows, c.starts, c.ends,
			c.froms, c.maxes, c.returns, c.needs, c.leasts, c.wants, c.helds, c.reserveds).Scan(&text)
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), &grants)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot apply batch to bank: %w", bankError(err))
	}
	return grants, nil
}

// bankError gives what the database's functions raise its name.
func bankError(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "SB001":
		return fmt.Errorf("%s: %w", pg.Message, call.ErrBankSequence)
	case "SB002":
		return call.ErrBankFenced
	case "SB003":
		return fmt.Errorf("%w: %w", store.ErrTaken, call.ErrBankFenced)
	}
	return err
}

// Forfeit implements store.Bank.
func (b bank) Forfeit(ctx context.Context) error {
	if err := b.s.exec(ctx, "DELETE FROM lease WHERE node = $1", b.s.node.ID); err != nil {
		return fmt.Errorf("cannot forfeit leases: %w", err)
	}
	return nil
}

// Wanted implements budget.Shared. The node counts as alive for as long as it
// asks, by the database's clock: those of nodes may differ. A node that has been
// written off, or whose directory a second process uses, learns it here, before
// it spends what is no longer its own.
func (b bank) Wanted(ctx context.Context) (rows []int64, err error) {
	const q = `WITH beat AS (UPDATE bank_node SET seen = now_ms() WHERE node = $1 AND seen < now_ms() - 5000)
		SELECT n.epoch, n.fenced, coalesce((SELECT array_agg(w.account) FROM bank_want w JOIN lease l ON l.account = w.account AND l.node = $1
			WHERE w.node <> $1 AND w.at > now_ms() - 3000 AND l.held > 0), '{}')
		FROM node n WHERE n.id = $1`
	var epoch, fenced int64
	err = b.s.use(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, q, b.s.node.ID).Scan(&epoch, &fenced, &rows)
	})
	switch {
	case err != nil:
	case fenced != 0:
		err = call.ErrBankFenced
	case epoch != b.s.node.Epoch:
		err = fmt.Errorf("%w: %w", store.ErrTaken, call.ErrBankFenced)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot ask the bank what others want: %w", err)
	}
	return rows, nil
}

// Accounts implements store.Bank.
func (b bank) Accounts(ctx context.Context) (all []store.Account, err error) {
	const q = `SELECT id, scope, "window", window_start, window_end, max, granted,
		coalesce((SELECT json_agg(json_build_object('node', node, 'held', held, 'reserved', reserved) ORDER BY node) FROM lease WHERE account = id)::text, '[]')
		FROM account ORDER BY scope, "window", window_start`
	all, err = list(ctx, b.s.db, q, nil, func(row pgx.CollectableRow) (a store.Account, err error) {
		var start, end int64
		var leases string
		if err := row.Scan(&a.Row, &a.Scope, &a.Window, &start, &end, &a.Max, &a.Granted, &leases); err != nil {
			return a, err
		}
		a.Start, a.End = time.Unix(start, 0), time.Unix(end, 0)
		return a, json.Unmarshal([]byte(leases), &a.Leases)
	})
	var pledges []call.Pledge
	if err == nil {
		pledges, err = b.pledges(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list accounts: %w", err)
	}
	store.Pledge(all, pledges)
	return all, nil
}

// livesFor is for how long after it was seen a node may be spending.
const livesFor = 30 * time.Second

// Fence implements store.Fencer.
func (s *Store) Fence(ctx context.Context, node string, force bool) (accounts int, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var unseen, fenced int64
		err := tx.QueryRow(ctx, `SELECT now_ms() - greatest(n.seen, coalesce(b.seen, 0)), fenced FROM node n LEFT JOIN bank_node b ON b.node = n.id WHERE n.id = $1`, node).Scan(&unseen, &fenced)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return store.ErrNodeUnknown
		case err != nil:
			return err
		case fenced != 0:
			return nil
		case !force && time.Duration(unseen)*time.Millisecond < livesFor:
			return store.ErrNodeLives
		}
		return tx.QueryRow(ctx, "SELECT bank_fence($1)", node).Scan(&accounts)
	})
	if err != nil {
		return 0, fmt.Errorf("cannot fence node %q: %w", node, err)
	}
	return accounts, nil
}
