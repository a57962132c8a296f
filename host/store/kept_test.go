package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

func TestWhoseObjectsAreIsKept(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/signalbox.db"
	open := func() *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	owns := func(provider, tenant, want string, ids ...string) {
		t.Helper()
		got, err := s.Owns(t.Context(), provider, tenant, ids)
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
		if err := s.Keep(t.Context(), list); err != nil {
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
		if err := s.Forget(t.Context(), "p", tenant, id); err != nil {
			t.Fatal(err)
		}
	}
	forget("us", "c") // which is not theirs to forget
	owns("p", "them", "[true]", "c")
	forget("them", "c")
	owns("p", "them", "[false]", "c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	owns("p", "us", "[true false]", "a", "b")
	owns("p", "them", "[true]", "b")

	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id, who := fmt.Sprint("race", i), fmt.Sprint("tenant", i%2)
			if err := s.Keep(t.Context(), []call.Kept{{Provider: "p", ID: id, Tenant: who, Kind: "file", Created: time.Unix(1, 0)}}); err != nil {
				t.Error(err)
			}
			if got, err := s.Owns(t.Context(), "p", who, []string{id}); err != nil || !got[0] {
				t.Errorf("%s does not own %s: %v", who, id, err)
			}
		})
	}
	wg.Wait()
}
