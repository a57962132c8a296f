package host

import (
	"context"
	"errors"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// openAdmin makes the operator's side.
func (h *Host) openAdmin(cfg *config.Config) (err error) {
	h.admin, err = admin.New(admin.Options{
		Token: cfg.Admin.Token.Reveal(), Log: h.log, Keys: h, Credentials: h, Plugins: h.plugins(),
		Usage: h.usage, Status: h.status, Reload: h.Reload, Ready: h.ready, Metrics: h.metrics.Handler(),
	})
	h.metrics.Add(h.families()...)
	return err
}

// ready tells whether requests can be served and recorded.
func (h *Host) ready() error {
	if !h.ledger.Healthy() {
		return errors.New("the ledger cannot be written: see the log, and the space left on the disk")
	}
	return nil
}

// usage sums up the ledger, what is still in the journal included.
func (h *Host) usage(ctx context.Context, q admin.UsageQuery) ([]admin.UsageRow, error) {
	if err := h.ledger.Fold(ctx); err != nil {
		return nil, err
	}
	rows, err := h.store.Usage(ctx, store.UsageQuery(q))
	if err != nil {
		return nil, err
	}
	out := make([]admin.UsageRow, len(rows))
	for i, r := range rows {
		out[i] = admin.UsageRow(r)
	}
	return out, nil
}

// status is what GET /admin/status shows.
type status struct {
	Started   time.Time       `json:"started"`
	Config    string          `json:"config"`
	Providers []provider.Stat `json:"providers"`
	Routes    []route.Stats   `json:"routes"`
	Policy    policyStatus    `json:"policy"`
	Budget    budget.Stats    `json:"budget"`
	Ledger    ledger.Stats    `json:"ledger"`
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
	return status{Started: h.started, Config: file, Providers: h.supervisor.Stats(), Routes: g.router.Stats(),
		Policy: p, Budget: h.budget.Stats(), Ledger: h.ledger.Stats()}
}

// families are the counters that stages keep themselves.
func (h *Host) families() []telemetry.Family {
	one := func(name, help string, value func() float64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) { emit(value()) }}
	}
	return []telemetry.Family{
		{Name: "policy_evaluations_total", Help: "Units of policy asked, by whether the memo had the answer.", Labels: []string{"unit", "result"},
			Collect: h.collectUnits},
		one("policy_failures_total", "Decisions that could not be made, and so refused.", func() float64 { return float64(h.gen.Load().policy.Stats().Failures) }),
		one("policy_reload_errors_total", "Bundles that were refused; the last good one stayed.", func() float64 { return float64(h.gen.Load().policy.Stats().ReloadErrors) }),
		one("policy_memo_bytes", "Bytes that remembered verdicts take.", func() float64 { return float64(h.gen.Load().policy.Stats().MemoBytes) }),
		{Name: "route_calls_total", Help: "Calls of routing modules.", Labels: []string{"route"}, Collect: h.collectRoutes},
		{Name: "route_faults_total", Help: "Calls that a routing module failed; the built-in order served them.", Labels: []string{"route", "kind"}, Collect: h.collectFaults},
		{Name: "adapter_up", Help: "1 while the provider's adapter runs.", Labels: []string{"provider", "adapter"}, Collect: h.collectAdapters},
		{Name: "adapter_restarts_total", Help: "Starts of adapters after a crash.", Labels: []string{"provider"}, Collect: h.collectRestarts},
		one("budget_denied_total", "Reservations refused because a limit would be passed.", func() float64 { return float64(h.budget.Stats().Denied) }),
		one("budget_overruns_total", "Requests that cost more than was reserved for them.", func() float64 { return float64(h.budget.Stats().Overruns) }),
		one("budget_overrun_usd_total", "Dollars spent beyond reservations.", func() float64 { return float64(h.budget.Stats().OverrunSum) / 1e9 }),
		one("budget_open_reservations", "Reservations of running requests.", func() float64 { return float64(h.budget.Stats().Open) }),
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
	for _, r := range h.gen.Load().router.Stats() {
		emit(float64(r.Calls), r.Name)
	}
}

func (h *Host) collectFaults(emit telemetry.Emit) {
	for _, r := range h.gen.Load().router.Stats() {
		for kind, n := range r.Faults {
			emit(float64(n), r.Name, kind)
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
