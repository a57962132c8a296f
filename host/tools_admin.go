package host

import (
	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/mcp"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func (h *Host) toolAPI() *admin.Tools {
	return &admin.Tools{
		List: func() any {
			return struct {
				Servers []mcp.Status `json:"servers"`
			}{h.tools.servers.List()}
		},
		Restart: func(name string) error {
			if !h.tools.servers.Restart(name) {
				return wire.Errorf(404, "tool_server_not_found", "there is no tool server %q: see GET /admin/mcp", name)
			}
			return nil
		},
	}
}

// toolFamilies are the figures of tool servers.
func (h *Host) toolFamilies() []telemetry.Family {
	each := func(value func(*mcp.Status) float64) func(telemetry.Emit) {
		return func(emit telemetry.Emit) {
			for _, s := range h.tools.servers.List() {
				emit(value(&s), s.Name)
			}
		}
	}
	server := []string{"server"}
	return []telemetry.Family{
		{Name: "tool_server_up", Help: "Whether a tool server is there.", Labels: server, Collect: each(func(s *mcp.Status) float64 {
			if s.State == mcp.StateUp {
				return 1
			}
			return 0
		})},
		{Name: "tool_server_restarts_total", Help: "Times that a tool server was started again.", Labels: server, Collect: each(func(s *mcp.Status) float64 { return float64(s.Restarts) })},
		{Name: "tool_calls_total", Help: "Calls that went to a tool server.", Labels: server, Collect: each(func(s *mcp.Status) float64 { return float64(s.Calls) })},
		{Name: "tool_call_errors_total", Help: "Those that failed.", Labels: server, Collect: each(func(s *mcp.Status) float64 { return float64(s.Errors) })},
		{Name: "tool_call_seconds_total", Help: "Time that those calls have taken, in sum.", Labels: server, Collect: each(func(s *mcp.Status) float64 { return s.Took.Seconds() })},
		{Name: "tool_calls_running", Help: "Calls of a tool server that run.", Labels: server, Collect: each(func(s *mcp.Status) float64 { return float64(s.Running) })},
	}
}
