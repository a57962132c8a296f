package host

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

// maxInput bounds, in bytes, the input that is kept with a decision.
const maxInput = 16 << 10

// trials is what is tried out beside the policy that decides.
type trials struct {
	shadow atomic.Pointer[policy.Shadow]
	impact sync.Mutex // held while one is worked out

	mu     sync.Mutex
	pushed []byte  // the bundle that came through the admin API, nil: that of the configuration
	share  float64 // of the pushed one

	dry struct {
		sync.Mutex
		codes map[call.Reason]uint64 // without values
	}
}

// judged writes down what policy saw of f, where the decision is kept or a
// shadow is to look at it, and counts what units in a dry run would have refused.
func (h *Host) judged(f *flight) {
	if len(f.Decision.Dry) > 0 {
		h.trials.count(f.Decision.Dry)
	}
	shadow := h.trials.shadow.Load()
	wanted := shadow.Wants(f.ID)
	if !f.sampled && !wanted {
		return
	}
	f.seen = f.gen.policy.AppendInput(f.seen[:0], &f.Call)
	if wanted {
		shadow.Observe(f.ID, f.seen, f.Decision)
	}
}

// maxDryCodes bounds the codes that are counted apart.
const maxDryCodes = 200

func (t *trials) count(reasons []call.Reason) {
	t.dry.Lock()
	defer t.dry.Unlock()
	if t.dry.codes == nil {
		t.dry.codes = map[call.Reason]uint64{}
	}
	for _, r := range reasons {
		r.Value = ""
		if _, known := t.dry.codes[r]; known || len(t.dry.codes) < maxDryCodes {
			t.dry.codes[r]++
		}
	}
}

// shadowOf readies the shadow for g: nil where there is none, or the one that
// is at work and goes on.
func (h *Host) shadowOf(g, old *generation) (s *policy.Shadow, err error) {
	t := &h.trials
	t.mu.Lock()
	defer t.mu.Unlock()
	running := t.shadow.Load()
	cfg := &g.cfg.Policy.Shadow
	if running != nil && old != nil && reflect.DeepEqual(old.cfg.Policy.Shadow, *cfg) && reflect.DeepEqual(old.catalogue, g.catalogue) && old.policy == g.policy {
		return running, nil
	}
	var trial *policy.Trial
	share := cfg.Of()
	switch {
	case t.pushed != nil:
		trial, err = g.policy.Try(t.pushed)
		share = t.share
	case cfg.Bundle != "":
		trial, err = g.policy.TryPath(cfg.Path)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use policy.shadow: %w", err)
	}
	return policy.NewShadow(trial, share), nil
}

// cast puts s in place of the shadow that is at work.
func (t *trials) cast(s *policy.Shadow) {
	if old := t.shadow.Swap(s); old != s {
		old.Close()
	}
}

// setShadow begins to try the bundle of a tarball, in place of what was tried
// before; an empty one ends it, and that of the configuration goes on.
func (h *Host) setShadow(tarball []byte, share float64) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	g := h.gen.Load()
	var s *policy.Shadow
	if len(tarball) > 0 {
		trial, err := g.policy.Try(tarball)
		if err != nil {
			return err
		}
		s = policy.NewShadow(trial, share)
	}
	h.trials.mu.Lock()
	h.trials.pushed, h.trials.share = tarball, share
	h.trials.mu.Unlock()
	if s == nil {
		h.trials.cast(nil)
		var err error
		if s, err = h.shadowOf(g, nil); err != nil {
			return err
		}
	}
	h.trials.cast(s)
	return nil
}

// shadowReport is what GET /admin/policy/shadow shows.
type shadowReport struct {
	Active   bool              `json:"active"`
	Revision string            `json:"revision,omitempty"`
	Deciding string            `json:"deciding"` // revision of the bundle that decides
	Since    time.Time         `json:"since,omitzero"`
	Seen     uint64            `json:"seen"`
	Dropped  uint64            `json:"dropped"`
	TooLarge uint64            `json:"too_large"`
	Changes  map[string]uint64 `json:"changes,omitempty"`
	Codes    map[string]uint64 `json:"codes,omitempty"`
	Units    map[string]uint64 `json:"units,omitempty"`
	Terms    map[string]uint64 `json:"terms,omitempty"`
	Latest   []changed         `json:"latest,omitempty"`
	DryRun   []dryCount        `json:"dry_run,omitempty"`
}

// changed is a request that another bundle would decide differently.
type changed struct {
	Request string   `json:"request"`
	Change  string   `json:"change"`
	Codes   []string `json:"codes,omitempty"`
	Terms   []string `json:"terms,omitempty"`
}

type dryCount struct {
	Unit     string `json:"unit"`
	Code     string `json:"code"`
	Requests uint64 `json:"requests"`
}

func changedOf(id call.ID, c policy.Change) changed {
	out := changed{Request: id.String(), Change: string(c.Kind), Terms: c.Terms}
	for _, r := range c.Reasons {
		out.Codes = append(out.Codes, r.Code)
	}
	return out
}

func (h *Host) shadowStatus() *shadowReport {
	out := &shadowReport{Deciding: h.gen.Load().policy.Revision(), DryRun: h.trials.dried()}
	s := h.trials.shadow.Load()
	if s == nil {
		return out
	}
	r := s.Report()
	out.Active, out.Revision, out.Since, out.Seen, out.Dropped, out.TooLarge = true, r.Revision, r.Since.UTC(), r.Seen, r.Dropped, r.TooLarge
	out.Codes, out.Units, out.Terms, out.Changes = r.Codes, r.Units, r.Terms, map[string]uint64{}
	for k, n := range r.Counts {
		out.Changes[string(k)] = n
	}
	for _, x := range r.Latest {
		out.Latest = append(out.Latest, changedOf(x.ID, x.Change))
	}
	return out
}

func (t *trials) dried() (out []dryCount) {
	t.dry.Lock()
	defer t.dry.Unlock()
	for r, n := range t.dry.codes {
		out = append(out, dryCount{r.Unit, r.Code, n})
	}
	return out
}

// trialFamilies are the counters of shadows and dry runs.
func (h *Host) trialFamilies() []telemetry.Family {
	return []telemetry.Family{
		{Name: "policy_shadow_total", Help: "Requests that the shadow policy was asked about, by what it would change.", Labels: []string{"change"},
			Collect: func(emit telemetry.Emit) {
				if s := h.trials.shadow.Load(); s != nil {
					for kind, n := range s.Report().Counts {
						emit(float64(n), string(kind))
					}
				}
			}},
		{Name: "policy_dry_denials_total", Help: "Requests that units in a dry run would have refused.", Labels: []string{"unit", "code"},
			Collect: func(emit telemetry.Emit) {
				for _, d := range h.trials.dried() {
					emit(float64(d.Requests), d.Unit, d.Code)
				}
			}},
	}
}

// trialAPI is what the admin API offers of bundles on trial.
func (h *Host) trialAPI() *admin.Trials {
	return &admin.Trials{Impact: h.impact, Explain: h.explainPolicy, Set: h.setShadow, Shadow: func() any { return h.shadowStatus() }}
}
