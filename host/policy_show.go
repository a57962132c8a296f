package host

import (
	"context"
	"errors"
	"time"

	bundles "github.com/open-policy-agent/opa/v1/plugins/bundle"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/policy/trail"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// policyAPI is what the admin API shows of policy, and does to it.
func (h *Host) policyAPI() *admin.Policies {
	return &admin.Policies{Show: h.showPolicy, Versions: h.PolicyVersions, History: h.PolicyHistory, Push: h.PushPolicy, Rollback: h.RollbackPolicy}
}

// policyShown is what GET /admin/policy shows.
type policyShown struct {
	Revision string            `json:"revision"`
	Since    time.Time         `json:"since"`
	Bundles  map[string]string `json:"bundles"` // revisions by the manifests
	Source   string            `json:"source"`  // a path, store: or the address of a service
	Sources  []sourceShown     `json:"sources,omitempty"`
	Kept     bool              `json:"kept"` // what was accepted last stands in
	Error    string            `json:"error,omitempty"`
	Units    []policy.UnitStats
	Log      *trail.Stats `json:"decision_log,omitempty"`
}

// sourceShown is how one bundle of a service fares.
type sourceShown struct {
	Name       string    `json:"name"`
	Revision   string    `json:"active_revision,omitempty"`
	Activated  time.Time `json:"last_successful_activation,omitzero"`
	Downloaded time.Time `json:"last_successful_download,omitzero"`
	Asked      time.Time `json:"last_request,omitzero"`
	Size       int       `json:"size,omitempty"`
	Error      string    `json:"error,omitempty"`
}

func (h *Host) showPolicy(context.Context) (any, error) {
	g := h.gen.Load()
	st, active := g.policy.Stats(), g.policy.Active()
	out := policyShown{Revision: st.Revision, Since: active.Since.UTC(), Bundles: active.Bundles, Kept: st.Kept, Units: st.Units}
	switch cfg := g.cfg.Policy; {
	case cfg.Served():
		out.Source = cfg.Service.URL
		all := g.served.status()
		for _, name := range sortedNames(all) {
			out.Sources = append(out.Sources, showSource(name, all[name]))
		}
	case cfg.Bundle == config.BundleStore:
		out.Source = cfg.Bundle
	default:
		out.Source = cfg.Path
	}
	if st.LastError != nil {
		out.Error = st.LastError.Error()
	}
	if h.trail != nil {
		stats := h.trail.Stats()
		out.Log = &stats
	}
	return out, nil
}

func showSource(name string, st *bundles.Status) sourceShown {
	out := sourceShown{Name: name, Revision: st.ActiveRevision, Activated: st.LastSuccessfulActivation, Downloaded: st.LastSuccessfulDownload,
		Asked: st.LastRequest, Size: st.Size, Error: st.Message}
	if err := errors.Join(st.Errors...); err != nil {
		out.Error += ": " + err.Error()
	}
	return out
}

// policyFamilies are the counters of where policy comes from and of its log.
func (h *Host) policyFamilies() []telemetry.Family {
	one := func(name, help string, value func() float64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) { emit(value()) }}
	}
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	return []telemetry.Family{
		{Name: "policy_bundle_active_seconds", Help: "When each bundle came into use, in seconds since 1970.", Labels: []string{"bundle", "revision"}, Collect: func(emit telemetry.Emit) {
			if a := h.gen.Load().policy.Active(); a != nil {
				for _, name := range sortedNames(a.Bundles) {
					emit(float64(a.Since.Unix()), name, a.Bundles[name])
				}
			}
		}},
		{Name: "policy_source_up", Help: "1 while the last question for the bundle went well and what came is in use.", Labels: []string{"bundle"}, Collect: func(emit telemetry.Emit) {
			if s := h.gen.Load().served; s != nil {
				all := s.status()
				for _, name := range sortedNames(all) {
					emit(flag(all[name].Code == "" && !all[name].LastRequest.IsZero()), name)
				}
			}
		}},
		one("policy_kept", "1 while the bundle that was accepted last stands in for the configured one.", func() float64 { return flag(h.gen.Load().policy.Stats().Kept) }),
		{Name: "policy_decision_log_total", Help: "Decisions of policy by what became of them in the log.", Labels: []string{"result"}, Collect: func(emit telemetry.Emit) {
			st := h.trail.Stats()
			emit(float64(st.Logged), "logged")
			emit(float64(st.Dropped), "dropped")
			emit(float64(st.Masked), "masked_out")
			emit(float64(st.Failed), "mask_failed")
			emit(float64(st.Lost), "lost")
		}},
		one("policy_decision_log_upload_retries_total", "Uploads of decisions that the server did not take.", func() float64 { return float64(h.trail.Stats().Retries) }),
	}
}
