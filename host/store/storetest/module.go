package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// moduleEvents is how many lines of history are kept of each module.
const moduleEvents = 500

func modules(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	code, other := []byte("code"), []byte("other")
	sum := func(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }
	full := call.ModuleVersion{Kind: "route", Name: "m", Digest: "d1", Label: "m@1", SHA256: sum(code), Tag: "1.2.0", Manifest: []byte(`{"a":1}`),
		Config: []byte(`{}`), Signer: "AB", Origin: "push", State: "canary", Report: []byte(`{"b":2}`), Proven: true, Served: true, Pushed: noon, Changed: noon.Add(time.Hour)}
	bare := call.ModuleVersion{Kind: "route", Name: "m", Digest: "d2", Label: "m@2", SHA256: sum(other), Origin: "config", State: "active", Pushed: noon, Changed: noon}
	lanes := call.ModuleLanes{Kind: "route", Name: "m", Seed: "d2", Active: "d2", Previous: "d0", Canary: "d1", Shadow: "d3", Share: 0.25, By: "key", Guard: []byte(`{"min_requests":1}`)}
	event := call.ModuleEvent{Kind: "route", Name: "m", Label: "m@1", Time: noon, What: "pushed", Who: "admin", Why: "because"}
	revisions := map[string]int64{}
	save := func(kind string, c call.ModuleChange) {
		t.Helper()
		c.Kind, c.Revision = kind, revisions[kind]
		must(s.SaveModules(ctx, c))
		state, err := s.Modules(ctx, kind)
		if must(err); state.Revision <= c.Revision {
			t.Fatalf("revision %d after %d", state.Revision, c.Revision)
		}
		revisions[kind] = state.Revision
	}
	save("route", call.ModuleChange{Codes: [][]byte{code, other}, Versions: []call.ModuleVersion{full, bare}, Lanes: []call.ModuleLanes{lanes}, Events: []call.ModuleEvent{event}})
	save("filter", call.ModuleChange{Versions: []call.ModuleVersion{{Kind: "filter", Name: "m", Digest: "d1", SHA256: sum(code)}}})
	closed(t, s)
	s = open()
	got, err := s.Modules(ctx, "route")
	revisions["route"] = got.Revision
	want := call.ModuleState{Revision: got.Revision, Versions: []call.ModuleVersion{full, bare}, Lanes: []call.ModuleLanes{lanes}, Events: []call.ModuleEvent{event}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
	}
	full.State, full.Label, full.Report = "active", "m@1+", []byte(`{}`)
	lanes.Active, lanes.Canary, lanes.Guard = "d1", "", nil
	stale := call.ModuleChange{Kind: "route", Revision: got.Revision - 1, Versions: []call.ModuleVersion{full}}
	if err := s.SaveModules(ctx, stale); !errors.Is(err, call.ErrRevision) {
		t.Errorf("a change of what has changed since: got %v", err)
	}
	filters, err := s.Modules(ctx, "filter")
	must(err)
	good := call.ModuleChange{Kind: "filter", Revision: filters.Revision, Versions: []call.ModuleVersion{{Kind: "filter", Name: "n", Digest: "d9", SHA256: sum(code)}}}
	if err := s.SaveModules(ctx, good, stale); !errors.Is(err, call.ErrRevision) {
		t.Errorf("two changes, one of them stale: got %v", err)
	}
	if state, err := s.Modules(ctx, "filter"); err != nil || state.Revision != good.Revision || len(state.Versions) != 1 {
		t.Errorf("a change that came with a stale one was kept: %+v, %v", state, err)
	}
	save("route", call.ModuleChange{Versions: []call.ModuleVersion{full}, Gone: []call.ModuleVersion{bare}, Lanes: []call.ModuleLanes{lanes}})
	if got, err = s.Modules(ctx, "route"); err != nil || !reflect.DeepEqual(got.Versions, []call.ModuleVersion{full}) || !reflect.DeepEqual(got.Lanes, []call.ModuleLanes{lanes}) {
		t.Errorf("after a change: %+v, %v", got, err)
	}
	if b, err := s.ModuleCode(ctx, sum(code)); err != nil || !bytes.Equal(b, code) {
		t.Errorf("code: %q, %v", b, err)
	}
	if b, err := s.ModuleCode(ctx, sum(other)); err == nil {
		t.Errorf("code of nobody is %q", b)
	}
	route, err := s.Modules(ctx, "route")
	must(err)
	must(s.SaveModules(ctx, call.ModuleChange{Kind: "route", Revision: route.Revision}, good))
	for kind, before := range map[string]int64{"route": route.Revision, "filter": good.Revision} {
		state, err := s.Modules(ctx, kind)
		if must(err); state.Revision <= before {
			t.Errorf("two changes at once leave %s at revision %d", kind, state.Revision)
		}
		revisions[kind] = state.Revision
	}
	var events []call.ModuleEvent
	for i := range moduleEvents + 10 {
		event.Why = fmt.Sprint(i)
		events = append(events, event)
	}
	save("route", call.ModuleChange{Events: events})
	if got, err = s.Modules(ctx, "route"); err != nil || len(got.Events) != moduleEvents || got.Events[moduleEvents-1].Why != event.Why {
		t.Errorf("%d lines of history, %v; want %d", len(got.Events), err, moduleEvents)
	}
}
