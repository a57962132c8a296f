package postgres

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/store"
)

// open opens the database at url for the node of the given id.
func open(t testing.TB, url, node string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, Options{Node: store.Node{ID: node, Name: node}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
