package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// Bank is the durable side of budgets. The amounts granted are debited at once
// and by commits that have reached the disk.
type Bank struct{ d *db }

// Bank returns the store's bank.
func (s *Store) Bank() store.Bank { return &Bank{s.state} }

// keepAccounts is how long an account outlives its window, for requests that
// still run.
const keepAccounts = 48 * time.Hour

// pruneEvery is after how many batches old accounts are looked for.
const pruneEvery = 1024

// State tells a node that starts where the bank stands.
func (b *Bank) State(ctx context.Context) (st call.BankState, err error) {
	err = b.d.write(ctx, func() error {
		st, err = b.state()
		return err
	})
	if err != nil {
		return st, fmt.Errorf("cannot read bank: %w", err)
	}
	return st, nil
}

func (b *Bank) state() (st call.BankState, err error) {
	err = b.query("SELECT generation, seq, grants FROM bank", nil, func(s *sqlite.Stmt) error {
		st.Generation, st.Seq = s.ColumnInt64(0), s.ColumnInt64(1)
		return json.Unmarshal([]byte(s.ColumnText(2)), &st.Grants)
	})
	return st, err
}

// Apply carries out the ops of batch seq in one transaction. The last batch
// may be applied again: it comes to what it came to before.
func (b *Bank) Apply(ctx context.Context, seq int64, ops []call.BankOp) (grants []call.BankGrant, err error) {
	err = b.d.write(ctx, func() error {
		st, err := b.state()
		if err != nil {
			return err
		}
		if seq == st.Seq && len(st.Grants) == len(ops) {
			grants = st.Grants
			return nil
		}
		if seq != st.Seq+1 {
			return fmt.Errorf("batch %d after %d: %w", seq, st.Seq, call.ErrBankSequence)
		}
		grants = make([]call.BankGrant, len(ops))
		for i := range ops {
			if grants[i], err = b.apply(&ops[i]); err != nil {
				return err
			}
		}
		return b.note(seq, grants)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot apply batch to bank: %w", err)
	}
	return grants, nil
}

// note makes seq the last batch.
func (b *Bank) note(seq int64, grants []call.BankGrant) error {
	text, err := json.Marshal(grants)
	if err != nil {
		return err
	}
	if err := b.query("UPDATE bank SET seq = ?, grants = ? WHERE id = 1", []any{seq, string(text)}, nil); err != nil {
		return err
	}
	if seq%pruneEvery != 0 {
		return nil
	}
	return b.query("DELETE FROM account WHERE window_end < ?", []any{time.Now().Add(-keepAccounts).Unix()}, nil)
}

// apply carries out one op. An op on an account that has been pruned since
// comes to nothing.
func (b *Bank) apply(op *call.BankOp) (call.BankGrant, error) {
	g := call.BankGrant{Row: op.Row}
	found := false
	read := func(s *sqlite.Stmt) error {
		found = true
		g.Row, g.Granted = s.ColumnInt64(0), s.ColumnInt64(1)
		return nil
	}
	// Not one INSERT … ON CONFLICT DO UPDATE: SQLite keeps an undo journal for it,
	// which costs more than the rest.
	const byRow = "SELECT id, granted FROM account WHERE id = ?"
	const byName = "SELECT id, granted FROM account WHERE scope = ? AND window = ? AND window_start = ?"
	const insert = "INSERT INTO account (scope, window, window_start, window_end, granted) VALUES (?, ?, ?, ?, 0) RETURNING id, granted"
	var err error
	if op.Row != 0 {
		err = b.query(byRow, []any{op.Row}, read)
	} else if err = b.query(byName, []any{op.Scope, op.Window, op.Start}, read); err == nil && !found {
		err = b.query(insert, []any{op.Scope, op.Window, op.Start, op.End}, read)
	}
	if err != nil || !found {
		return g, err
	}
	g.Granted -= op.Return
	before := int64(0) // out of the bank on other buckets of a window that rolls
	if op.From != op.Start {
		before, err = b.sum(op, g.Row)
		if err != nil {
			return g, err
		}
	}
	left := op.Max - before - g.Granted
	// Near the limit grants shrink, down to what requests are waiting for.
	g.Amount = max(0, min(left, max(op.Need, min(op.Want, left/2))))
	g.Granted += g.Amount
	const update = "UPDATE account SET granted = ?, held = ?, reserved = ?, max = CASE WHEN ? > 0 THEN ? ELSE max END WHERE id = ?"
	err = b.query(update, []any{g.Granted, op.Held + g.Amount, op.Reserved, op.Max, op.Max, g.Row}, nil)
	g.Granted += before
	return g, err
}

// sum is what is out of the bank on the accounts, except row's, that op's limit
// is on the sum of.
func (b *Bank) sum(op *call.BankOp, row int64) (sum int64, err error) {
	const q = "SELECT coalesce(sum(granted), 0) FROM account WHERE scope = ? AND window = ? AND window_start >= ? AND id <> ?"
	err = b.query(q, []any{op.Scope, op.Window, op.From, row}, func(s *sqlite.Stmt) error {
		sum = s.ColumnInt64(0)
		return nil
	})
	return sum, err
}

// Forfeit implements store.Bank.
func (b *Bank) Forfeit(ctx context.Context) error {
	err := b.d.write(ctx, func() error {
		return b.query("UPDATE account SET held = 0, reserved = 0 WHERE held <> 0 OR reserved <> 0", nil, nil)
	})
	if err != nil {
		return fmt.Errorf("cannot forfeit leases: %w", err)
	}
	return nil
}

// Accounts lists the accounts that the bank remembers, by scope, window and start.
func (b *Bank) Accounts(ctx context.Context) (list []store.Account, err error) {
	err = b.d.write(ctx, func() error {
		const q = "SELECT scope, window, window_start, window_end, granted, id, max, held, reserved FROM account ORDER BY scope, window, window_start"
		err := b.query(q, nil, func(s *sqlite.Stmt) error {
			a := store.Account{
				Scope: s.ColumnText(0), Window: s.ColumnText(1),
				Start: time.Unix(s.ColumnInt64(2), 0), End: time.Unix(s.ColumnInt64(3), 0), Granted: s.ColumnInt64(4), Row: s.ColumnInt64(5), Max: s.ColumnInt64(6),
			}
			if held, reserved := s.ColumnInt64(7), s.ColumnInt64(8); held != 0 || reserved != 0 {
				a.Leases = []store.Lease{{Held: held, Reserved: reserved}}
			}
			list = append(list, a)
			return nil
		})
		if err != nil {
			return err
		}
		pledges, err := b.pledges()
		store.Pledge(list, pledges)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list accounts: %w", err)
	}
	return list, nil
}

// query runs one statement, which the connection keeps compiled.
func (b *Bank) query(q string, args []any, row func(*sqlite.Stmt) error) error {
	return sqlitex.Execute(b.d.conn, q, &sqlitex.ExecOptions{Args: args, ResultFunc: row})
}
