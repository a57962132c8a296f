package host

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/decision"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// policyExplanation is how a bundle decides on a request that was kept.
type policyExplanation struct {
	Request  string           `json:"request"`
	Time     time.Time        `json:"time"`
	Then     explainedPolicy  `json:"then"` // what was decided
	Revision string           `json:"revision"`
	Now      changed          `json:"now"` // what the bundle makes of it
	Units    []unitExplained  `json:"units"`
	Input    json.RawMessage  `json:"input"`
	Limits   []call.Limit     `json:"limits,omitempty"`
	Terms    *explainedPolicy `json:"terms,omitempty"`
}

type unitExplained struct {
	Unit        string            `json:"unit"`
	Verdict     string            `json:"verdict"` // silent, denies, fails
	Reasons     []reasonExplained `json:"reasons,omitempty"`
	Obligations string            `json:"obligations,omitempty"`
	Error       string            `json:"error,omitempty"`
	Trace       []string          `json:"trace,omitempty"`
}

type reasonExplained struct {
	Code    string `json:"code"`
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
}

// explainPolicy shows how a bundle decides on a request that was kept.
func (h *Host) explainPolicy(_ context.Context, q admin.ExplainQuery) (any, error) {
	id, ok := call.ParseID(q.Request)
	if !ok {
		return nil, wire.Errorf(http.StatusBadRequest, "invalid_request", "%q is not the id of a request: it reads req_ and 13 characters, as in the header x-signalbox-request-id", q.Request)
	}
	if err := h.decisions.Flush(); err != nil {
		return nil, err
	}
	e, err := h.decisions.Find(id)
	if errors.Is(err, decision.ErrUnknown) {
		return nil, h.unknownDecision(id)
	}
	if err != nil {
		return nil, err
	}
	if len(e.Input) == 0 {
		return nil, wire.Errorf(http.StatusNotFound, "input_unknown", "what policy saw of %s is not kept: it was refused before policy was asked, or is larger than %d KiB", id, maxInput>>10)
	}
	g := h.gen.Load()
	trial := g.policy.Current()
	if len(q.Bundle) > 0 {
		if trial, err = g.policy.Try(q.Bundle); err != nil {
			return nil, wire.Errorf(http.StatusUnprocessableEntity, "policy_refused", "%v", err)
		}
	}
	return explainBy(trial, e, policy.Detail(q.Trace))
}

func explainBy(trial *policy.Trial, e *decision.Entry, detail policy.Detail) (*policyExplanation, error) {
	d, failed := trial.Decide(e.Input)
	units, err := trial.Explain(e.Input, detail)
	if err != nil {
		return nil, err
	}
	x := &policyExplanation{Request: e.ID.String(), Time: e.Received.UTC(), Then: explainedPolicy(e.Policy), Revision: trial.Revision(), Input: e.Input,
		Now: changedOf(e.ID, policy.Compare(decidedOf(e), d, failed, false))}
	if failed == nil && d.Allow {
		x.Limits = d.Limits
		x.Terms = &explainedPolicy{Revision: d.Revision, Allow: true, MaxTokens: d.MaxTokens, Restricted: d.Restricted, Targets: d.Targets, Filters: d.Filters}
	}
	for _, u := range units {
		out := unitExplained{Unit: u.Unit, Verdict: "silent", Obligations: u.Obligations, Error: u.Error, Trace: u.Trace}
		switch {
		case u.Error != "":
			out.Verdict = "fails"
		case u.Denied:
			out.Verdict = "denies"
		}
		for _, r := range u.Reasons {
			out.Reasons = append(out.Reasons, reasonExplained{r.Code, r.Value, trial.Message(r)})
		}
		x.Units = append(x.Units, out)
	}
	return x, nil
}
