package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
)

// Alerts tells what people are told of, and whom. What is answered encodes as
// JSON.
type Alerts interface {
	ListAlerts(ctx context.Context, most int) (any, error)
	Receivers
}

// Receivers changes who is told.
type Receivers interface {
	PutReceiver(ctx context.Context, name string, body json.RawMessage) error
	RemoveReceiver(ctx context.Context, name string) error
	TestReceiver(ctx context.Context, name string) error
}

// mostAlerts is what one answer holds.
const mostAlerts = 200

func (s *Server) alertRoutes(guarded map[string]route) {
	a := s.opt.Alerts
	if a == nil {
		return
	}
	guarded["GET /admin/alerts"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return a.ListAlerts(r.Context(), mostAlerts)
	})
	guarded["PUT /admin/alerts/receivers/{name}"] = owners(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		name := r.PathValue("name")
		if !keyName.MatchString(name) {
			return nil, invalid("name is %q: give letters, digits, '.', '_', ':', '@' and '-', at most 128", name)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, invalid("cannot read the body: %v", err)
		}
		return map[string]string{"kept": name}, a.PutReceiver(r.Context(), name, body)
	})
	guarded["DELETE /admin/alerts/receivers/{name}"] = owners(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return map[string]string{"removed": r.PathValue("name")}, a.RemoveReceiver(r.Context(), r.PathValue("name"))
	})
	guarded["POST /admin/alerts/receivers/{name}/test"] = operators(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return map[string]string{"sent": r.PathValue("name")}, a.TestReceiver(r.Context(), r.PathValue("name"))
	})
}
