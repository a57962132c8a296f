package logfile

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Lines say what a Queue writes.
type Lines[E any] struct {
	What   string          // the log is called by, as in "the access log"
	Buffer int             // entries that wait to be written
	Line   func(*E) []byte // of an entry, good until the next; called by one goroutine
	Free   func(*E)        // takes an entry back that is written, or was dropped
	Counts *Counts         // are added to, where one log goes on for another; nil: its own
	Log    *slog.Logger    // hears once a minute that the file cannot be written
}

// Queue writes a line for each entry that is put into it. What finds no room is
// counted, not waited for.
type Queue[E any] struct {
	lines  Lines[E]
	path   string
	file   *File
	queue  chan *E
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
	said   time.Time
	counts *Counts
}

// Counts are what queues have come to. They only grow.
type Counts struct{ written, dropped, lost atomic.Int64 }

// Start opens the file and begins to write lines to it.
func Start[E any](opt Options, lines Lines[E]) (*Queue[E], error) {
	q := &Queue[E]{lines: lines, path: opt.Path, queue: make(chan *E, lines.Buffer), stop: make(chan struct{}), done: make(chan struct{}), counts: lines.Counts}
	if q.counts == nil {
		q.counts = &Counts{}
	}
	var err error
	if q.file, err = Open(opt); err != nil {
		return nil, err
	}
	go q.run()
	return q, nil
}

// Put hands e over. It never waits.
func (q *Queue[E]) Put(e *E) {
	select {
	case q.queue <- e:
	default:
		q.counts.dropped.Add(1)
		q.lines.Free(e)
	}
}

// Waiting is how many entries are not being written yet.
func (q *Queue[E]) Waiting() int { return len(q.queue) }

// idle is how long a line may wait for others.
const idle = 200 * time.Millisecond

func (q *Queue[E]) run() {
	defer close(q.done)
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for {
		select {
		case e := <-q.queue:
			q.write(e)
		case now := <-tick.C:
			q.note(q.file.Flush(now))
			q.note(0, q.file.Expire(now))
		case <-q.stop:
			for len(q.queue) > 0 {
				q.write(<-q.queue)
			}
			q.note(q.file.Close())
			return
		}
	}
}

func (q *Queue[E]) write(e *E) {
	q.counts.written.Add(1)
	q.note(q.file.Put(q.lines.Line(e)))
	q.lines.Free(e)
}

// note counts lines that are lost, and says so once a minute.
func (q *Queue[E]) note(lost int, err error) {
	q.counts.written.Add(int64(-lost))
	q.counts.lost.Add(int64(lost))
	if err == nil || time.Since(q.said) < time.Minute {
		return
	}
	q.said = time.Now()
	q.lines.Log.Error(q.lines.What+" cannot be written: make room, or see to its folder", "path", q.path, "lost", q.counts.lost.Load(), "err", err)
}

// Stats are the numbers of Counts.
type Stats struct{ Written, Dropped, Lost int64 }

// Stats returns the numbers.
func (c *Counts) Stats() Stats {
	return Stats{Written: c.written.Load(), Dropped: c.dropped.Load(), Lost: c.lost.Load()}
}

// Stats returns the counters.
func (q *Queue[E]) Stats() Stats { return q.counts.Stats() }

// Close writes what waits and closes the file.
func (q *Queue[E]) Close() {
	q.once.Do(func() { close(q.stop) })
	<-q.done
}
