package admin

import (
	"os"
	"strings"
	"testing"
)

type (
	budgetsOf = Budgets // whose methods may have the names of their interfaces
	nodesOf   = Nodes
	cacheOf   = Cache
	batchesOf = Batches
)

// TestEveryRouteHasACommand compares all routes with testdata/commands.txt,
// which names for each the command that asks for it, or says why there is
// none. That the commands are there is a test of theirs.
func TestEveryRouteHasACommand(t *testing.T) {
	text, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	opt := all()
	opt.Budgets, opt.Nodes, opt.Cache, opt.Batches, opt.Pipelines = struct{ budgetsOf }{}, struct{ nodesOf }{}, struct{ cacheOf }{}, struct{ batchesOf }{}, &Pipelines{}
	s, named := everything(t, opt), map[string]bool{}
	for line := range strings.Lines(string(text)) {
		route, command, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || command == "" {
			t.Errorf("a line is %q; want METHOD PATH: command, or METHOD PATH: - why there is none", line)
		}
		if _, ok := s.needs[route]; !ok {
			t.Errorf("there is no %s any more", route)
		}
		named[route] = true
	}
	for route := range s.needs {
		if !named[route] {
			t.Errorf("no command asks for %s: write one, and name it in testdata/commands.txt", route)
		}
	}
}
