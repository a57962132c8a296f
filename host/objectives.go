package host

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/objective"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	objectiveFile = "objectives"
	objectiveTick = 2 * time.Second // between two looks at adapters
	objectiveSave = 5 * time.Minute
	codeDown      = "provider_down" // of requests for providers whose adapter is not there
)

// watch keeps how providers fare, in the node's own folder.
type watch struct {
	*objective.Keeper
	host *Host
	path string
	stop context.CancelFunc
	work sync.WaitGroup
}

// newWatch takes in what was kept. A file that cannot be read costs the past
// alone.
func newWatch(h *Host) *watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{Keeper: objective.New(), host: h, path: filepath.Join(h.dir, objectiveFile), stop: stop}
	if err := w.Load(w.path); err != nil {
		h.log.Warn("the past of providers is not known", "err", err)
	}
	w.use(h.gen.Load().cfg)
	w.work.Go(func() { w.run(ctx) })
	return w
}

// use takes the objectives of cfg into use. It tolerates nil.
func (w *watch) use(cfg *config.Config) {
	if w != nil {
		w.SetGoals(goalsOf(cfg))
	}
}

// Stop keeps what is known. It tolerates nil.
func (w *watch) Stop() {
	if w == nil {
		return
	}
	w.stop()
	w.work.Wait()
	w.save()
}

func (w *watch) save() {
	if err := w.Save(w.path); err != nil {
		w.host.log.Warn("what is known of providers is lost with the process", "err", err)
	}
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(objectiveTick)
	defer tick.Stop()
	last, saved := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			w.look(now, min(now.Sub(last), 2*objectiveTick))
			last = now
			if now.Sub(saved) >= objectiveSave {
				w.save()
				saved = now
			}
		}
	}
}

// look counts the adapters that are not there.
func (w *watch) look(now time.Time, since time.Duration) {
	g := w.host.gen.Load()
	for name := range g.cfg.Providers {
		if p := g.providers.Provider(name); !p.Up() || p.Down() {
			w.Down(now, name, since)
		}
	}
}

// fared tells of all attempts of f. One that was ended before it could answer
// says nothing; a request that found nobody to ask counts against who was to be.
// It tolerates nil.
func (w *watch) fared(f *flight, r *call.Record) {
	if w == nil {
		return
	}
	now := f.Received.Add(time.Duration(r.DurationUS) * time.Microsecond)
	for i := range f.Attempts {
		a := &f.Attempts[i]
		if a.Target == nil || a.Lost || a.Class == wire.ClassNone && a.FirstByte == 0 {
			continue
		}
		w.Note(now, a.Target.Provider.Name, a.Target.Name, objective.Outcome{Class: a.Class, First: a.FirstByte, Whole: a.Duration})
	}
	if len(f.Attempts) == 0 && r.Code == codeDown && f.Model != nil {
		t := f.Model.Targets[0]
		w.Note(now, t.Provider.Name, t.Name, objective.Outcome{Class: wire.ClassNetwork})
	}
}

// goalsOf are the objectives of cfg.
func goalsOf(cfg *config.Config) *objective.Goals {
	base := cfg.Objectives.Default
	g := &objective.Goals{Default: goalOf(base), By: map[string]objective.Goal{}}
	for name, o := range cfg.Objectives.Providers {
		g.By[name] = goalOf(o.Over(base))
	}
	return g
}

func goalOf(o config.Objective) objective.Goal {
	return objective.Goal{Availability: o.Availability / 100, Latency: o.Latency, LatencyShare: o.LatencyShare / 100, Window: time.Duration(o.Window)}
}

// objectiveFamilies are how providers stand with their objectives.
func (h *Host) objectiveFamilies() []telemetry.Family {
	one := func(name, help string, value func(*objective.Standing) float64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Labels: []string{"provider", "objective"}, Collect: h.collectStandings(value)}
	}
	return []telemetry.Family{
		one("objective_target", "What a provider is meant to reach, as a share.", func(s *objective.Standing) float64 { return s.Target / 100 }),
		one("objective_budget_left", "Share of the failures that an objective allows which is left in its window; below 0: there were more.", func(s *objective.Standing) float64 { return s.Left }),
		one("objective_burn_1h", "How many times as fast as the objective allows providers have failed, in the last hour.", func(s *objective.Standing) float64 { return s.Burn1h }),
		one("objective_burn_6h", "The same in the last six hours.", func(s *objective.Standing) float64 { return s.Burn6h }),
	}
}

func (h *Host) collectStandings(value func(*objective.Standing) float64) func(telemetry.Emit) {
	return func(emit telemetry.Emit) {
		now := time.Now()
		for name := range h.gen.Load().cfg.Providers {
			st := h.watch.Standings(now, name)
			if st == nil {
				continue
			}
			if st.Availability != nil {
				emit(value(st.Availability), name, "availability")
			}
			if st.Latency != nil {
				emit(value(st.Latency), name, "latency")
			}
		}
	}
}
