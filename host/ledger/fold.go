package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	foldRetry = 500 * time.Millisecond // after a failed fold, doubling
	foldPause = 10 * time.Second       // at most
)

// Fold brings all rows appended so far into the store, and what was counted
// without rows.
func (l *Ledger) Fold(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed && !l.full() {
		_ = l.settleTally() // what does not fit is counted on
	}
	l.mu.Unlock()
	return l.fold(ctx)
}

// fold brings the journal into the store.
func (l *Ledger) fold(ctx context.Context) error {
	l.foldMu.Lock()
	defer l.foldMu.Unlock()
	if l.doubt {
		if err := l.rewind(ctx); err != nil {
			return fmt.Errorf("cannot fold journal: %w", err)
		}
	}
	for {
		s, end, sealed := l.oldest()
		if s == nil || (s.folded >= end && !sealed) {
			return nil
		}
		if err := l.foldBatch(ctx, s, end, sealed); err != nil {
			l.mu.Lock()
			l.stats.FoldErrors++
			l.mu.Unlock()
			l.doubt = true
			return fmt.Errorf("cannot fold journal segment %d: %w", s.number, err)
		}
	}
}

// rewind goes back to where the store says that the journal is in: a database
// that has taken over for another may lack the last of what that had. What the
// journal still has of it is folded again.
func (l *Ledger) rewind(ctx context.Context) error {
	upto, _, err := l.sink.Folded(ctx)
	if err != nil {
		return err
	}
	l.doubt = false
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) == 0 {
		return nil
	}
	s := l.segments[0]
	if upto >= mark(s.number, s.folded) {
		return nil
	}
	at, off := uint64(upto>>32), int(upto&(1<<32-1))
	if at < s.number {
		off = 0
	}
	l.opts.Log.Error("the store lacks rows that it had taken: it has been set back, or another has taken over for it. What the journal still has is folded again",
		"segment", s.number, "from", off, "to", s.folded, "segments_gone", s.number-at)
	s.folded = off
	return nil
}

// oldest is the segment to fold from now, how far it reaches, and whether
// nothing more will be written to it.
func (l *Ledger) oldest() (s *segment, end int, sealed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) == 0 {
		return nil, 0, false
	}
	s = l.segments[0]
	return s, s.tail, len(l.segments) > 1 || l.closed
}

// foldBatch folds up to a batch of rows; with the last of a sealed segment it
// asks for durability and deletes the segment.
func (l *Ledger) foldBatch(ctx context.Context, s *segment, end int, sealed bool) error {
	if l.rows == nil {
		l.rows = make([]call.Record, l.opts.Batch)
	}
	n, off, skipped := 0, s.folded, uint64(0)
	for off < end && n < len(l.rows) {
		row, next := s.rowAt(off, end)
		if row == nil {
			skipped += passedOver(s, off)
			off = next
			continue
		}
		if err := l.dec.row(row, &l.rows[n]); err != nil {
			return fmt.Errorf("at byte %d: %w", off, err)
		}
		n, off = n+1, next
	}
	last := sealed && off >= end
	upto := mark(s.number, off)
	if last {
		upto = mark(s.number+1, 0)
	}
	if err := l.sink.Fold(ctx, upto, l.rows[:n], last); err != nil {
		return err
	}
	l.mu.Lock()
	s.folded = off
	l.stats.Folded += uint64(n)
	l.stats.Skipped += skipped
	for i := range n {
		l.last = max(l.last, l.rows[i].ID)
	}
	l.mu.Unlock()
	if last {
		return l.drop(s)
	}
	return nil
}

// passedOver is 1 where a word that is not zero starts no row: part of a row
// that a killed process had not finished, or that a power cut tore.
func passedOver(s *segment, off int) uint64 {
	for _, b := range s.Data[off : off+wordSize] {
		if b != 0 {
			return 1
		}
	}
	return 0
}

// drop deletes s, the oldest segment. When the journal is closing it is the
// last one too.
func (l *Ledger) drop(s *segment) error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if err := s.remove(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = l.segments[1:]
	return nil
}

// work folds every FoldEvery, and as soon as a batch is there.
func (l *Ledger) work(ctx context.Context) {
	tick := time.NewTicker(l.opts.FoldEvery)
	defer tick.Stop()
	pause := foldRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.wake:
		}
		err := l.Fold(ctx)
		if err == nil || ctx.Err() != nil {
			pause = foldRetry
			continue
		}
		l.opts.Log.Error("cannot fold the ledger: rows stay in the journal", "error", err, "retry", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, foldPause)
	}
}
