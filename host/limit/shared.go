package limit

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// patience is how many answers of Remote a request waits for: the three whose
// lack makes it one that is gone, and the one that was underway.
const patience = 4

var errShort = errors.New("the script has returned less than it was asked for")

// shared takes from what nodes share: of what this node has leased, for which
// it waits where that is too little, or of each counter by itself. Where that
// cannot be had in time, the node's part of the limit must do.
func (t *Ticket) shared(at int64) *Denied {
	l := t.limits
	if v := t.leased(at); v == short {
		l.bank.alone.Add(1)
		return t.local(at)
	} else if v == over {
		return &t.denied
	}
	if !l.opt.Exact {
		return nil
	}
	switch v, ok := t.exactly(at); {
	case !ok:
		t.settle(l.epoch.Add(time.Duration(at)), -t.tokens, true)
		l.bank.alone.Add(1)
		return t.local(at)
	case v == over:
		t.settle(l.epoch.Add(time.Duration(at)), -t.tokens, true)
		l.refuse(&t.denied)
		return &t.denied
	}
	return nil
}

// leased takes of what this node holds. It comes back with short when what nodes
// share is gone: one that is merely slow is waited for, since to let requests in
// beside it would be to let more in than it knows of.
func (t *Ticket) leased(at int64) verdict {
	v := t.try(at, true)
	if v != short {
		t.chain.unlock(len(t.chain.rates))
		return v
	}
	timer := time.NewTimer(patience * t.limits.opt.Timeout)
	defer timer.Stop()
	for !t.lone {
		round := t.demand(at)
		t.chain.unlock(len(t.chain.rates))
		late := false
		select {
		case <-round:
		case <-timer.C:
			late = true
		}
		if v = t.try(max(at, t.limits.at(time.Now())), true); v != short || late || !t.limits.bank.up() {
			break
		}
	}
	t.chain.unlock(len(t.chain.rates))
	return v
}

// demand asks for what the request lacks, with the counters locked, and returns
// what is closed when the banker has been asked.
func (t *Ticket) demand(at int64) <-chan struct{} {
	round := t.limits.bank.next() // before: what is enqueued now is dealt with by then, or in the round after
	for i := range t.chain.rates {
		r := &t.chain.rates[i]
		c := r.counter.Load()
		need := r.need(t.tokens)
		if t.remote(c) || r.limit.OnExceed == call.OnWarn {
			continue
		}
		if v, _ := c.share.look(c, at, need); v == short {
			c.share.ask(c, at, need, r.limit.Max)
			t.limits.bank.enqueue(c)
		}
	}
	return round
}

// exactly asks for all counters of the request in one step; ok is false when
// there was no answer in time.
func (t *Ticket) exactly(at int64) (v verdict, ok bool) {
	var o order
	o.add(stateKey)
	var of [MaxRates]int
	for i := range t.chain.rates {
		r := &t.chain.rates[i]
		c := r.counter.Load()
		if !t.remote(c) {
			continue
		}
		limit := r.limit.Max
		if r.limit.OnExceed == call.OnWarn {
			limit = maxCount
		}
		of[len(o.keys)-1] = i
		o.add(c.key, c.window.step/1e6, limit, r.need(t.tokens))
	}
	n := len(o.keys) - 1
	if n == 0 {
		return fits, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.limits.opt.Timeout)
	defer cancel()
	got, err := t.limits.opt.Remote.Run(ctx, exact, o.keys, append([]string{strconv.Itoa(remoteCells)}, o.args...))
	if err == nil && len(got) == 1 && got[0] == unsettled {
		return short, false
	}
	if err != nil || len(got) != 1+3*n {
		t.lost(of[:n])
		return short, false
	}
	return t.answered(at, got, of[:n]), true
}

// lost books the rates of as taken by another: they may be, and not be told.
func (t *Ticket) lost(of []int) {
	for _, i := range of {
		r := &t.chain.rates[i]
		c := r.counter.Load()
		c.mu.Lock()
		c.share.left -= r.need(t.tokens)
		c.mu.Unlock()
	}
}

// answered books what exactly was told of the rates of.
func (t *Ticket) answered(at int64, got []int64, of []int) verdict {
	for !t.chain.lock() {
		t.chain.renew(t.limits)
	}
	v := over
	if got[0] == 1 {
		v = fits
	}
	t.denied = Denied{}
	found := false
	for k, i := range of {
		r := &t.chain.rates[i]
		c, need := r.counter.Load(), r.need(t.tokens)
		left, wait, cell := got[1+3*k], time.Duration(got[2+3*k])*time.Millisecond, got[3+3*k]
		c.window.turn(at)
		soft := r.limit.OnExceed == call.OnWarn
		if soft {
			left -= maxCount - r.limit.Max
		}
		if v == fits {
			t.cell[i], t.far[i] = c.take(need), cell
		}
		c.share.told(c, left, r.limit.Max, at)
		if c.share.limit, c.share.wanted = r.limit.Max, at; !c.share.watched {
			t.limits.bank.enqueue(c)
		}
		if v == fits {
			if soft && left < 0 {
				t.soft |= 1 << i
				t.limits.refused[1][r.kind][r.limit.Unit].Add(1)
			}
			continue
		}
		if !soft && left < need {
			t.denied.worse(!found, Denied{Limit: r.limit, Need: need, Wait: wait, Never: need > r.limit.Max})
			found = true
		}
	}
	t.report(at)
	t.chain.unlock(len(t.chain.rates))
	return v
}
