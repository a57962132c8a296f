// Package content writes down what requests ask and what they are answered,
// where the operator wants that: redacted, bounded, in a file of its own. On
// the path of a request bodies are copied; they are looked into off it.
package content

import (
	"log/slog"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/logfile"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Options of a Log.
type Options struct {
	File                logfile.Options
	Models, Teams, Keys []string // patterns of what is logged; none: all
	Max                 int      // bytes of a request, and of its answer, that are kept
	Redactor            *Redactor
	Buffer              int // requests that wait to be written
	Counts              *logfile.Counts
	Log                 *slog.Logger
}

// Log is an open log. A nil Log writes nothing.
type Log struct {
	opt    Options
	pool   sync.Pool
	queue  *logfile.Queue[Entry]
	writer writer
	held   atomic.Int64 // bytes of bodies that entries hold
	room   int64        // for them
}

// Open begins to write.
func Open(opt Options) (*Log, error) {
	l := &Log{opt: opt, room: maxHeld}
	l.pool.New = func() any { return &Entry{} }
	l.writer.redactor = opt.Redactor
	var err error
	l.queue, err = logfile.Start(opt.File, logfile.Lines[Entry]{What: "the log of prompts and answers", Buffer: opt.Buffer, Line: l.writer.line, Free: l.free, Counts: opt.Counts, Log: opt.Log})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Entry is a request with what it asked and was answered. It implements
// call.Tap, for answers that stream.
type Entry struct {
	log    *Log
	held   int
	full   bool // there was no room for its bodies
	most   int
	record call.Record
	trace  call.Trace
	time   time.Time
	bare   bool // policy wants no texts told

	request, answer []byte
	ends            []int // in answer, of the events of a stream
	asked, given    int   // bytes there were
	streamed        bool
}

// Begin returns what c, which policy has decided on, is to be told to; nil: it
// is not to be logged.
func (l *Log) Begin(c *call.Call) *Entry {
	if l == nil || c.Decision == nil || c.Decision.Log == "none" || c.Principal == nil || c.Model == nil {
		return nil
	}
	if !matches(l.opt.Models, c.Model.Name) || !matches(l.opt.Teams, c.Principal.Team) || !matches(l.opt.Keys, c.Principal.KeyName) {
		return nil
	}
	e := l.pool.Get().(*Entry)
	e.most, e.bare = l.opt.Max, c.Decision.Log == "metadata"
	e.log, e.asked = l, len(c.Body)
	if !e.bare && e.asked <= e.most && e.hold(e.asked) {
		e.request = append(e.request[:0], c.Body...)
	}
	return e
}

func matches(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// maxHeld bounds the bodies that all entries hold together, those of requests
// that run and those that wait to be written.
const maxHeld = 64 << 20

// hold makes room for n bytes; false: there is none.
func (e *Entry) hold(n int) bool {
	if e.full {
		return false
	}
	if e.log.held.Add(int64(n)) > e.log.room {
		e.log.held.Add(int64(-n))
		e.full = true
		return false
	}
	e.held += n
	return true
}

// Event implements call.Tap.
func (e *Entry) Event(data []byte) {
	e.streamed = true
	e.given += len(data)
	switch {
	case e.bare:
	case e.given <= e.most && e.hold(len(data)):
		e.answer = append(e.answer, data...)
		e.ends = append(e.ends, len(e.answer))
	default: // a part of it could not be redacted for sure
		e.answer, e.ends = e.answer[:0], e.ends[:0]
	}
}

// Answer is the whole answer.
func (e *Entry) Answer(body []byte) {
	e.given = len(body)
	if !e.bare && e.given <= e.most && e.hold(e.given) {
		e.answer = append(e.answer[:0], body...)
	}
}

// Send hands e over, with what became of its request. It never waits.
func (l *Log) Send(e *Entry, c *call.Call, r *call.Record) {
	e.record, e.trace, e.time = *r, c.Trace, c.Received
	e.record.Attempts = nil
	l.queue.Put(e)
}

// maxKept bounds what an entry keeps for the next one.
const maxKept = 64 << 10

func (l *Log) free(e *Entry) {
	l.held.Add(int64(-e.held))
	call.Poison(e.request)
	call.Poison(e.answer)
	if cap(e.request) > maxKept {
		e.request = nil
	}
	if cap(e.answer) > maxKept {
		e.answer = nil
	}
	*e = Entry{request: e.request[:0], answer: e.answer[:0], ends: e.ends[:0]}
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

// readable reports whether op's bodies hold text that is found.
func readable(op wire.Op) bool {
	switch op {
	case wire.OpChat, wire.OpCompletions, wire.OpEmbeddings, wire.OpModeration, wire.OpRerank, wire.OpImages, wire.OpSpeech:
		return true
	}
	return false
}
