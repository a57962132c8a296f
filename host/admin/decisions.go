package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Decisions shows routing decisions that were kept. What is answered encodes as
// a JSON object.
type Decisions struct {
	Explain func(ctx context.Context, request string) (any, error)
	Last    func(ctx context.Context, n int) (any, error)
}

const (
	usualDecisions = 20
	mostDecisions  = 1000
)

func (s *Server) explainDecision(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.opt.Decisions.Explain(r.Context(), r.PathValue("id"))
}

// decisionOf answers with the decision of one request, or with none and why.
func (s *Server) decisionOf(ctx context.Context, request string) (any, error) {
	d, err := s.opt.Decisions.Explain(ctx, request)
	var e *wire.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return map[string]any{"decisions": []any{}, "missing": e.Message}, nil
	}
	return map[string]any{"decisions": []any{d}}, err
}

func (s *Server) lastDecisions(_ http.ResponseWriter, r *http.Request) (any, error) {
	if id := r.URL.Query().Get("request"); id != "" {
		return s.decisionOf(r.Context(), id)
	}
	n := usualDecisions
	if text := r.URL.Query().Get("last"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > mostDecisions {
			return nil, invalid("last=%q is no number from 1 to %d", text, mostDecisions)
		}
	}
	return s.opt.Decisions.Last(r.Context(), n)
}
