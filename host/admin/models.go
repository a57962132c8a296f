package admin

import (
	"context"
	"net/http"
)

// Cards tells what callers may ask for, with prices and abilities. It encodes
// as a JSON object.
type Cards func(context.Context) any

func (s *Server) cardRoutes(guarded map[string]route) {
	if s.opt.Cards != nil {
		guarded["GET /admin/models"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
			return s.opt.Cards(r.Context()), nil
		})
	}
}
