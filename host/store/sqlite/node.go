package sqlite

import (
	"context"

	"github.com/signalbox-ai/signalbox/host/store"
)

// Node implements store.Nodes: the process that owns the file is the only one.
func (s *Store) Node() store.Node { return s.node }

// Nodes implements store.Nodes.
func (s *Store) Nodes(context.Context) ([]store.Node, error) { return []store.Node{s.node}, nil }

// Beat implements store.Nodes.
func (s *Store) Beat(context.Context) error { return nil }
