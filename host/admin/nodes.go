package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/signalbox-ai/signalbox/host/store"
)

// Nodes lists the gateways that share the store.
type Nodes interface {
	Nodes(context.Context) ([]store.Node, error)
	Node() store.Node // the one that answers
}

// node is how a gateway is shown.
type node struct {
	ID      string    `json:"id"`
	Number  int       `json:"number"` // -1: it was given to another since
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen"`
	Fenced  time.Time `json:"fenced,omitzero"`
	Self    bool      `json:"self,omitempty"`
}

func (s *Server) nodeRoutes(guarded map[string]route) {
	if s.opt.Nodes != nil {
		guarded["GET /admin/nodes"] = viewers(s.listNodes)
	}
}

func (s *Server) listNodes(_ http.ResponseWriter, r *http.Request) (any, error) {
	all, err := s.opt.Nodes.Nodes(r.Context())
	if err != nil {
		return nil, err
	}
	self := s.opt.Nodes.Node().ID
	list := make([]node, len(all))
	for i, n := range all {
		list[i] = node{ID: n.ID, Number: n.Number, Name: n.Name, Version: n.Version, Started: n.Started, Seen: n.Seen, Fenced: n.Fenced, Self: n.ID == self}
	}
	return map[string]any{"nodes": list}, nil
}
