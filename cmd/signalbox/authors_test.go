package main

import (
	"encoding/json"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	providersPage = "../../docs/provider-authors.md"
	modulesPage   = "../../docs/routing-authors.md"
)

func TestProviderAuthors(t *testing.T) { open(t, providersPage).play(t, 2) }

func TestProviderAuthorsShowsTheExamples(t *testing.T) {
	p := open(t, providersPage)
	p.shows(t, 4)
	for op := wire.OpChat; op < wire.NumOps; op++ {
		p.names(t, op.String())
	}
	for d := wire.OpenAIChat; d < wire.NumDialects; d++ {
		p.names(t, d.String())
	}
	for c := wire.ClassInvalid; c < wire.NumClasses; c++ {
		p.names(t, c.String())
	}
}

func TestRoutingAuthors(t *testing.T) { open(t, modulesPage).play(t, 2) }

func TestRoutingAuthorsShowsTheExamples(t *testing.T) {
	p := open(t, modulesPage)
	p.shows(t, 2)
	p.names(t, module.Log, module.Counters, module.Metrics, module.Session, module.Budget, module.Identity, module.Metadata,
		module.Features, module.Builtin, module.Refuse, module.Closed, module.Open, module.ABI)
	var fields map[string]any
	whole, err := json.Marshal(module.Manifest{SHA256: "x", Grants: []string{"x"}, Needs: []string{"x"}, Fuel: 1, Memory: 1, OnError: "x"})
	if err == nil {
		err = json.Unmarshal(whole, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	for field := range fields {
		p.names(t, field)
	}
}
