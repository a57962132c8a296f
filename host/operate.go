package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/decision"
	"github.com/signalbox-ai/signalbox/host/filter"
	"github.com/signalbox-ai/signalbox/host/jwt"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/limit"
	"github.com/signalbox-ai/signalbox/host/openapi"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// openAdmin makes the operator's side.
func (h *Host) openAdmin(cfg *config.Config) (err error) {
	h.admin, err = admin.New(admin.Options{
		Token: cfg.Admin.Token.Reveal(), Log: h.log, Keys: h, KeyChanges: h, Directory: h, Door: h, Admins: h, Hosts: adminHosts(cfg), Limits: h, Applying: h.Applying, Budgets: h, Nodes: h.store, Credentials: h, Plugins: h.plugins(), Decisions: h.decided(), Trials: h.trialAPI(), Policies: h.policyAPI(), Routes: h.routeVersions(), Filters: h.filterModules(),
		Ledger: books{h}, Secrets: h, Recorder: h.audit, AuditLog: h.audit, Live: h.liveAPI(), Pipelines: h.pipelineAPI(), Alerts: h, Cache: h, Batches: h, Tools: h.toolAPI(), Health: h.health, Playground: h.play.play, Cards: h.cards, Status: h.status, Reload: h.Reload, Ready: h.ready, Metrics: h.metrics.Handler(),
		Sessions: h.signIns(cfg), Dashboard: dashboardOf(cfg), Document: openapi.Admin(),
	})
	h.metrics.Add(h.allFamilies()...)
	return err
}

// allFamilies are the figures that stages keep themselves.
func (h *Host) allFamilies() []telemetry.Family {
	return slices.Concat(h.families(), h.bookFamilies(), h.laneFamilies(), h.budgetFamilies(), h.trialFamilies(), h.policyFamilies(), h.filterFamilies(), h.cacheFamilies(), h.batchFamilies(), h.resilience(), h.alertFamilies(), h.rateFamilies(), h.toolFamilies(), h.sharingFamilies(), h.gatherFamilies(), h.traceFamilies(), h.logFamilies(), h.pushFamilies(), h.objectiveFamilies())
}

// ready tells whether requests can be served and recorded.
func (h *Host) ready() error {
	if err := h.ledger.Err(); err != nil {
		return fmt.Errorf("the ledger cannot be written: %w", err)
	}
	if h.budget.Stats().Fenced {
		return errors.New("this gateway must not spend any more: the bank of budgets has been set back, or has written it off")
	}
	return h.follower.fit()
}

// status is what GET /admin/status shows.
type status struct {
	Started   time.Time       `json:"started"`
	Config    string          `json:"config"`
	Providers []provider.Stat `json:"providers"`
	Routes    []route.Stats   `json:"routes"`
	Filters   []filter.Stats  `json:"filters"`
	Policy    policyStatus    `json:"policy"`
	Budget    budget.Stats    `json:"budget"`
	Ledger    ledger.Stats    `json:"ledger"`
	Decisions decision.Stats  `json:"decisions"`
	Rates     limit.Stats     `json:"rates"`
	Issuers   []jwt.Stats     `json:"issuers"` // of tokens
}

type policyStatus struct {
	policy.Stats
	LastError string `json:",omitempty"`
}

func (h *Host) status(context.Context) any {
	g := h.gen.Load()
	p := policyStatus{Stats: g.policy.Stats()}
	if p.Stats.LastError != nil {
		p.LastError = p.Stats.LastError.Error()
	}
	file := g.cfg.File
	if file == "" {
		file = "embedded default"
	}
	return status{Started: h.started, Config: file, Providers: h.supervisor.Stats(), Routes: h.router.Stats(), Filters: h.filters.Stats(),
		Policy: p, Budget: h.budget.Stats(), Ledger: h.ledger.Stats(), Decisions: h.decisions.Stats(), Rates: h.limits.Stats(), Issuers: h.issuers.Load().Stats()}
}

// families are the counters that stages keep themselves.
func (h *Host) families() []telemetry.Family {
	one := func(name, help string, value func() float64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) { emit(value()) }}
	}
	return []telemetry.Family{
		{Name: "policy_evaluations_total", Help: "Units of policy asked, by whether the memo had the answer.", Labels: []string{"unit", "result"},
			Collect: h.collectUnits},
		{Name: "build_info", Help: "1, with the version of the gateway and of Go.", Labels: []string{"version", "go_version"}, Collect: func(emit telemetry.Emit) {
			emit(1, h.opt.Version, runtime.Version())
		}},
		one("policy_failures_total", "Decisions that could not be made, and so refused.", func() float64 { return float64(h.gen.Load().policy.Stats().Failures) }),
		one("policy_reload_errors_total", "Bundles that were refused; the last good one stayed.", func() float64 { return float64(h.gen.Load().policy.Stats().ReloadErrors) }),
		one("policy_memo_bytes", "Bytes that remembered verdicts take.", func() float64 { return float64(h.gen.Load().policy.Stats().MemoBytes) }),
		{Name: "route_calls_total", Help: "Calls of routing modules.", Labels: []string{"route"}, Collect: h.collectRoutes},
		{Name: "route_faults_total", Help: "Calls that a routing module failed; the built-in order served them.", Labels: []string{"route", "kind"}, Collect: h.collectFaults},
		{Name: "route_outcomes_total", Help: "Outcomes of attempts for routing modules that learn from them, by whether they were told.", Labels: []string{"route", "result"}, Collect: h.collectOutcomes},
		{Name: "adapter_up", Help: "1 while the provider's adapter runs.", Labels: []string{"provider", "adapter"}, Collect: h.collectAdapters},
		{Name: "adapter_restarts_total", Help: "Starts of adapters after a crash.", Labels: []string{"provider"}, Collect: h.collectRestarts},
		one("decisions_kept_total", "Decisions that were kept.", func() float64 { return float64(h.decisions.Stats().Kept) }),
		one("decisions_lost_total", "Decisions that were to be kept and could not be written down in time.", func() float64 { return float64(h.decisions.Stats().Dropped) }),
		one("ledger_healthy", "1 while requests can be recorded.", func() float64 {
			if h.ledger.Healthy() {
				return 1
			}
			return 0
		}),
	}
}

func (h *Host) collectUnits(emit telemetry.Emit) {
	for _, u := range h.gen.Load().policy.Stats().Units {
		emit(float64(u.Hits), u.Name, "hit")
		emit(float64(u.Misses), u.Name, "miss")
	}
}

func (h *Host) collectRoutes(emit telemetry.Emit) {
	for _, r := range h.router.Stats() {
		emit(float64(r.Calls), r.Name)
	}
}

func (h *Host) collectFaults(emit telemetry.Emit) {
	for _, r := range h.router.Stats() {
		for kind, n := range r.Faults {
			emit(float64(n), r.Name, kind)
		}
	}
}

func (h *Host) collectOutcomes(emit telemetry.Emit) {
	for _, r := range h.router.Stats() {
		if o := r.Observing; o != nil {
			emit(float64(o.Told), r.Name, "told")
			emit(float64(o.Dropped), r.Name, "dropped")
		}
	}
}

func (h *Host) collectAdapters(emit telemetry.Emit) {
	seen := map[string]bool{}
	for _, s := range h.supervisor.Stats() {
		if seen[s.Provider] || s.State == provider.Draining || s.State == provider.Stopped {
			continue
		}
		seen[s.Provider] = true
		up := 0.0
		if s.State == provider.Running {
			up = 1
		}
		emit(up, s.Provider, s.Adapter)
	}
}

func (h *Host) collectRestarts(emit telemetry.Emit) {
	sums := map[string]int{}
	for _, s := range h.supervisor.Stats() {
		sums[s.Provider] += s.Restarts
	}
	for name, n := range sums {
		emit(float64(n), name)
	}
}
