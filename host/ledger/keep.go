package ledger

import (
	"context"
	"time"

	"github.com/signalbox-ai/signalbox/host/disk"
)

// sparePause is between two attempts to make a spare segment.
const sparePause = time.Second

// keep syncs the journal every SyncEvery and has a spare segment ready.
func (l *Ledger) keep(ctx context.Context) {
	tick := time.NewTicker(l.opts.SyncEvery)
	defer tick.Stop()
	var failed time.Time
	for {
		if time.Since(failed) >= sparePause && !l.prepare() {
			failed = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.sync()
		case <-l.turned:
		}
	}
}

// prepare sees to it that there is a spare segment. Without one the ledger is
// not healthy: what is appended now may still fit, more will not.
func (l *Ledger) prepare() bool {
	l.mu.Lock()
	ready, before := l.spare != nil, l.spareErr
	l.mu.Unlock()
	if ready {
		return true
	}
	s, err := createSegment(l.dir, l.opts.Segment)
	if err != nil && before == nil {
		l.opts.Log.Error("cannot prepare the ledger's next segment: not healthy until there is room", "error", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spareErr = err
	if s != nil && l.spare != nil { // Append could not wait for it
		s, err = nil, s.remove()
	}
	if s != nil {
		l.spare = s
	}
	return err == nil
}

// sync brings what was appended since the last call to the disk. After an error
// nobody knows what of the segment has got there, so rows go on in a new one.
func (l *Ledger) sync() {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	var todo []*segment
	var tails []int
	for _, s := range l.segments {
		if s.synced < s.tail {
			todo, tails = append(todo, s), append(tails, s.tail)
		}
	}
	renamed, before, counted := l.renamed, l.syncErr, l.tally.dirty
	l.renamed, l.tally.dirty = false, false
	l.mu.Unlock()
	if len(todo) == 0 && !renamed && !counted {
		return
	}
	var err error
	if renamed {
		err = disk.SyncDir(l.dir)
	}
	if counted && err == nil {
		err = l.tally.file.Sync()
	}
	for i := 0; i < len(todo) && err == nil; i++ {
		err = todo[i].Sync()
	}
	if err != nil && before == nil {
		l.opts.Log.Error("cannot sync the ledger's journal: not healthy until it works", "error", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.syncErr = err
	for i, s := range todo {
		s.synced = tails[i]
	}
	l.renamed = l.renamed || err != nil // so that the next tick tries again
	if err != nil && before == nil {
		_ = l.turn() // its failure shows at the next Append
	}
}
