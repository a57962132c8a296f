package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/decision"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/release"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// openRoutes makes the router, which lasts as long as the host, and opens the
// register of its modules' versions.
func (h *Host) openRoutes(ctx context.Context, cfg *config.Config) (err error) {
	h.router, err = route.New(route.Options{Log: h.log, CacheDir: filepath.Join(h.dir, "wasm-cache"), Notify: h.routeNotices.Add,
		AllowUnmetered: cfg.Modules.AllowUnmetered})
	if err != nil {
		return err
	}
	h.routes, err = release.Open(ctx, release.Options{Kind: module.Route, Fleet: h.router, Store: h.store, Notices: &h.routeNotices,
		Check:   func(s wasm.Source) (*module.Manifest, string, error) { return s.Check(module.Route, *h.signers.Load()) },
		Vouched: h.vouched, Replay: h.replayRoute, Log: h.log})
	return err
}

// closeRoutes ends what openRoutes has made.
func (h *Host) closeRoutes() error {
	if h.routes != nil {
		h.routes.Close()
	}
	if h.router != nil {
		return h.router.Close()
	}
	return nil
}

// prepareRoutes readies the modules that g's configuration brings, beside those
// that run.
func (h *Host) prepareRoutes(ctx context.Context, g *generation) (err error) {
	seeds := map[string]release.Seed{}
	for name, r := range g.cfg.Routes {
		if seeds[name], err = readRoute(r); err != nil {
			return fmt.Errorf("cannot load route %q: %w", name, err)
		}
	}
	if g.routes, err = h.routes.Prepare(ctx, seeds, strings.Join(g.tags, "\n")); err != nil {
		return err
	}
	for name := range seeds {
		g.handles[name] = h.router.Handle(name)
	}
	return nil
}

func readRoute(r config.Route) (release.Seed, error) {
	seed, err := readSeed(r.File, r.SHA256, r.Config)
	seed.OnError = r.OnError
	return seed, err
}

// plan orders the call's candidates, unless the routing module refuses it.
func (g *generation) plan(f *flight) *wire.Error {
	f.planBy(g.handles[f.route()])
	switch f.Plan.Code {
	case 0:
		return nil
	case route.CodeFailed:
		return wire.Errorf(503, "route_failed", "route %q cannot judge the request, and its configuration refuses what it cannot judge: tell the operator request %s", f.route(), f.ID)
	}
	e := wire.Errorf(403, "route_refused", "route %q refuses the request with code %d: %s", f.route(), f.Plan.Code, f.Plan.Reason())
	e.Class = wire.ClassPolicy
	return e
}

// replayMost is how many recorded decisions a version is proven on.
const replayMost = 10_000

// replayRoute proves a version on recorded decisions, the latest there are.
func (h *Host) replayRoute(ctx context.Context, name string, s lane.Source, q release.Query) (*release.Proof, error) {
	if len(q.Texts) > 0 {
		return nil, wire.Errorf(400, "invalid_request", "texts are for filters: a route is replayed on recorded decisions, so leave them out")
	}
	most := q.Most
	if most <= 0 || most > 10*replayMost {
		most = replayMost
	}
	total := 0
	err := h.decisions.Each(name, time.Time{}, func(e *decision.Entry) bool {
		total++
		return ctx.Err() == nil
	})
	if err != nil {
		return nil, err
	}
	report, err := h.router.Compare(name, s, func(f func(*route.Decision) error) error {
		skip, d := total-most, route.Decision{}
		var failed error
		err := h.decisions.Each(name, time.Time{}, func(e *decision.Entry) bool {
			if skip--; skip < 0 {
				recorded(&d, e)
				failed = f(&d)
			}
			return failed == nil && ctx.Err() == nil
		})
		return errors.Join(err, failed, ctx.Err())
	})
	if err != nil {
		return nil, refused("replay_failed", err)
	}
	text, err := json.Marshal(report)
	return &release.Proof{Report: text, Passed: report.Passed, Summary: report.Summary()}, err
}

// recorded makes d what e says.
func recorded(d *route.Decision, e *decision.Entry) {
	d.Time, d.Plan = e.Received, e.Plan
	d.Recording = route.Recording{Module: e.Module, Recording: e.Recording}
	d.Outcomes = d.Outcomes[:0]
	cost := e.Cost
	for i := range e.Attempts {
		cost -= e.Attempts[i].Cost
	}
	for i := range e.Attempts {
		a := &e.Attempts[i]
		if a.Target == "" || a.Lost {
			continue
		}
		o := route.Tried{Target: a.Target, Failed: a.Class != wire.ClassNone, Cost: a.Cost, TTFT: a.FirstByte, Total: a.Duration}
		if !o.Failed && a.Rejected == "" {
			o.Cost = cost
		}
		d.Outcomes = append(d.Outcomes, o)
	}
}

// routeVersions is what the admin API does with routing modules.
func (h *Host) routeVersions() *admin.Modules {
	return versionsOf(h.routes, h.log, func(m *release.Module) {
		if r := h.router.Handle(m.Name); r != nil && r.Stats().Shadow != nil {
			m.Compared = r.Stats().Shadow
		}
	})
}

// laneFamilies are the counters of versions.
func (h *Host) laneFamilies() []telemetry.Family {
	each := func(name, help string, labels []string, emit func(s *route.Stats, emit func(v float64, more ...string))) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Labels: append([]string{"route"}, labels...), Collect: func(to telemetry.Emit) {
			for _, s := range h.router.Stats() {
				emit(&s, func(v float64, more ...string) { to(v, append([]string{s.Name}, more...)...) })
			}
		}}
	}
	return []telemetry.Family{
		each("route_lane_calls_total", "Calls of routing modules, by the lane of the version.", []string{"lane"}, func(s *route.Stats, emit func(float64, ...string)) {
			emit(float64(s.Calls-s.CanaryCalls), "active")
			emit(float64(s.CanaryCalls), "canary")
		}),
		each("route_canary_fallbacks_total", "Calls that a canary failed; the active version served them.", nil,
			func(s *route.Stats, emit func(float64, ...string)) { emit(float64(s.FellBack)) }),
		each("route_canary_share", "Share of requests that the canary serves, 0 to 1.", nil,
			func(s *route.Stats, emit func(float64, ...string)) { emit(s.Share) }),
		each("route_swaps_total", "Changes of the active version.", nil, func(s *route.Stats, emit func(float64, ...string)) { emit(float64(s.Swaps)) }),
		each("route_rollbacks_total", "Canaries that left by themselves, by the rule that they broke.", []string{"rule"}, func(s *route.Stats, emit func(float64, ...string)) {
			for rule, n := range s.Rollbacks {
				emit(float64(n), rule)
			}
		}),
		each("route_quarantined", "1 while a version is out of use because it failed too often.", nil, func(s *route.Stats, emit func(float64, ...string)) {
			if s.Quarantined != "" {
				emit(1)
				return
			}
			emit(0)
		}),
		each("route_shadow_decisions_total", "Decisions that the shadow compared, or was too slow to see.", []string{"result"}, func(s *route.Stats, emit func(float64, ...string)) {
			if w := s.Shadow; w != nil {
				emit(float64(w.Same), "same")
				emit(float64(w.FirstChoice), "first_choice")
				emit(float64(w.Compared-w.Same-w.FirstChoice-w.Failed), "later_choice")
				emit(float64(w.Failed), "failed")
				emit(float64(w.Dropped), "dropped")
			}
		}),
	}
}
