package budget

import (
	"errors"
	"fmt"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Orphan is a reservation that a killed process left open.
type Orphan struct {
	ID      call.ID
	Amounts Amounts         // reserved
	Sent    bool            // bytes of the request had left for an upstream
	Rows    [maxChain]int64 // the bank's accounts that it was reserved from, 0: none
	slot    int
}

// Orphans are the reservations that were open when the former process ended.
// Each must be resolved.
func (p *Pool) Orphans() []Orphan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Orphan(nil), p.orphans...)
}

// Resolve ends o with what the request has spent: the cost of its ledger row if
// there is one, else all of o.Amounts if it was sent, else nothing. Further
// calls for the same orphan do nothing.
func (p *Pool) Resolve(o Orphan, spent Amounts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := -1
	for i := range p.orphans {
		if p.orphans[i] == o {
			at = i
		}
	}
	if at < 0 || p.closed {
		return
	}
	p.orphans = append(p.orphans[:at], p.orphans[at+1:]...)
	var accounts []*account
	for i := range maxChain {
		if w, _ := p.im.held(o.slot, i); w >= 0 {
			accounts = append(accounts, p.byRow[p.im.m[p.im.word(w, wordRow)]])
		}
	}
	spent.floor()
	p.settle(o.slot, accounts, &o.Amounts, &spent)
	p.noteOverrun(&[units]bool{true, true, true}, &o.Amounts, &spent)
}

// recover brings the file of a former process to a state between changes and
// level with the bank. It returns why the file is void, if it is.
func (p *Pool) recover(state call.BankState) error {
	im := p.im
	if err := im.check(); err != nil {
		return err
	}
	if !im.sameBoot(p.opts.boot) {
		return errors.New("the machine was restarted")
	}
	if im.m[cellGeneration] != state.Generation {
		return errors.New("it belongs to another bank")
	}
	im.replay()
	if err := im.checkData(); err != nil {
		return err
	}
	switch seq := im.m[cellSeq]; seq {
	case state.Seq:
		p.takeBack()
		return nil
	case state.Seq - 1:
		return p.catchUp(state)
	default:
		return fmt.Errorf("the bank has booked batch %d, the pool %d: %w", state.Seq, seq, call.ErrBankSequence)
	}
}

// takeBack makes money available again whose return the bank never heard of.
func (p *Pool) takeBack() {
	im := p.im
	for w := range im.words {
		if back := im.m[im.word(w, wordReturning)]; back != 0 {
			im.set(im.word(w, wordAvail), im.m[im.word(w, wordAvail)]+back)
			im.set(im.word(w, wordReturning), 0)
			im.commit() // each on its own: begun, the work can be gone on with
		}
	}
}

// catchUp books the last batch, which the bank has committed and the former
// process did not live to see.
func (p *Pool) catchUp(state call.BankState) error {
	if len(state.Grants) > maxBatch {
		return fmt.Errorf("the bank's last batch has %d grants; the most is %d", len(state.Grants), maxBatch)
	}
	im := p.im
	words, next := map[int64]int{}, 0
	for w := range im.words {
		if row := im.m[im.word(w, wordRow)]; row != 0 {
			words[row] = w
		}
	}
	sums := map[int64]int64{}
	for _, g := range state.Grants {
		sums[g.Row] += g.Amount
	}
	for row, sum := range sums {
		w, known := words[row]
		for ; !known && next < im.words && im.m[im.word(next, wordRow)] != 0; next++ {
		}
		if !known {
			if next == im.words {
				return errors.New("it has no room for the bank's last grants")
			}
			w, next = next, next+1
			im.set(im.word(w, wordRow), row)
			im.set(im.word(w, wordEnd), 0)
			im.set(im.word(w, wordAvail), sum)
		} else {
			im.set(im.word(w, wordAvail), im.m[im.word(w, wordAvail)]+sum)
		}
		im.set(im.word(w, wordReturning), 0)
	}
	im.set(cellSeq, state.Seq)
	im.commit()
	return nil
}

// index makes what the file says known in memory.
func (p *Pool) index() {
	im := p.im
	for w := im.words - 1; w >= 0; w-- {
		row := im.m[im.word(w, wordRow)]
		if row == 0 {
			// What a free word says does not count until now.
			if im.m[im.word(w, wordAvail)] != 0 {
				im.m[im.word(w, wordAvail)] = 0
			}
			if im.m[im.word(w, wordReturning)] != 0 {
				im.m[im.word(w, wordReturning)] = 0
			}
			p.freeWords = append(p.freeWords, w)
			continue
		}
		p.byRow[row] = &account{word: w, row: row, end: im.m[im.word(w, wordEnd)], retired: true, others: others{told: true}}
	}
	for s := im.slots - 1; s >= 0; s-- {
		state := im.m[im.slot(s, slotState)]
		if state == slotFree {
			p.freeSlots = append(p.freeSlots, s)
			continue
		}
		o := Orphan{ID: call.ID(im.m[im.slot(s, slotID)]), Sent: state == slotSent, slot: s}
		for u := range o.Amounts {
			o.Amounts[u] = im.m[im.slot(s, slotAmounts+u)]
		}
		for i := range maxChain {
			if w, unit := im.held(s, i); w >= 0 {
				o.Rows[i] = im.m[im.word(w, wordRow)]
				a := p.byRow[o.Rows[i]]
				a.unit = unit
				a.open++
				a.reserved += o.Amounts[unit]
			}
		}
		p.orphans = append(p.orphans, o)
	}
}
