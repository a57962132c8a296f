package budget

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// credit books the outcome of batch seq, in one piece.
func (p *Pool) credit(seq int64, grants []call.BankGrant) {
	now := time.Now()
	for i, g := range grants {
		p.dealt[i].noteShare(&p.ops[i], &g, now)
		p.book(p.dealt[i], p.ops[i], g)
	}
	if len(grants) > 0 {
		p.im.set(cellSeq, seq)
		p.im.commit()
	}
	p.ops = nil
}

func (p *Pool) book(a *account, op call.BankOp, g call.BankGrant) {
	im, same := p.im, p.byRow[g.Row]
	if a.word < 0 { // adopted earlier in this batch
		same.granted = g.Granted
		return
	}
	if same != nil && same != a {
		p.adopt(a, same)
	}
	p.byRow[g.Row] = a
	a.row, a.granted = g.Row, g.Granted
	if b := p.newer(a); b != nil && b.row != 0 {
		b.granted += g.Amount - op.Return // of which the bank has told before
	}
	if op.Need > 0 || op.Want > 0 {
		a.last = g.Amount
	}
	a.others.told = op.Held+g.Amount != 0 || op.Reserved != 0
	avail := p.avail(a) + g.Amount
	im.set(im.word(a.word, wordRow), a.row)
	im.set(im.word(a.word, wordAvail), avail)
	im.set(im.word(a.word, wordReturning), 0)
	im.set(im.word(a.word, wordEnd), a.end)
	switch {
	case a.over() && avail == 0 && !a.waited && !a.others.told:
		p.forget(a)
	case avail < 0, a.retired && avail != 0, a.others.recall && avail > 0, a.others.told && a.over():
		p.enqueue(a)
	}
}

// newer is the bucket in use of a window that rolls, where a is an older one
// that still counts.
func (p *Pool) newer(a *account) *account {
	if a.counter == nil {
		return nil
	}
	b := a.counter.now
	if b == nil || b == a || a.start < a.counter.window.from(b.start) {
		return nil
	}
	return b
}

// adopt gives a the word of old, which stands for the same row: a request that
// a former process left open still holds it.
func (p *Pool) adopt(a, old *account) {
	p.freeWords = append(p.freeWords, a.word)
	a.word = old.word
	a.open += old.open
	a.reserved += old.reserved
	old.word = -1
}
