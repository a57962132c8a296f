package dispatch

import (
	"io"
	"sync"
	"time"
)

const (
	// maxDrains is how many answers whose callers have left are read on at a time.
	maxDrains = 1024
	// maxDrained is how much is read of one, in bytes.
	maxDrained = 16 << 20
)

// drains are the answers that are read on though their callers have left, each
// by the goroutine that served the caller.
type drains struct {
	mu      sync.Mutex
	conns   map[*conn]struct{}
	stopped bool
	running sync.WaitGroup
}

// enter begins a drain that may take until then, unless there are too many or
// no more are to be.
func (d *drains) enter(cn *conn, until time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped || len(d.conns) >= maxDrains {
		return false
	}
	cn.until = until
	if cn.nc.SetDeadline(until) != nil {
		return false
	}
	if d.conns == nil {
		d.conns = map[*conn]struct{}{}
	}
	d.conns[cn] = struct{}{}
	d.running.Add(1)
	return true
}

// leave ends a drain.
func (d *drains) leave(cn *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.conns[cn]; ok {
		delete(d.conns, cn)
		d.running.Done()
	}
}

// Stop ends the drains that run and waits for them. For callers who leave from
// then on there are none.
func (d *Dispatcher) Stop() {
	d.drains.mu.Lock()
	d.drains.stopped = true
	for cn := range d.drains.conns {
		_ = cn.nc.SetDeadline(time.Unix(1, 0))
	}
	d.drains.mu.Unlock()
	d.drains.running.Wait()
}

// left accounts for an answer whose caller has gone, after what the provider
// still sends of it where that is wanted for the bill.
func (s *stream) left() {
	s.c.Gone.Leave()
	if !s.finished && s.drain() {
		defer s.drains.leave(s.cn)
	}
	s.finish(leftError(s.c))
}

// drain reads on to the end of the answer, within the provider's limit, so that
// the upstream's own account of it arrives. Where it returns true its caller has
// to leave the drains.
func (s *stream) drain() bool {
	limit := s.t.Provider.Drain
	if limit <= 0 || s.ended {
		return false
	}
	s.c.Gone.Free() // the reads go on
	until := time.Now().Add(limit)
	if until.After(s.deadline) {
		until = s.deadline
	}
	if !s.drains.enter(s.cn, until) {
		return false
	}
	s.deaf = true
	for read := 0; ; {
		if n := s.whole(); n > 0 {
			read += n
			s.listen((*s.buf)[:n])
			s.consume(n)
		}
		if s.ended || s.upErr != nil || read > maxDrained {
			break
		}
		if s.eof {
			s.ended = s.plainEnd()
			break
		}
		if err := s.fill(); err != nil && err != io.EOF {
			break
		}
	}
	if s.ended && !s.ep.Direct() && !s.eof {
		s.trailing() // the adapter's usage comes behind the last event
	}
	return true
}
