package admin

import "net/http"

// Tools is what can be done with tool servers. None is added or changed here:
// what the gateway runs is in its configuration alone.
type Tools struct {
	List    func() any // encodes as a JSON object
	Restart func(server string) error
}

func (s *Server) toolRoutes(guarded map[string]route) {
	t := s.opt.Tools
	if t == nil {
		return
	}
	guarded["GET /admin/mcp"] = viewers(func(http.ResponseWriter, *http.Request) (any, error) { return t.List(), nil })
	guarded["POST /admin/mcp/{server}/restart"] = operators(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return map[string]string{"restarted": r.PathValue("server")}, t.Restart(r.PathValue("server"))
	})
}
