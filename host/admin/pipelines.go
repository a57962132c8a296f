package admin

import (
	"context"
	"net/http"
	"strconv"
)

// Pipelines shows the pipelines of the configuration and their runs. All that is
// answered encodes as a JSON object; nil or a *wire.Error: there is no such.
type Pipelines struct {
	List func() any
	Show func(name string) any
	Plan func(name string) any
	Runs func(ctx context.Context, name string, limit int) (any, error)
	Run  func(ctx context.Context, id string) (any, error)
}

// maxRuns bounds a list of runs.
const maxRuns = 200

func (s *Server) pipelineRoutes(guarded map[string]route) {
	if s.opt.Pipelines == nil {
		return
	}
	guarded["GET /admin/pipelines"] = viewers(func(http.ResponseWriter, *http.Request) (any, error) { return s.opt.Pipelines.List(), nil })
	guarded["GET /admin/pipelines/{name}"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return ofPipeline(r.PathValue("name"), s.opt.Pipelines.Show)
	})
	// One pattern for three: that of a run and those of a pipeline would collide.
	guarded["GET /admin/pipelines/{name}/{what}"] = viewers(s.pipelineDetail)
}

func ofPipeline(name string, show func(string) any) (any, error) {
	if out := show(name); out != nil {
		return out, nil
	}
	return nil, notFound("there is no pipeline %q: GET /admin/pipelines lists those that are", name)
}

// pipelineDetail answers /admin/pipelines/{name}/runs, /admin/pipelines/{name}/plan
// and /admin/pipelines/runs/{id}.
func (s *Server) pipelineDetail(_ http.ResponseWriter, r *http.Request) (any, error) {
	name, what := r.PathValue("name"), r.PathValue("what")
	switch {
	case name == "runs":
		return s.opt.Pipelines.Run(r.Context(), what)
	case what == "plan":
		return ofPipeline(name, s.opt.Pipelines.Plan)
	case what == "runs":
		limit := 50
		if v := r.URL.Query().Get("limit"); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > maxRuns {
				return nil, invalid("limit=%q is no number from 1 to %d", v, maxRuns)
			}
			limit = n
		}
		return s.opt.Pipelines.Runs(r.Context(), name, limit)
	}
	return nil, notFound("there is no %s of a pipeline: there are runs and plan", what)
}
