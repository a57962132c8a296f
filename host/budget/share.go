package budget

import (
	"context"
	"errors"
	"time"
)

var errFenced = errors.New("the bank was set back or has fenced this node: nothing is handed back")

// lookAround has what other nodes are in want of handed back, and from time to
// time the bank told how much of the leases is spent.
func (p *Pool) lookAround(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, bankTimeout)
	defer cancel()
	var rows []int64
	var err error
	if p.shared != nil {
		rows, err = p.shared.Wanted(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reporting = false
	if err != nil {
		if mustStop(err) && !p.fenced {
			p.fenced = true
			p.opts.Log.Error(stopped, "error", err)
		}
		return // of others the next batch says so where it lasts
	}
	for _, row := range rows {
		if a := p.byRow[row]; a != nil {
			a.others.recall = true
			p.enqueue(a)
		}
	}
	if now := time.Now(); now.Sub(p.reported) >= p.opts.Report {
		p.reported, p.reporting = now, true
		for _, a := range p.byRow {
			if a.others.report {
				p.enqueue(a)
			}
		}
	}
}
