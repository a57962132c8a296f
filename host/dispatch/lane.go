package dispatch

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// lane is one attempt of a race. It runs in a goroutine of its own on a call of
// its own, which shares with the caller's what attempts do not change; leaving
// that call ends the lane. A race never returns before its lanes have stopped,
// so they may refer to the caller's bytes.
type lane struct {
	run
	call     call.Call
	cand     *call.Candidate
	planned  *call.PlannedAttempt
	pass     call.Pass
	hedge    bool // others ran when it began
	heard    atomic.Bool
	res      result
	panicked any
	stack    []byte
}

// maxKeptLane bounds the buffer that a lane keeps for the next one.
const maxKeptLane = 64 << 10

var lanes = sync.Pool{New: func() any { return new(lane) }}

// newLane readies a lane for a step of r's plan.
func (r *run) newLane(step int, pass call.Pass) *lane {
	l, c := lanes.Get().(*lane), r.c
	l.planned = &c.Plan.Attempts[step]
	l.cand = &c.Candidates[l.planned.Index]
	l.pass = pass
	l.heard.Store(false)
	k := &l.call
	k.ID, k.Received, k.Op, k.Dialect, k.Owner = c.ID, c.Received, c.Op, c.Dialect, c.Owner
	k.Method, k.Path, k.ContentType, k.Strict, k.Whole = c.Method, c.Path, c.ContentType, c.Strict, c.Whole
	k.Body, k.Facts, k.Header, k.Screen = c.Body, c.Facts, c.Header, c.Screen // Screen is for what streams once it is the caller's
	k.Principal, k.Decision, k.Model, k.Target = c.Principal, c.Decision, c.Model, l.cand.Target
	k.SentUp, k.Plan.N = c.SentUp, c.Plan.N
	k.MaxTokens, k.Stepped = c.MaxTokens, c.Stepped
	k.Trace = c.Trace
	l.run = run{Dispatcher: r.Dispatcher, opt: r.opt, c: k, deadline: r.deadline, dead: r.dead, step: step, racing: &l.heard}
	return l
}

// free gives a lane back that has stopped and whose answer nobody needs from it.
func (l *lane) free() {
	buf, dropped := l.call.Buf, l.call.Dropped
	call.Poison(buf)
	call.Poison(dropped)
	if cap(buf) > maxKeptLane {
		buf = nil
	}
	l.call = call.Call{Buf: buf[:0], Dropped: dropped[:0]}
	l.run, l.cand, l.planned, l.res, l.panicked, l.stack = run{}, nil, nil, result{}, nil, nil
	lanes.Put(l)
}

// quit ends a streamed answer of a lane that nobody asks about any more.
func (l *lane) quit() {
	if s, ok := l.res.ans.Stream.(carried); ok {
		s.discard()
	}
}

// start makes the attempt.
func (l *lane) start(at time.Time, done chan<- *lane) {
	go func() {
		defer func() {
			if l.panicked = recover(); l.panicked != nil {
				l.stack = debug.Stack()
			}
			done <- l
		}()
		l.res = l.once(l.cand.Target, l.planned, l.pass, at)
		l.res.hedge = l.hedge
	}()
}

// sharedHeader lets several attempts read the caller's headers.
type sharedHeader struct {
	mu     sync.Mutex
	header call.Header
}

// Peek implements call.Header.
func (h *sharedHeader) Peek(name string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.header.Peek(name)
}
