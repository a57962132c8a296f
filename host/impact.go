package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/decision"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// impactReport says what another bundle would have made of requests that were
// kept.
type impactReport struct {
	Revision string            `json:"revision"`
	Deciding string            `json:"deciding"` // revision of the bundle that decides now
	Since    time.Time         `json:"since"`
	From     time.Time         `json:"from,omitzero"` // of the requests that were kept
	To       time.Time         `json:"to,omitzero"`
	Requests int64             `json:"requests"` // that the ledger has of that time
	Kept     int               `json:"kept"`     // of which the decision was kept
	Tried    int               `json:"tried"`    // of which policy's input was kept too
	Changes  map[string]int    `json:"changes"`
	Codes    map[string]int    `json:"codes,omitempty"` // of requests that would now be refused
	Denied   []impactCaller    `json:"denied,omitempty"`
	Limits   []impactLimit     `json:"limits,omitempty"`
	Latest   []changed         `json:"latest,omitempty"`
	Notes    []string          `json:"notes,omitempty"`
	callers  map[string]int    // index in Denied by key and model
	limits   map[limitKey]*sum // of allowed requests
	left     int               // windows that limits had no room for
}

// impactCaller is who would be refused what.
type impactCaller struct {
	Key      string `json:"key"`
	Team     string `json:"team,omitempty"`
	Model    string `json:"model"`
	Code     string `json:"code"`
	Requests int    `json:"requests"`
	Cost     int64  `json:"cost_nano_usd"` // what they did cost
}

// impactLimit is a limit that would have refused requests.
type impactLimit struct {
	Limit   call.Limit `json:"limit"`
	Refused int        `json:"refused"` // requests
	First   time.Time  `json:"first"`
	Cost    int64      `json:"cost_nano_usd"` // what they did cost
}

type limitKey struct {
	limit call.Limit
	start int64
}

// sum is what requests within one window came to.
type sum struct {
	used, cost int64
	refused    int
	first      time.Time
}

const (
	impactLatest  = 20
	impactCallers = 50
	impactCodes   = 100
	impactWindows = 100_000         // of limits
	impactTime    = 5 * time.Minute // of one impact
)

var errImpact = wire.Errorf(http.StatusTooManyRequests, "impact_running", "another impact is being worked out: ask again when it is done")

// impact tries a bundle on the requests since a time that were kept.
func (h *Host) impact(ctx context.Context, q admin.ImpactQuery) (any, error) {
	if !h.trials.impact.TryLock() { // one takes a core already
		return nil, errImpact
	}
	defer h.trials.impact.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, impactTime, wire.Errorf(http.StatusUnprocessableEntity, "impact_too_long", "the requests of that time are not tried within %s: give a later since", impactTime))
	defer cancel()
	g := h.gen.Load()
	trial, err := h.trialOf(g, q.Bundle)
	if err != nil {
		return nil, wire.Errorf(http.StatusUnprocessableEntity, "policy_refused", "%v", err)
	}
	if err := h.decisions.Flush(); err != nil {
		return nil, err
	}
	r := &impactReport{Revision: trial.Revision(), Deciding: g.policy.Revision(), Since: q.Since.UTC(), Changes: map[string]int{}, Codes: map[string]int{},
		callers: map[string]int{}, limits: map[limitKey]*sum{}}
	var failed error
	err = h.decisions.Each("", q.Since, func(e *decision.Entry) bool {
		failed = cmp.Or(context.Cause(ctx), r.try(trial, e))
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	return r, r.conclude(h, ctx)
}

// trialOf reads a bundle, or takes the shadow, or else the one that decides.
func (h *Host) trialOf(g *generation, tarball []byte) (*policy.Trial, error) {
	if len(tarball) > 0 {
		return g.policy.Try(tarball)
	}
	if s := h.trials.shadow.Load(); s != nil {
		return s.Trial(), nil
	}
	return g.policy.Current(), nil
}

// decided is what e says was decided.
func decidedOf(e *decision.Entry) *call.Decision {
	p := &e.Policy
	d := &call.Decision{Allow: p.Allow, Revision: p.Revision, MaxTokens: p.MaxTokens, Restricted: p.Restricted, Targets: p.Targets, Filters: p.Filters}
	if !p.Allow {
		d.Reasons = []call.Reason{{Code: p.Code}}
	}
	return d
}

func (r *impactReport) try(trial *policy.Trial, e *decision.Entry) error {
	r.Kept++
	if r.From.IsZero() {
		r.From = e.Received.UTC()
	}
	r.To = e.Received.UTC()
	if len(e.Input) == 0 || e.Policy.Revision == "" {
		return nil
	}
	r.Tried++
	d, err := trial.Decide(e.Input)
	c := policy.Compare(decidedOf(e), d, err, false)
	r.Changes[string(c.Kind)]++
	if c.Kind == policy.ChangeDenied || c.Kind == policy.ChangeFailed {
		r.refuse(e, c)
	}
	if c.Kind != policy.ChangeNone {
		if len(r.Latest) == impactLatest {
			r.Latest = append(r.Latest[:0], r.Latest[1:]...)
		}
		r.Latest = append(r.Latest, changedOf(e.ID, c))
	}
	if err == nil && d.Allow {
		return r.limit(e, d.Limits)
	}
	return nil
}

func (r *impactReport) refuse(e *decision.Entry, c policy.Change) {
	for _, reason := range c.Reasons {
		if _, known := r.Codes[reason.Code]; known || len(r.Codes) < impactCodes {
			r.Codes[reason.Code]++
		}
	}
	code := c.Reasons[0].Code
	key := e.KeyID + "\x00" + e.Asked + "\x00" + code
	i, known := r.callers[key]
	if !known {
		i = len(r.Denied)
		r.callers[key] = i
		r.Denied = append(r.Denied, impactCaller{Key: e.KeyName, Team: e.Team, Model: e.Asked, Code: code})
	}
	r.Denied[i].Requests++
	r.Denied[i].Cost += e.Cost
}

// limit runs e into the limits that would hold for it, all or none.
func (r *impactReport) limit(e *decision.Entry, limits []call.Limit) error {
	if e.Status >= 400 && e.Cost == 0 {
		return nil // it used nothing
	}
	var sums [64]*sum
	refused := -1
	n := 0
	for _, l := range limits {
		if l.Unit == call.UnitConcurrent || n == len(sums) {
			continue // how many ran at once is not kept
		}
		start, _, err := budget.Bounds(l.Window, e.Received)
		if err != nil {
			return fmt.Errorf("cannot apply the limit of %s: %w", l.Scope, err)
		}
		key := limitKey{l, start}
		s := r.limits[key]
		if s == nil {
			if len(r.limits) == impactWindows {
				r.left++
				return nil
			}
			s = &sum{}
			r.limits[key] = s
		}
		if refused < 0 && l.OnExceed != call.OnWarn && s.used+usedOf(e, l.Unit) > l.Max {
			refused = n
		}
		sums[n] = s
		n++
	}
	if refused >= 0 {
		s := sums[refused]
		if s.refused++; s.first.IsZero() {
			s.first = e.Received.UTC()
		}
		s.cost += e.Cost
		return nil
	}
	n = 0
	for _, l := range limits {
		if l.Unit != call.UnitConcurrent && n < len(sums) {
			sums[n].used += usedOf(e, l.Unit)
			n++
		}
	}
	return nil
}

// usedOf is what a request has taken of a limit's unit.
func usedOf(e *decision.Entry, u call.Unit) int64 {
	switch u {
	case call.UnitUSD:
		return e.Cost
	case call.UnitTokens:
		return e.Usage.Total()
	}
	return 1
}

// refusals sums up the windows of each limit that would have refused requests.
func (r *impactReport) refusals() {
	at := map[call.Limit]int{}
	for key, s := range r.limits {
		if s.refused == 0 {
			continue
		}
		i, known := at[key.limit]
		if !known {
			i = len(r.Limits)
			at[key.limit] = i
			r.Limits = append(r.Limits, impactLimit{Limit: key.limit, First: s.first})
		}
		l := &r.Limits[i]
		l.Refused += s.refused
		l.Cost += s.cost
		if s.first.Before(l.First) {
			l.First = s.first
		}
	}
	slices.SortFunc(r.Limits, func(a, b impactLimit) int {
		return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Limit.Scope, b.Limit.Scope), cmp.Compare(a.Limit.Max, b.Limit.Max))
	})
	if len(r.Limits) > impactCallers {
		r.Notes = append(r.Notes, fmt.Sprintf("%d more limits would refuse requests", len(r.Limits)-impactCallers))
		r.Limits = r.Limits[:impactCallers]
	}
	if r.left > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("limits were not applied to %d requests, for they have more than %d windows in that time", r.left, impactWindows))
	}
}

func (r *impactReport) conclude(h *Host, ctx context.Context) error {
	r.refusals()
	slices.SortStableFunc(r.Denied, func(a, b impactCaller) int { return cmp.Compare(b.Requests, a.Requests) })
	if len(r.Denied) > impactCallers {
		r.Notes = append(r.Notes, fmt.Sprintf("%d more callers would be refused", len(r.Denied)-impactCallers))
		r.Denied = r.Denied[:impactCallers]
	}
	slices.Reverse(r.Latest)
	var err error
	if r.Requests, err = h.requestsSince(ctx, r.Since); err != nil {
		return err
	}
	if int64(r.Kept) < r.Requests {
		r.Notes = append(r.Notes, fmt.Sprintf("the decisions of %d of %d requests are kept at this node (decisions.sample, decisions.per_second, decisions.max): counts are of those", r.Kept, r.Requests))
	}
	if r.Tried < r.Kept {
		r.Notes = append(r.Notes, fmt.Sprintf("%d requests were refused before policy was asked, or their input was too large to keep", r.Kept-r.Tried))
	}
	if len(r.limits) > 0 {
		r.Notes = append(r.Notes, "limits are run in from the beginning of the time looked at: what was used before does not count, windows that roll are taken as their buckets, and how many ran at once is not known")
	}
	return nil
}

// requestsSince is how many requests the ledger has since a time.
func (h *Host) requestsSince(ctx context.Context, since time.Time) (n int64, err error) {
	u, err := books{h}.Usage(ctx, call.UsageQuery{From: since})
	if errors.Is(err, call.ErrUsageGone) {
		return 0, nil // what is kept of decisions is less still
	}
	for _, row := range u.Rows {
		n += row.Requests
	}
	return n, err
}
