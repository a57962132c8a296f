package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/alert"
	"github.com/signalbox-ai/signalbox/host/audit"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/provider"
)

// lookEvery is how often the lookout looks; what it looks at lies in memory.
const lookEvery = time.Second

// lookout notices what the stages have come to: it tells the audit log of what
// changes, and alerts of what does not work.
type lookout struct {
	h      *Host
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	engine *policy.Engine
	policy policy.Stats
	budget budget.Stats
	since  budget.Stats        // as of the last look of alerts
	is     map[string]struct{} // conditions that were noted and hold
	list   []alert.Condition
}

func newLookout(h *Host) *lookout {
	g := h.gen.Load()
	l := &lookout{h: h, engine: g.policy, policy: g.policy.Stats(), budget: h.budget.Stats(), is: map[string]struct{}{}}
	l.since = l.budget
	l.h.note("policy.activate", l.policy.Revision, audit.Done, nil)
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.done.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.look()
			}
		}
	})
	return l
}

// Stop ends the lookout; nil is ended.
func (l *lookout) Stop() {
	if l != nil {
		l.cancel()
		l.done.Wait()
	}
}

// conditions are those that hold, and what has been counted since the last call.
func (l *lookout) conditions() []alert.Condition {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Clone(l.list)
	now, node := l.h.budget.Stats(), "node/"+l.h.store.Node().ID
	if n := now.Passed - l.since.Passed; n > 0 {
		list = append(list, alert.Condition{Kind: alert.KindSoft, Scope: node, Message: fmt.Sprintf("%d requests have passed a soft limit", n)})
	}
	if n := now.Overruns - l.since.Overruns; n > 0 {
		list = append(list, alert.Condition{Kind: alert.KindUnder, Scope: node,
			Message: fmt.Sprintf("%d requests have cost more than was reserved for them, by %s USD in sum", n, config.USD(now.OverrunSum-l.since.OverrunSum))})
	}
	l.since = now
	return list
}

func (l *lookout) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.h.gen.Load()
	l.lookAtPolicy(g.policy)
	l.list = l.list[:0]
	held := map[string]struct{}{}
	for _, f := range []func(*generation, func(kind, scope, message string)){l.bank, l.ledger, l.audit, l.adapters, l.modules, l.credentials, l.breakers} {
		f(g, func(kind, scope, message string) {
			l.list = append(l.list, alert.Condition{Kind: kind, Scope: scope, Message: message})
			held[kind+" "+scope] = struct{}{}
			if _, known := l.is[kind+" "+scope]; !known {
				l.h.note(kind+".trouble", scope, audit.Failed, map[string]any{"error": message})
			}
		})
	}
	if err := l.policy.LastError; err != nil {
		l.list = append(l.list, alert.Condition{Kind: alert.KindPolicy, Scope: "policy", Message: "a policy bundle was refused, the one before it serves on: " + firstLine(err)})
	}
	for what := range l.is {
		if _, holds := held[what]; !holds {
			kind, scope, _ := strings.Cut(what, " ")
			l.h.note(kind+".recovered", scope, audit.Done, nil)
		}
	}
	l.is = held
}

// lookAtPolicy notes bundles that came into use, and those that were refused.
func (l *lookout) lookAtPolicy(e *policy.Engine) {
	now := e.Stats()
	if now.Revision != l.policy.Revision {
		l.h.note("policy.activate", now.Revision, audit.Done, map[string]any{"from": l.policy.Revision})
	}
	if e == l.engine && now.ReloadErrors > l.policy.ReloadErrors && now.LastError != nil {
		l.h.note("policy.refuse", "", audit.Failed, map[string]any{"error": firstLine(now.LastError)})
	}
	l.engine, l.policy = e, now
}

type tell = func(kind, scope, message string)

func (l *lookout) bank(_ *generation, tell tell) {
	s, node := l.h.budget.Stats(), "node/"+l.h.store.Node().ID
	if s.Fenced {
		tell(alert.KindBank, node, "the node is fenced: the bank was set back or has written it off, and it spends nothing until it is restarted")
	}
	if s.BankDown {
		tell(alert.KindBank, node+"/down", "the bank of budgets cannot be reached: what is leased is spent, then requests are refused")
	}
}

func (l *lookout) ledger(_ *generation, tell tell) {
	if !l.h.ledger.Healthy() {
		tell(alert.KindLedger, "node/"+l.h.store.Node().ID, "requests cannot be recorded, and are refused: see the log, and the space left on the disk")
	}
}

func (l *lookout) audit(_ *generation, tell tell) {
	tampered, unwritten := l.h.audit.Trouble()
	node := "node/" + l.h.store.Node().ID
	if tampered != "" {
		tell(alert.KindAudit, node+"/tampered", "the audit log has been tampered with: "+tampered)
	}
	if unwritten != "" {
		tell(alert.KindAudit, node, "the audit log cannot be written: "+unwritten)
	}
}

func (l *lookout) adapters(_ *generation, tell tell) {
	for _, s := range l.h.supervisor.Stats() {
		if s.State == provider.Quarantined {
			tell(alert.KindAdapter, s.Provider, "the adapter has crashed too often and rests")
		}
	}
}

func (l *lookout) modules(_ *generation, tell tell) {
	for _, r := range l.h.router.Stats() {
		if r.Quarantined != "" {
			tell(alert.KindModule, "route/"+r.Name, "version "+r.Quarantined+" has failed too often and was taken out")
		}
	}
	for _, f := range l.h.filters.Stats() {
		if f.Quarantined != "" {
			tell(alert.KindModule, "filter/"+f.Name, "version "+f.Quarantined+" has failed too often and was taken out")
		}
	}
}

func (l *lookout) credentials(g *generation, tell tell) {
	now := time.Now().UnixMilli()
	for name := range g.cfg.Providers {
		for _, c := range g.providers.Provider(name).Credentials {
			if c.BenchedUntil.Load() > now {
				tell(alert.KindBenched, name+"/"+c.Name, "the provider refuses the credential")
			}
		}
	}
}

func (l *lookout) breakers(_ *generation, tell tell) {
	for name, s := range l.h.states.breakers() {
		if s.state == uint8(call.CircuitOpen) {
			tell(alert.KindBreaker, name, "the target fails, its breaker is open")
		}
	}
}
