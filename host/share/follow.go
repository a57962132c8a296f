package share

import "errors"

// Reader is a follower's way through an answer. It is for one goroutine.
type Reader struct {
	g      *Group
	at     int
	marked bool
}

// Reader returns one that begins at the beginning.
func (g *Group) Reader() *Reader { return &Reader{g: g} }

// ErrSlow is of followers that read more slowly than the answer is kept for them.
var ErrSlow = errors.New("the answer went on faster than it was read")

// ErrGone is of followers whose caller has left while they waited.
var ErrGone = errors.New("the caller has left")

// Head waits for the beginning of the answer, or for why there is none.
func (r *Reader) Head(gone <-chan struct{}) (*Head, *Failure, error) {
	g := r.g
	for {
		g.mu.Lock()
		head, over, failure, turn := g.head, g.over, g.failure, g.turn
		g.mu.Unlock()
		switch {
		case head != nil && (head.Stream || over && failure == nil):
			g.table.followed.Add(1)
			return head, nil, nil
		case over:
			g.table.failed.Add(1)
			if failure == nil {
				failure = &Failure{Own: true}
			}
			return nil, failure, nil
		}
		select {
		case <-turn:
		case <-gone:
			return nil, nil, ErrGone
		}
	}
}

// Part is a piece of an answer.
type Part struct {
	Bytes []byte // not to be changed
	// Mark: the follower speaks of itself before what comes next, the answer is
	// whole but for that. Rest is what comes next, for who has to know it before.
	Mark bool
	Rest []byte // not to be changed
	End  bool
	Tail Tail // at the end
	Err  *Failure
}

// Next waits for more of the answer.
func (r *Reader) Next(gone <-chan struct{}) (Part, error) {
	g := r.g
	for {
		g.mu.Lock()
		p, ready, err := r.take()
		turn := g.turn
		g.mu.Unlock()
		if ready || err != nil {
			return p, err
		}
		select {
		case <-turn:
		case <-gone:
			return Part{}, ErrGone
		}
	}
}

// take is what there is; g.mu is held.
func (r *Reader) take() (p Part, ready bool, err error) {
	g := r.g
	if r.at < g.base {
		g.table.cut.Add(1)
		return p, false, ErrSlow
	}
	end := g.base + len(g.log)
	if !r.marked && g.mark >= 0 {
		if r.at == g.mark {
			if !g.over { // what it has cost is told there
				return p, false, nil
			}
			r.marked = true
			return Part{Mark: true, Rest: g.log[g.mark-g.base:], Tail: g.tail, Err: g.failure}, true, nil
		}
		end = min(end, g.mark)
	}
	switch {
	case r.at < end:
		p.Bytes = g.log[r.at-g.base : end-g.base : end-g.base]
		r.at = end
		return p, true, nil
	case !g.over:
		return p, false, nil
	}
	return Part{End: g.failure == nil, Tail: g.tail, Err: g.failure}, true, nil
}
