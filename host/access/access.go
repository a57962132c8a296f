// Package access writes a line of JSON for each finished request. On the path
// of a request its figures are copied into a bounded queue; what finds no room
// is counted, not waited for.
package access

import (
	"log/slog"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/logfile"
)

// Options of a Log.
type Options struct {
	File   logfile.Options
	Sample float64  // share of what was answered; what was not is all logged
	Fields []string // of Fields, none: all
	Buffer int      // requests that wait to be written; default 4096
	Counts *logfile.Counts
	Log    *slog.Logger
}

// Entry is a request as its line tells it.
type Entry struct {
	Record   call.Record // without attempts
	Time     time.Time
	Trace    call.Trace
	Remote   [46]byte // text of the caller's address
	remoteN  int
	Attempts int
	Upstream time.Duration
	In, Out  int64 // bytes
}

// Log is an open log. A nil Log writes nothing.
type Log struct {
	fields []field
	under  uint64
	pool   sync.Pool
	queue  *logfile.Queue[Entry]
	buf    []byte // of the line in hand
}

// Open begins to write.
func Open(opt Options) (*Log, error) {
	if opt.Buffer <= 0 {
		opt.Buffer = 4096
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	l := &Log{}
	l.pool.New = func() any { return &Entry{} }
	l.under = shareOf(opt.Sample)
	var err error
	if l.fields, err = choose(opt.Fields); err != nil {
		return nil, err
	}
	l.queue, err = logfile.Start(opt.File, logfile.Lines[Entry]{What: "the access log", Buffer: opt.Buffer, Line: l.line, Free: l.free, Counts: opt.Counts, Log: opt.Log})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// shareOf is what hashes are compared with.
func shareOf(sample float64) uint64 {
	if sample >= 1 {
		return 1 << 63
	}
	return uint64(sample * (1 << 63))
}

// Wants reports whether the request of that id is logged.
func (l *Log) Wants(id call.ID, failed bool) bool {
	if l == nil {
		return false
	}
	if failed || l.under >= 1<<63 {
		return true
	}
	h := uint64(id) * 0x9e3779b97f4a7c15 // ids follow each other: spread them
	h ^= h >> 32
	return h*0xd6e8feb86659fd93>>1 < l.under
}

// Request logs c, whose record is r. It neither waits nor allocates once there
// has been as much to write at a time.
func (l *Log) Request(c *call.Call, r *call.Record) {
	e := l.pool.Get().(*Entry)
	e.Record, e.Time, e.Trace, e.Upstream = *r, c.Received, c.Trace, c.Upstream
	e.Record.Attempts, e.Attempts = nil, len(r.Attempts)
	e.remoteN = 0
	if c.Remote.IsValid() {
		e.remoteN = len(c.Remote.AppendTo(e.Remote[:0]))
	}
	e.In, e.Out = int64(c.Facts.Size), c.Bytes
	if c.Upload != nil {
		e.In = c.Upload.Size()
	}
	if !c.Streamed && e.Out == 0 {
		e.Out = int64(len(c.Buf))
	}
	l.queue.Put(e)
}

func (l *Log) line(e *Entry) []byte {
	l.buf = append(l.buf[:0], '{')
	for i := range l.fields {
		l.buf = l.fields[i].append(l.buf, e)
	}
	l.buf = append(l.buf[:len(l.buf)-1], '}') // in the place of the last comma
	return l.buf
}

func (l *Log) free(e *Entry) {
	*e = Entry{}
	l.pool.Put(e)
}

// Stats returns the counters.
func (l *Log) Stats() logfile.Stats { return l.queue.Stats() }

// Close writes what waits and closes the file.
func (l *Log) Close() {
	if l != nil {
		l.queue.Close()
	}
}
