package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/store"
)

// numberLock is the advisory lock under which numbers are given: "node".
const numberLock = 0x6e6f6465

// enter notes that the node has started and gives it the number that it had,
// or the lowest that is free. All its times are of the database's clock, by which
// nodes are compared.
func (s *Store) enter(ctx context.Context) error {
	n := s.opt.Node
	var now int64
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(numberLock)); err != nil {
			return err
		}
		var number *int
		err := tx.QueryRow(ctx, "SELECT number FROM node WHERE id = $1", n.ID).Scan(&number)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if number == nil {
			if number, err = freeNumber(ctx, tx); err != nil {
				return err
			}
		}
		n.Number = *number
		if err := tx.QueryRow(ctx, "SELECT now_ms()").Scan(&now); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `INSERT INTO node (id, number, name, version, epoch, started, seen, fenced) VALUES ($1, $2, $3, $4, 1, $5, $5, 0)
			ON CONFLICT (id) DO UPDATE SET number = $2, name = $3, version = $4, epoch = node.epoch + 1, started = $5, seen = $5
			RETURNING epoch`, n.ID, n.Number, n.Name, n.Version, now).Scan(&n.Epoch)
	})
	if err != nil {
		return fmt.Errorf("cannot enter node %q: %w", n.ID, err)
	}
	n.Started, n.Seen = moment(now), moment(now)
	s.node = n
	return nil
}

// freeNumber is the lowest number that no node has. When all are taken, the
// node gives its up that was fenced first, if it has not been seen for a day.
func freeNumber(ctx context.Context, tx pgx.Tx) (n *int, err error) {
	const lowest = `SELECT min(i) FROM generate_series(0, 1023) i WHERE NOT EXISTS (SELECT 1 FROM node WHERE number = i)`
	const giveUp = `UPDATE node SET number = NULL WHERE id = (SELECT id FROM node
		WHERE number IS NOT NULL AND fenced > 0 AND seen < now_ms() - 86400000 ORDER BY fenced LIMIT 1)`
	err = tx.QueryRow(ctx, lowest).Scan(&n)
	if err != nil || n != nil {
		return n, err
	}
	if _, err = tx.Exec(ctx, giveUp); err != nil {
		return nil, err
	}
	if err = tx.QueryRow(ctx, lowest).Scan(&n); err == nil && n == nil {
		err = store.ErrNumbers
	}
	return n, err
}

// Node implements store.Nodes.
func (s *Store) Node() store.Node { return s.node }

// Nodes implements store.Nodes.
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	nodes, err := list(ctx, s.db, "SELECT id, coalesce(number, -1), name, version, epoch, started, seen, fenced FROM node ORDER BY number, id", nil,
		func(row pgx.CollectableRow) (n store.Node, err error) {
			var started, seen, fenced int64
			err = row.Scan(&n.ID, &n.Number, &n.Name, &n.Version, &n.Epoch, &started, &seen, &fenced)
			n.Started, n.Seen, n.Fenced = moment(started), moment(seen), moment(fenced)
			return n, err
		})
	if err != nil {
		return nil, fmt.Errorf("cannot list nodes: %w", err)
	}
	return nodes, nil
}

// Beat implements store.Nodes.
func (s *Store) Beat(ctx context.Context) error {
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var epoch, fenced int64
		err := tx.QueryRow(ctx, "UPDATE node SET seen = now_ms() WHERE id = $1 RETURNING epoch, fenced", s.node.ID).Scan(&epoch, &fenced)
		switch {
		case errors.Is(err, pgx.ErrNoRows) || err == nil && epoch != s.node.Epoch:
			return store.ErrTaken
		case err == nil && fenced != 0:
			return store.ErrFenced
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot note that node %q lives: %w", s.node.ID, err)
	}
	return nil
}
