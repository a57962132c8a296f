package admin

import (
	"context"
	"net/http"
	"strconv"
)

// HealthQuery asks how providers have fared.
type HealthQuery struct {
	Provider string // "": all
	Minutes  int    // back from now
	Step     int    // minutes that are summed up at a time
}

// mostMinutes is for how long minutes are kept.
const mostMinutes = 24 * 60

func (s *Server) healthRoutes(guarded map[string]route) {
	if s.opt.Health != nil {
		guarded["GET /admin/providers/health"] = viewers(s.providersHealth)
	}
}

// Health tells how providers fare and have fared. It encodes as a JSON object.
type Health func(ctx context.Context, q HealthQuery) (any, error)

func (s *Server) providersHealth(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := HealthQuery{Provider: r.URL.Query().Get("provider")}
	var err error
	if q.Minutes, err = numberOf(r, "minutes", mostMinutes, mostMinutes); err == nil {
		q.Step, err = numberOf(r, "step", 15, mostMinutes)
	}
	if err != nil {
		return nil, err
	}
	return s.opt.Health(r.Context(), q)
}

// numberOf is a parameter from 1 to most.
func numberOf(r *http.Request, name string, usual, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, invalid("%s=%q is no number from 1 to %d", name, text, most)
	}
	return n, nil
}
