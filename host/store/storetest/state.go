package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

func credentials(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	c := store.Credential{Provider: "p", Name: "main", Sealed: []byte{1, 2}, Weight: 3, Created: noon}
	other := store.Credential{Provider: "o", Name: "main", Sealed: []byte{3}, Weight: 1, Created: noon, Retires: noon.Add(time.Hour)}
	for _, c := range []store.Credential{c, other} {
		if err := s.AddCredential(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddCredential(ctx, c); !errors.Is(err, store.ErrCredentialExists) {
		t.Errorf("a second one of the name: got %v", err)
	}
	closed(t, s)
	s = open()
	f := func(now time.Time, want ...store.Credential) {
		t.Helper()
		got, err := s.Credentials(ctx, now)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("credentials are %+v, %v; want %+v", got, err, want)
		}
	}
	f(noon, other, c)
	f(noon.Add(time.Hour), c)
	f(noon, c) // what has retired is gone
	fresh, old := c, c
	fresh.Sealed, fresh.Created = []byte{9}, noon.Add(time.Minute)
	old.Name, old.Retires = "main~1", noon.Add(time.Hour)
	if err := s.RotateCredential(ctx, fresh, old); err != nil {
		t.Fatal(err)
	}
	f(noon, old, fresh)
	gone := c
	gone.Name = "gone"
	if err := s.RotateCredential(ctx, gone, old); !errors.Is(err, store.ErrCredentialUnknown) {
		t.Errorf("one that is not there was rotated: got %v", err)
	}
	if err := s.RemoveCredential(ctx, "p", "main"); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveCredential(ctx, "p", "main"); !errors.Is(err, store.ErrCredentialUnknown) {
		t.Errorf("removed twice: got %v", err)
	}
	f(noon, old)
}

func kept(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	owns := func(provider, tenant, want string, ids ...string) {
		t.Helper()
		got, err := s.Owns(ctx, provider, tenant, ids)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s owns %v of %s: %v %v, want %s", tenant, ids, provider, got, err, want)
		}
	}
	keep := func(tenant string, ids ...string) {
		t.Helper()
		var list []call.Kept
		for _, id := range ids {
			list = append(list, call.Kept{Provider: "p", ID: id, Tenant: tenant, Kind: "file", Created: time.Unix(1, 0)})
		}
		if err := s.Keep(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	keep("us", "a", "b")
	keep("them", "c")
	owns("p", "us", "[true true false false]", "a", "b", "c", "d")
	owns("q", "us", "[false]", "a")
	owns("p", "us", "[]")
	keep("them", "b") // the provider has given the id anew
	owns("p", "us", "[true false]", "a", "b")
	forget := func(tenant, id string) {
		t.Helper()
		if err := s.Forget(ctx, "p", tenant, id); err != nil {
			t.Fatal(err)
		}
	}
	forget("us", "c") // which is not theirs to forget
	owns("p", "them", "[true]", "c")
	forget("them", "c")
	owns("p", "them", "[false]", "c")
	closed(t, s)
	s = open()
	owns("p", "us", "[true false]", "a", "b")
	owns("p", "them", "[true]", "b")

	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id, who := fmt.Sprint("race", i), fmt.Sprint("tenant", i%2)
			if err := s.Keep(ctx, []call.Kept{{Provider: "p", ID: id, Tenant: who, Kind: "file", Created: time.Unix(1, 0)}}); err != nil {
				t.Error(err)
			}
			if got, err := s.Owns(ctx, "p", who, []string{id}); err != nil || !got[0] {
				t.Errorf("%s does not own %s: %v", who, id, err)
			}
		})
	}
	wg.Wait()
}

func nodes(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	first := s.Node()
	if err := s.Beat(ctx); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	s = open()
	if n := s.Node(); n.ID != first.ID || n.Number != first.Number || n.ID == "" {
		t.Errorf("the node came back as %+v; want %+v", n, first)
	}
	list, err := s.Nodes(ctx)
	if err != nil || len(list) != 1 || list[0].ID != first.ID || list[0].Name != first.Name || list[0].Started.IsZero() || !list[0].Fenced.IsZero() {
		t.Errorf("nodes are %+v, %v", list, err)
	}
}
