package budget

import (
	"context"
	"errors"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	// maxBatch is the most ops that one batch has: their outcome must fit into
	// the pool file's log, at four cells each.
	maxBatch    = 200
	bankTimeout = 5 * time.Second // for one batch
	retryFirst  = 10 * time.Millisecond
	retryMost   = time.Second
	// growth is by how much a lease grows with each grant, so that one which is in
	// use soon lasts through an outage of the bank.
	growth = 4
)

const stopped = "this node spends nothing any more: the budget bank has been set back, or has written the node off"

// banker is the one goroutine that deals with the bank. Whatever accounts need
// while a batch is on its way rides in the next one.
type banker struct {
	signal chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

func (b *banker) start(p *Pool) {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel, b.done = cancel, make(chan struct{})
	p.mu.Lock()
	b.signal = make(chan struct{}, 1)
	p.mu.Unlock()
	go b.run(ctx, p)
}

// stop ends the goroutine and waits for it.
func (b *banker) stop() {
	if b.cancel != nil {
		b.cancel()
		<-b.done
	}
}

// wake is called with the pool's lock held.
func (b *banker) wake() {
	select {
	case b.signal <- struct{}{}:
	default: // it is awake already, or not started yet
	}
}

func (b *banker) run(ctx context.Context, p *Pool) {
	defer close(b.done)
	idle := time.NewTicker(p.opts.Idle)
	defer idle.Stop()
	every := p.opts.Report
	if p.shared != nil {
		every = p.opts.Look
	}
	look := time.NewTicker(every)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.signal:
		case <-idle.C:
			p.queueIdle()
		case <-look.C:
			p.lookAround(ctx)
		}
		if err := p.deal(ctx); err != nil {
			return
		}
	}
}

// queueIdle queues the accounts that nobody has used since the last call, those
// whose window is over, and those that hold far more than was used at once.
func (p *Pool) queueIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.opts.Now().Unix()
	for _, a := range p.byRow {
		if !a.touched || now >= a.end {
			a.retired = true
			p.enqueue(a)
		} else if keep := 2*a.peak + a.last; p.avail(a) > 2*keep {
			a.excess = p.avail(a) - keep
			p.enqueue(a)
		} else if p.avail(a) > 8*a.peak {
			a.last /= 2 // the grant was for a crowd that is gone
		}
		a.touched, a.peak = false, a.reserved
	}
}

// deal carries out batches until no account is queued, retrying each until the
// bank has taken it. It fails only when ctx ends or bank and pool do not match.
func (p *Pool) deal(ctx context.Context) error {
	pause := retryFirst
	for more := true; more; {
		var err error
		if more, err = p.step(ctx); err == nil {
			pause = retryFirst
			continue
		}
		if mustStop(err) {
			p.opts.Log.Error(stopped, "error", err)
			return err
		}
		p.opts.Log.Error("cannot reach the budget bank: what is leased can be spent, then requests are refused", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause, more = min(2*pause, retryMost), true
	}
	return nil
}

// step carries out one batch. After an error it is not known whether the bank
// has booked it, so the next step sends the very same ops under the same number.
func (p *Pool) step(ctx context.Context) (more bool, err error) {
	p.mu.Lock()
	if len(p.ops) == 0 {
		p.batch()
	}
	seq, ops := p.im.m[cellSeq]+1, p.ops
	p.mu.Unlock()

	var grants []call.BankGrant
	if len(ops) > 0 {
		grants, err = p.try(ctx, seq, ops)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.endRound() // also after an error: let waiting requests fail, not hang
	if len(ops) > 0 {
		p.stats.BankBatches++
		p.bankDown = err != nil
	}
	if err != nil {
		p.stats.BankErrors++
		p.fenced = p.fenced || mustStop(err)
		return false, err
	}
	p.credit(seq, grants)
	return len(p.queue) > 0, nil
}

func (p *Pool) try(ctx context.Context, seq int64, ops []call.BankOp) ([]call.BankGrant, error) {
	ctx, cancel := context.WithTimeout(ctx, bankTimeout)
	defer cancel()
	grants, err := p.bank.Apply(ctx, seq, ops)
	if err == nil && len(grants) != len(ops) {
		err = errors.New("BUG: the bank answered with another number of grants")
	}
	return grants, err
}

// endRound wakes those who wait; each looks again and registers what it lacks anew.
func (p *Pool) endRound() {
	for _, a := range p.queue {
		a.demand, a.waited = 0, false
	}
	close(p.round)
	p.round = make(chan struct{})
}

// batch turns queued accounts into p.ops for p.dealt. Money on its way back
// leaves avail in the file before the bank hears of it.
func (p *Pool) batch() {
	p.dealt, p.ops = p.dealt[:0], nil
	n := min(len(p.queue), maxBatch)
	for _, a := range p.queue[:n] {
		a.queued = false
		if a.word < 0 {
			continue
		}
		op := p.opFor(a)
		asks := op.Need > 0 || op.Want > 0 || a.waited && a.row == 0 || a.row != 0 && (a.others.report && p.reporting || a.others.told && a.over())
		a.demand, a.max, a.waited, a.others.recall = 0, 0, false, false
		if op.Return == 0 && !asks {
			if a.over() || a.row == 0 && a.open == 0 { // or nobody could be asked of it
				p.forget(a)
			}
			continue
		}
		if op.Return != 0 {
			p.im.set(p.im.word(a.word, wordAvail), p.avail(a)-op.Return)
			p.im.set(p.im.word(a.word, wordReturning), op.Return)
		}
		a.others.report = false
		p.dealt, p.ops = append(p.dealt, a), append(p.ops, op)
	}
	p.queue = append(p.queue[:0], p.queue[n:]...)
	p.im.commit()
}

// opFor says what a needs from the bank, if anything.
func (p *Pool) opFor(a *account) call.BankOp {
	op := call.BankOp{Row: a.row, Start: a.start, From: a.start, End: a.end, Max: a.max, Reserved: a.reserved}
	if c := a.counter; c != nil {
		op.Scope, op.Window = c.scope, c.name
		op.From, op.End = c.window.from(a.start), c.window.until(a.end)
	}
	now, avail := time.Now(), p.avail(a)
	if a.others.recall {
		a.others.tight = now.Add(tightFor)
	}
	if a.waited {
		a.retired = false // it was idle, and no longer is
	}
	switch {
	case avail < 0, a.retired, a.others.recall:
		op.Return, avail = avail, 0
	case avail > a.excess:
		op.Return, avail = a.excess, avail-a.excess
	}
	a.excess = 0
	op.Held = avail
	op.Need, op.Least = max(a.demand-avail, 0), max(a.least-avail, 0)
	if !a.retired && a.max > 0 && avail < max(a.demand, a.last/4+1) && now.After(a.others.tight) {
		op.Want = min(max(growth*a.last, 8*op.Need), max(a.max/100, a.peak))
	}
	return op
}

// mustStop reports whether a node has to stop spending after err.
func mustStop(err error) bool {
	return errors.Is(err, call.ErrBankSequence) || errors.Is(err, call.ErrBankFenced)
}

// returnAll hands back every lease. It runs when no reservations are made.
func (p *Pool) returnAll(ctx context.Context) error {
	p.mu.Lock()
	for _, a := range p.byRow {
		a.retired = true
		p.enqueue(a)
	}
	fenced, more := p.fenced, len(p.queue) > 0 || len(p.ops) > 0
	p.mu.Unlock()
	if fenced {
		return errFenced
	}
	for more {
		var err error
		if more, err = p.step(ctx); err != nil {
			return err
		}
	}
	return nil
}
