package host

import (
	"net/http"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/dashboard"
)

// dashboardOf is what serves the pages at the admin address, nil: nothing does.
func dashboardOf(cfg *config.Config) http.Handler {
	if !cfg.Dashboard.Enabled {
		return nil
	}
	return dashboard.Handler()
}

// signIns keep who has signed in at those pages, nil: nobody can.
func (h *Host) signIns(cfg *config.Config) admin.Docs {
	if !cfg.Dashboard.Enabled {
		return nil
	}
	return h.store
}
