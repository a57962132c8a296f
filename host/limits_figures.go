package host

import (
	"github.com/signalbox-ai/signalbox/host/limit"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// rateFamilies are the figures of rates and of the counters that nodes share.
func (h *Host) rateFamilies() []telemetry.Family {
	figure := func(name, help string, value func(limit.Stats) float64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) {
			if s := h.limits.Stats(); s.Configured {
				emit(value(s))
			}
		}}
	}
	refusals := func(soft bool) func(telemetry.Emit) {
		return func(emit telemetry.Emit) {
			h.limits.Refusals(func(n int64, kind, unit string, isSoft bool) {
				if isSoft == soft {
					emit(float64(n), kind, unit)
				}
			})
		}
	}
	labels := []string{"scope", "unit"}
	return []telemetry.Family{
		{Name: "rate_limited_total", Help: "Requests and attempts that a rate has refused, by the kind of its scope.", Labels: labels, Collect: refusals(false)},
		{Name: "rate_warned_total", Help: "Requests beyond a rate that only warns.", Labels: labels, Collect: refusals(true)},
		{Name: "rate_running", Help: "Running requests that a limit of requests at once holds for.", Collect: func(emit telemetry.Emit) { emit(float64(h.limits.Stats().Running)) }},
		figure("counters_up", "1 while the counters that gateways share are asked.", func(s limit.Stats) float64 {
			if s.Shared {
				return 1
			}
			return 0
		}),
		figure("counters_nodes", "Gateways that limits are divided by while the shared counters are gone.", func(s limit.Stats) float64 { return float64(s.Nodes) }),
		figure("counters_rounds_total", "Times that leases of shared counters were asked for.", func(s limit.Stats) float64 { return float64(s.Rounds) }),
		figure("counters_failures_total", "Of those, in vain.", func(s limit.Stats) float64 { return float64(s.Failed) }),
		figure("counters_alone_total", "Requests that this gateway's part of the limits alone has decided on, as the shared counters did not answer in time.", func(s limit.Stats) float64 { return float64(s.Alone) }),
		figure("counters_corrections_lost_total", "Corrections of tokens that did not reach the shared counters.", func(s limit.Stats) float64 { return float64(s.LostFixes) }),
		{Name: "counters_given_up_total", Help: "Times that Redis was given up on as slow or gone.", Collect: func(emit telemetry.Emit) {
			if h.redis != nil {
				emit(float64(h.redis.Stats().Opened))
			}
		}},
	}
}
