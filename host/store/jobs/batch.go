package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// CreateBatch implements store.Batches.
func (s *Store) CreateBatch(ctx context.Context, b call.Batch) error {
	doc, err := json.Marshal(&b)
	if err == nil {
		err = s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, s.sql("INSERT INTO batch (id, tenant, input, ended, lines, done, failed, cost, doc) VALUES ($1, $2, $3, 0, 0, 0, 0, 0, $4)"), b.ID, b.Tenant, b.Input, doc)
			if err == nil {
				_, err = tx.ExecContext(ctx, s.sql(insertChunk), b.ID, -1, 0, 0, 0, 0)
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("cannot keep batch %q: %w", b.ID, err)
	}
	return nil
}

const batchColumns = "SELECT doc, done, failed, cost"

func readBatch(r row) (b call.Batch, err error) {
	var doc []byte
	var done, failed, cost int64
	if err = r.Scan(&doc, &done, &failed, &cost); err == nil {
		err = json.Unmarshal(doc, &b)
	}
	b.Done, b.Failed, b.Cost = done, failed, cost
	return b, err
}

// Batch implements store.Batches.
func (s *Store) Batch(ctx context.Context, id string) (call.Batch, error) {
	all, err := list(ctx, s, readBatch, batchColumns+" FROM batch WHERE id = $1", id)
	if err == nil && len(all) == 0 {
		err = call.ErrNoBatch
	}
	if err != nil {
		return call.Batch{}, fmt.Errorf("cannot look up batch %q: %w", id, err)
	}
	return all[0], nil
}

// ChangeBatch implements store.Batches.
func (s *Store) ChangeBatch(ctx context.Context, id string, change func(*call.Batch) error) (call.Batch, error) {
	return s.EndBatch(ctx, id, nil, change)
}

// EndBatch implements store.Batches.
func (s *Store) EndBatch(ctx context.Context, id string, drafts []call.File, change func(*call.Batch) error) (b call.Batch, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		b, err = readBatch(tx.QueryRowContext(ctx, s.sql(batchColumns+" FROM batch WHERE id = $1{lock}"), id))
		if errors.Is(err, sql.ErrNoRows) {
			return call.ErrNoBatch
		}
		if err != nil {
			return err
		}
		if err = change(&b); err != nil {
			return err
		}
		for i := range drafts {
			if _, err := tx.ExecContext(ctx, s.sql(insertFile), fileValues(&drafts[i])...); err != nil {
				return err
			}
		}
		doc, err := json.Marshal(&b)
		if err != nil {
			return err
		}
		over := int64(0)
		if b.Over() {
			over = max(millis(b.Completed), millis(b.Broken), millis(b.Expired), millis(b.Cancelled))
		}
		_, err = tx.ExecContext(ctx, s.sql("UPDATE batch SET ended = $1, lines = $2, doc = $3 WHERE id = $4"), over, b.Lines, doc, id)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("cannot change batch %q: %w", id, err)
	}
	return b, nil
}

// Batches implements store.Batches.
func (s *Store) Batches(ctx context.Context, q call.FilesQuery) ([]call.Batch, error) {
	all, err := list(ctx, s, readBatch, batchColumns+page("batch", q, "($2 = '' OR id LIKE $2 || '%')"), q.Tenant, q.Prefix, q.After)
	if err != nil {
		return nil, fmt.Errorf("cannot list batches: %w", err)
	}
	return all, nil
}

func readText(r row) (t string, err error) {
	err = r.Scan(&t)
	return t, err
}

// Unfinished implements store.Batches.
func (s *Store) Unfinished(ctx context.Context, tenant string) ([]string, error) {
	ids, err := list(ctx, s, readText, "SELECT id FROM batch WHERE ended = 0 AND ($1 = '' OR tenant = $1) ORDER BY seq", tenant)
	if err != nil {
		return nil, fmt.Errorf("cannot list batches: %w", err)
	}
	return ids, nil
}

// prunedLines is how many lines one step of pruning takes: each may hold a long answer.
const prunedLines = 2000

// pruneLines forgets a bounded number of a batch's lines, and its chunks with the last.
func (s *Store) pruneLines(ctx context.Context, id string) (more bool, err error) {
	n, err := s.exec(ctx, fmt.Sprintf("DELETE FROM batch_line WHERE batch = $1 AND n IN (SELECT n FROM batch_line WHERE batch = $1 LIMIT %d)", prunedLines), id)
	if err != nil || n == prunedLines {
		return true, err
	}
	_, err = s.exec(ctx, "DELETE FROM batch_chunk WHERE batch = $1", id)
	return false, err
}

// DeleteBatch implements store.Batches.
func (s *Store) DeleteBatch(ctx context.Context, id string) error {
	over, err := list(ctx, s, readText, "SELECT id FROM batch WHERE id = $1 AND ended > 0", id)
	if err == nil && len(over) == 0 {
		err = call.ErrNoBatch
	}
	for more := err == nil; more && err == nil; { // lines first: nobody looks for those of a batch that is gone
		more, err = s.pruneLines(ctx, id)
	}
	if err == nil {
		_, err = s.exec(ctx, "DELETE FROM batch WHERE id = $1 AND ended > 0", id)
	}
	if err != nil {
		return fmt.Errorf("cannot delete batch %q: %w", id, err)
	}
	return nil
}

// PruneBatches implements store.Batches.
func (s *Store) PruneBatches(ctx context.Context, over time.Time) (more bool, err error) {
	fail := func(err error) (bool, error) { return false, fmt.Errorf("cannot forget batches: %w", err) }
	ids, err := list(ctx, s, readText, fmt.Sprintf(`SELECT id FROM batch WHERE ended > 0 AND
		(EXISTS (SELECT 1 FROM batch_line l WHERE l.batch = id) OR EXISTS (SELECT 1 FROM batch_chunk c WHERE c.batch = id)) ORDER BY seq LIMIT %d`, pruned))
	if err != nil {
		return fail(err)
	}
	for _, id := range ids {
		if more, err := s.pruneLines(ctx, id); err != nil {
			return fail(err)
		} else if more {
			return true, nil
		}
	}
	n, err := s.exec(ctx, fmt.Sprintf("DELETE FROM batch WHERE id IN (SELECT id FROM batch WHERE ended > 0 AND ended < $1 ORDER BY seq LIMIT %d)", pruned), millis(over))
	if err != nil {
		return fail(err)
	}
	return len(ids) == pruned || n == pruned, nil
}
