package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

const insertChunk = `INSERT INTO batch_chunk (batch, n, first, lines, from_at, to_at, token, node, until, done)
	VALUES ($1, $2, $3, $4, $5, $6, '', '', 0, 0) ON CONFLICT DO NOTHING`

// AddChunks implements store.Lines.
func (s *Store) AddChunks(ctx context.Context, chunks []call.Chunk) error {
	err := s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, c := range chunks {
			if _, err := tx.ExecContext(ctx, s.sql(insertChunk), c.Batch, c.Number, c.First, c.Lines, c.From, c.To); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot keep parts of a batch: %w", err)
	}
	return nil
}

const chunkColumns = "SELECT batch, n, first, lines, from_at, to_at, done, node, until > {now}"

func readChunk(r row) (c call.Chunk, err error) {
	var held bool
	err = r.Scan(&c.Batch, &c.Number, &c.First, &c.Lines, &c.From, &c.To, &c.Done, &c.Node, &held)
	if !held {
		c.Node = ""
	}
	return c, err
}

// Chunks implements store.Lines.
func (s *Store) Chunks(ctx context.Context, batch string) ([]call.Chunk, error) {
	all, err := list(ctx, s, readChunk, chunkColumns+" FROM batch_chunk WHERE batch = $1 ORDER BY n", batch)
	if err != nil {
		return nil, fmt.Errorf("cannot list the parts of batch %q: %w", batch, err)
	}
	return all, nil
}

// TakeChunk implements store.Lines. What goes before and after all lines is not
// done while the batch is not over, whatever an older run has noted.
func (s *Store) TakeChunk(ctx context.Context, st call.Step, token string, lease time.Duration) (c call.Chunk, ok bool, err error) {
	n, err := s.exec(ctx, `UPDATE batch_chunk SET token = $1, node = $2, until = {now} + $3, done = 0
		WHERE batch = $4 AND n = $5 AND until <= {now} AND (done = 0 OR n = -1 AND EXISTS (SELECT 1 FROM batch WHERE id = $4 AND ended = 0))`, token, s.opt.Node, lease.Milliseconds(), st.Batch, st.Chunk)
	var all []call.Chunk
	if err == nil {
		all, err = list(ctx, s, readChunk, chunkColumns+" FROM batch_chunk WHERE batch = $1 AND n = $2", st.Batch, st.Chunk)
	}
	if len(all) > 0 {
		c = all[0]
	} else {
		c.Done = true // it is forgotten, with its batch
	}
	ok = n > 0
	if err != nil {
		return c, false, fmt.Errorf("cannot take part %d of batch %q: %w", st.Chunk, st.Batch, err)
	}
	return c, ok, nil
}

// HoldChunk implements store.Lines.
func (s *Store) HoldChunk(ctx context.Context, st call.Step, token string, lease time.Duration) (bool, error) {
	n, err := s.exec(ctx, "UPDATE batch_chunk SET until = {now} + $1 WHERE batch = $2 AND n = $3 AND token = $4 AND done = 0", lease.Milliseconds(), st.Batch, st.Chunk, token)
	if err != nil {
		return false, fmt.Errorf("cannot hold part %d of batch %q: %w", st.Chunk, st.Batch, err)
	}
	return n > 0, nil
}

// LeaveChunk implements store.Lines.
func (s *Store) LeaveChunk(ctx context.Context, st call.Step, token string, done bool) (left int, err error) {
	d := 0
	if done {
		d = 1
	}
	_, err = s.exec(ctx, "UPDATE batch_chunk SET token = '', node = '', until = 0, done = $1 WHERE batch = $2 AND n = $3 AND token = $4", d, st.Batch, st.Chunk, token)
	var counts []int
	if err == nil {
		counts, err = list(ctx, s, func(r row) (n int, err error) { err = r.Scan(&n); return n, err },
			"SELECT count(*) FROM batch_chunk WHERE batch = $1 AND n >= 0 AND done = 0", st.Batch)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot leave part %d of batch %q: %w", st.Chunk, st.Batch, err)
	}
	return counts[0], nil
}

// Orphans implements store.Lines.
func (s *Store) Orphans(ctx context.Context) (all []call.Step, err error) {
	if s.freed != "" {
		// A worker that dies between two steps holds no part any more, but its job
		// still says that it runs.
		_, err = s.exec(ctx, s.freed)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot take over what dead nodes had to do for batches: %w", err)
	}
	all, err = list(ctx, s, func(r row) (st call.Step, err error) {
		err = r.Scan(&st.Batch, &st.Chunk, &st.Try)
		return st, err
	}, "SELECT batch, n, until FROM batch_chunk WHERE done = 0 AND token <> '' AND until <= {now} ORDER BY batch, n LIMIT 100")
	if err != nil {
		return nil, fmt.Errorf("cannot look for what the dead have left of batches: %w", err)
	}
	return all, nil
}

// Release implements store.Lines.
func (s *Store) Release(ctx context.Context) error {
	if _, err := s.exec(ctx, "UPDATE batch_chunk SET until = 0 WHERE node = $1 AND done = 0", s.opt.Node); err != nil {
		return fmt.Errorf("cannot give back parts of batches: %w", err)
	}
	return nil
}

// Lines implements store.Lines.
func (s *Store) Lines(ctx context.Context, batch string, from, most int) ([]call.Line, error) {
	all, err := list(ctx, s, func(r row) (l call.Line, err error) {
		err = r.Scan(&l.Number, &l.State, &l.Token, &l.Out, &l.Cost)
		return l, err
	}, fmt.Sprintf("SELECT n, state, token, out, cost FROM batch_line WHERE batch = $1 AND n >= $2 ORDER BY n LIMIT %d", most), batch, from)
	if err != nil {
		return nil, fmt.Errorf("cannot read the lines of batch %q: %w", batch, err)
	}
	return all, nil
}

// beginLine and endLine count while the chunk is held under the token. The
// end of what was begun counts in any case, unless another has settled it.
const (
	beginLine = `INSERT INTO batch_line (batch, n, token, state, out, cost) SELECT $1, CAST($2 AS BIGINT), $3, 0, NULL, 0
		WHERE EXISTS (SELECT 1 FROM batch_chunk WHERE batch = $1 AND n = $4 AND token = $3) ON CONFLICT DO NOTHING`
	endLine = `INSERT INTO batch_line (batch, n, token, state, out, cost) SELECT $1, CAST($2 AS BIGINT), $3, CAST($5 AS INTEGER), CAST($6 AS {bytes}), CAST($7 AS BIGINT)
		WHERE EXISTS (SELECT 1 FROM batch_chunk WHERE batch = $1 AND n = $4 AND token = $3)
			OR EXISTS (SELECT 1 FROM batch_line WHERE batch = $1 AND n = $2 AND token = $3)
		ON CONFLICT (batch, n) DO UPDATE SET state = excluded.state, out = excluded.out, cost = excluded.cost
			WHERE batch_line.token = excluded.token AND batch_line.state = 0`
)

// Note implements store.Lines.
func (s *Store) Note(ctx context.Context, changes []store.LineChange) (counted []bool, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		counted = make([]bool, len(changes))
		sums := map[string]*sum{}
		for i := range changes {
			c := &changes[i]
			n, err := s.note(ctx, tx, c)
			if err != nil {
				return err
			}
			if counted[i] = n > 0; counted[i] && (c.What == store.LineEnd || c.What == store.LineSettle) {
				if sums[c.Batch] == nil {
					sums[c.Batch] = &sum{}
				}
				sums[c.Batch].add(&c.Line)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(sums)) { // in one order: nobody waits in a circle
			t := sums[id]
			_, err := tx.ExecContext(ctx, s.sql("UPDATE batch SET done = done + $1, failed = failed + $2, cost = cost + $3 WHERE id = $4"), t.done, t.failed, t.cost, id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot note what became of %d requests of batches: %w", len(changes), err)
	}
	return counted, nil
}

type sum struct{ done, failed, cost int64 }

func (t *sum) add(l *call.Line) {
	if l.State == call.LineDone {
		t.done++
	} else {
		t.failed++
	}
	t.cost += l.Cost
}

func (s *Store) note(ctx context.Context, tx *sql.Tx, c *store.LineChange) (int64, error) {
	l := &c.Line
	var res sql.Result
	var err error
	switch c.What {
	case store.LineBegin:
		res, err = tx.StmtContext(ctx, s.begin).ExecContext(ctx, c.Batch, l.Number, c.Token, c.Chunk)
	case store.LineEnd:
		res, err = tx.StmtContext(ctx, s.end).ExecContext(ctx, c.Batch, l.Number, c.Token, c.Chunk, int(l.State), l.Out, l.Cost)
	case store.LineUndo:
		res, err = tx.ExecContext(ctx, s.sql("DELETE FROM batch_line WHERE batch = $1 AND n = $2 AND token = $3 AND state = 0"), c.Batch, l.Number, c.Token)
	case store.LineSettle:
		res, err = tx.ExecContext(ctx, s.sql(`UPDATE batch_line SET state = $1, out = $2, cost = $3 WHERE batch = $4 AND n = $5 AND token <> $6 AND state = 0
			AND EXISTS (SELECT 1 FROM batch_chunk WHERE batch = $4 AND n = $7 AND token = $6)`), int(l.State), l.Out, l.Cost, c.Batch, l.Number, c.Token, c.Chunk)
	case store.LineRetry:
		res, err = tx.ExecContext(ctx, s.sql(`DELETE FROM batch_line WHERE batch = $1 AND n = $2 AND token <> $3 AND state = 0
			AND EXISTS (SELECT 1 FROM batch_chunk WHERE batch = $1 AND n = $4 AND token = $3)`), c.Batch, l.Number, c.Token, c.Chunk)
	default:
		panic(fmt.Sprintf("BUG: change of a line; got verb %d; want one that there is", c.What))
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
