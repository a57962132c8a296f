package pipeline

import (
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// account is what one budget of a run has left.
type account struct {
	what string // "pipeline \"x\"", "step \"y\""
	max  int64  // nano-dollars
	held int64  // by requests that run
	cost int64  // of those that have ended
}

// Purse holds what the requests of a step may cost: within the run's budget and
// its own. It is safe for concurrent use; requests that run beside each other
// hold their worst case, so that together they do not exceed it either.
type Purse struct {
	mu       *sync.Mutex // one for all purses of a run
	accounts []*account
}

// Hold keeps nano-dollars for a request.
func (p *Purse) Hold(nano int64) *wire.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.accounts {
		if left := a.max - a.held - a.cost; nano > left {
			e := wire.Errorf(402, "pipeline_budget_exceeded", "its request may cost up to %s USD, and of the budget of %s, %s USD, %s USD is left: raise the budget, or lower max_tokens",
				call.AppendUSD(nil, nano), a.what, call.AppendUSD(nil, a.max), call.AppendUSD(nil, max(0, left)))
			e.Class = wire.ClassPolicy
			return e
		}
	}
	for _, a := range p.accounts {
		a.held += nano
	}
	return nil
}

// Settle ends what was held for a request, which has cost so much.
func (p *Purse) Settle(held, cost int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.accounts {
		a.held -= held
		a.cost += cost
	}
}
