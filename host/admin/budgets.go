package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Budgets tells how budgets stand. Errors are like those of Keys.
type Budgets interface {
	Budgets(context.Context) ([]Budget, error)
	// FenceNode writes a node off; it returns of how many accounts something was
	// handed back.
	FenceNode(ctx context.Context, node string, force bool) (accounts int, err error)
}

// Budget is how a scope stands in the current window: nano-dollars, tokens or
// requests.
type Budget struct {
	Scope    string        `json:"scope"`
	Unit     string        `json:"unit"`
	Window   string        `json:"window"`
	Starts   time.Time     `json:"starts,omitzero"`
	Ends     time.Time     `json:"ends,omitzero"` // zero: never, or it rolls
	Max      int64         `json:"max"`           // 0: it is not known here what holds
	OnExceed string        `json:"on_exceed,omitempty"`
	Warns    int64         `json:"warns_at,omitempty"` // a soft limit beside Max, or alone
	Spent    int64         `json:"spent"`
	Reserved int64         `json:"reserved"` // by running requests
	Leased   int64         `json:"leased"`   // to nodes, and not used
	Leases   []store.Lease `json:"leases"`
}

func (s *Server) budgetRoutes(guarded map[string]route) {
	if s.opt.Budgets == nil {
		return
	}
	guarded["GET /admin/budgets"] = viewers(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		list, err := s.opt.Budgets.Budgets(r.Context())
		return map[string]any{"budgets": append([]Budget{}, list...)}, err
	})
	guarded["POST /admin/nodes/{node}/fence"] = owners(s.fenceNode)
}

func (s *Server) fenceNode(_ http.ResponseWriter, r *http.Request) (any, error) {
	node := r.PathValue("node")
	n, err := s.opt.Budgets.FenceNode(r.Context(), node, r.URL.Query().Get("force") == "true")
	switch {
	case errors.Is(err, store.ErrNodeUnknown):
		return nil, notFound("there is no node %q", node)
	case errors.Is(err, store.ErrNodeLives):
		return nil, wire.Errorf(http.StatusConflict, "node_lives", "node %q was seen within half a minute and may be spending: stop it first, or force it", node)
	case err != nil:
		return nil, err
	}
	return map[string]any{"fenced": node, "accounts": n}, nil
}
