package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// Secrets changes the keys under which the store keeps secrets.
type Secrets interface {
	Rekey(ctx context.Context, data bool) (Rekeyed, error)
	SecretKeys(ctx context.Context) (any, error)
}

// Rekeyed is what came of it.
type Rekeyed struct {
	Key     string `json:"key"`     // name of the key-encryption key in use
	Wrapped int    `json:"wrapped"` // data keys
	Sealed  int    `json:"sealed"`  // secrets that were sealed anew
	Retired int    `json:"retired"` // data keys that stay for a while
}

func (s *Server) secretRoutes(guarded map[string]route) {
	if s.opt.Secrets == nil {
		return
	}
	guarded["GET /admin/secrets"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return s.opt.Secrets.SecretKeys(r.Context())
	})
	guarded["POST /admin/secrets/rekey"] = owners(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var q struct {
			Data bool `json:"data"`
		}
		if err := strict(r.Body, &q); err != nil && !errors.Is(err, io.EOF) {
			return nil, invalid("cannot read the body: %v", err)
		}
		return s.opt.Secrets.Rekey(r.Context(), q.Data)
	})
}
