package host

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/queue"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// resilience are the figures of breakers, the queue, probes and the mirror.
func (h *Host) resilience() []telemetry.Family {
	return []telemetry.Family{
		{Name: "breaker_state", Help: "State of a target's breaker, of those that have ever opened: 0 closed, 1 half-open, 2 open.", Labels: []string{"target"},
			Collect: h.collectBreakers(func(s breakerStat) float64 { return float64(s.state) })},
		{Name: "breaker_opened_total", Help: "Times that a target's breaker has opened.", Labels: []string{"target"},
			Collect: h.collectBreakers(func(s breakerStat) float64 { return float64(s.opened) })},
		{Name: "queue_depth", Help: "Requests that wait for a target, by priority.", Labels: []string{"priority"}, Collect: func(emit telemetry.Emit) {
			for i, n := range h.queue.Stats().Depth {
				emit(float64(n), queue.ClassNames[i])
			}
		}},
		{Name: "queue_served_total", Help: "Requests that have waited and were let to a target.", Collect: func(emit telemetry.Emit) { emit(float64(h.queue.Stats().Waits)) }},
		{Name: "queue_wait_seconds_total", Help: "Time that those have waited, in sum.", Collect: func(emit telemetry.Emit) { emit(h.queue.Stats().Waited.Seconds()) }},
		{Name: "queue_shed_total", Help: "Requests that were not let to a target, by why: the queue was full, the wait hopeless or too long, a more urgent one came, the caller left, the gateway stopped.", Labels: []string{"reason"},
			Collect: func(emit telemetry.Emit) {
				for i, n := range h.queue.Stats().Sheds {
					emit(float64(n), queue.ReasonNames[i])
				}
			}},
		{Name: "mirror_requests_total", Help: "Copies of requests for mirrors: sent, failed, skipped as they may not go there, dropped as the mirror could not keep up.", Labels: []string{"result"}, Collect: h.collectMirror},
		{Name: "probes_total", Help: "Probes of targets by result.", Labels: []string{"target", "result"}, Collect: h.collectProbes},
	}
}

type breakerStat struct {
	state  uint8
	opened int64
}

func (h *Host) collectBreakers(value func(breakerStat) float64) func(telemetry.Emit) {
	return func(emit telemetry.Emit) {
		for name, s := range h.states.breakers() {
			emit(value(s), name)
		}
	}
}

// breakers are those that have ever opened.
func (s *states) breakers() map[string]breakerStat {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, now := map[string]breakerStat{}, time.Now().UnixMilli()
	for name, st := range s.byName {
		if n := st.Opened(); n > 0 {
			out[name] = breakerStat{uint8(st.Circuit(now)), n}
		}
	}
	return out
}

func (h *Host) collectMirror(emit telemetry.Emit) {
	m := h.mirror
	emit(float64(m.sent.Load()), "sent")
	emit(float64(m.failed.Load()), "failed")
	emit(float64(m.skipped.Load()), "skipped")
	emit(float64(m.overflow.Load()), "dropped")
}

func (h *Host) collectProbes(emit telemetry.Emit) {
	p := h.prober
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asked {
		emit(float64(a.ok), a.name, "ok")
		emit(float64(a.bad), a.name, "failed")
	}
}
