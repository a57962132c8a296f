package host

import (
	"context"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// pipelineAPI is what the admin API shows of pipelines.
func (h *Host) pipelineAPI() *admin.Pipelines {
	return &admin.Pipelines{List: h.graphs, Show: h.graph, Plan: h.plan, Runs: h.runsOf, Run: h.runOf}
}

// graphShown is a pipeline as GET /admin/pipelines lists it.
type graphShown struct {
	*pipeline.Graph
	Models []string       `json:"models"`
	Last   *pipeline.Kept `json:"last_run,omitempty"` // on this node
	Spec   *call.Pipeline `json:"spec,omitempty"`     // as it was written; of one alone
}

func (h *Host) graphs() any {
	out := struct {
		Pipelines []graphShown `json:"pipelines"`
	}{[]graphShown{}}
	g := h.gen.Load()
	for _, name := range sortedNames(g.pipelines) {
		out.Pipelines = append(out.Pipelines, h.shownGraph(g.pipelines[name]))
	}
	return out
}

func (h *Host) shownGraph(p *pipelineModel) graphShown {
	s := graphShown{Graph: p.Graph(), Models: p.Models()}
	if runs := h.runs.Of(p.Name); len(runs) > 0 {
		s.Last = runs[0]
	}
	return s
}

func (h *Host) graph(name string) any {
	p := h.gen.Load().pipelines[name]
	if p == nil {
		return nil
	}
	s := h.shownGraph(p)
	s.Spec = p.Pipeline.Spec
	return s
}

func (h *Host) plan(name string) any {
	g := h.gen.Load()
	p := g.pipelines[name]
	if p == nil {
		return nil
	}
	return p.Plan(bounds{g})
}

// ledgerRuns is how many rows are looked at for runs that are not kept here.
const ledgerRuns = 200

// runsOf are the last runs of a pipeline: those that this node keeps, whole, and
// those of other nodes and times by their rows of the ledger.
func (h *Host) runsOf(ctx context.Context, name string, limit int) (any, error) {
	runs := h.runs.Of(name)
	seen := map[string]bool{}
	for _, r := range runs {
		seen[r.ID] = true
	}
	kept := len(runs)
	q := call.RequestsQuery{Newest: true, Limit: ledgerRuns, Where: []call.UsageFilter{{By: "asked", Values: []string{pipelinePrefix + name}}}}
	err := books{h}.Requests(ctx, q, func(row *call.LedgerRow) error {
		if row.Op == wire.OpPipeline.String() && !seen[row.ID.String()] {
			runs = append(runs, rowRun(row))
		}
		return nil
	})
	if len(runs) > limit {
		runs = runs[:limit]
	}
	for _, r := range runs[min(kept, len(runs)):] { // the others have their steps, and are not this call's to change
		if err == nil {
			err = h.steps(ctx, r)
		}
	}
	if runs == nil {
		runs = []*pipeline.Kept{}
	}
	return map[string]any{"pipeline": name, "runs": runs}, err
}

// steps adds to a run of the ledger those of its requests.
func (h *Host) steps(ctx context.Context, run *pipeline.Kept) error {
	id, ok := call.ParseID(run.ID)
	if !ok {
		return nil
	}
	err := books{h}.Requests(ctx, call.RequestsQuery{Parent: id}, func(row *call.LedgerRow) error {
		run.Steps = append(run.Steps, rowStep(row))
		return nil
	})
	run.Sum()
	return err
}

// rowRun is a run as far as its row tells.
func rowRun(row *call.LedgerRow) *pipeline.Kept {
	r := &pipeline.Record{ID: row.ID.String(), Object: "pipeline.run", Pipeline: strings.TrimPrefix(row.Asked, pipelinePrefix), Status: pipeline.StatusOK,
		Began: row.ID.Time().UTC(), Duration: millisOf(row.DurationUS), Steps: []*pipeline.StepRecord{}}
	if row.Status >= 400 {
		r.Status, r.Error = pipeline.StatusFailed, &pipeline.ErrorRecord{Code: row.Code}
	}
	return &pipeline.Kept{Record: r, Key: row.KeyName}
}

func millisOf(us int64) float64 { return float64(us) / float64(time.Millisecond/time.Microsecond) }

// runOf is one run: as it is kept, or from the rows of it and its steps.
func (h *Host) runOf(ctx context.Context, id string) (any, error) {
	if r := h.runs.Find(id); r != nil {
		return r, nil
	}
	unknown := wire.Errorf(404, "run_unknown", "there is no run %q: GET /admin/pipelines/{name}/runs lists those that are known", id)
	n, ok := call.ParseID(id)
	if !ok {
		return nil, unknown
	}
	var run *pipeline.Kept
	err := books{h}.Requests(ctx, call.RequestsQuery{ID: n}, func(row *call.LedgerRow) error {
		if row.Op == wire.OpPipeline.String() {
			run = rowRun(row)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if run == nil {
		return nil, unknown
	}
	return run, h.steps(ctx, run)
}

// rowStep is a step as far as its row tells: one for each try and item.
func rowStep(row *call.LedgerRow) *pipeline.StepRecord {
	s := &pipeline.StepRecord{Name: row.Origin[strings.LastIndexByte(row.Origin, '/')+1:], Op: row.Op, Model: row.Target, Status: pipeline.StatusOK,
		Request: row.ID.String(), Attempts: 1, Cost: pipeline.USD(row.Cost), Duration: millisOf(row.DurationUS)}
	if row.Status >= 400 {
		s.Status, s.Error = pipeline.StatusFailed, &pipeline.ErrorRecord{Code: row.Code}
	}
	t := pipeline.Tokens{Input: row.Usage.Prompt(), Output: row.Usage.Completion(), Total: row.Usage.Total()}
	s.Usage = &t
	return s
}
