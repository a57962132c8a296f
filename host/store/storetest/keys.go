package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

func keys(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	k := store.Key{
		Principal: call.Principal{
			KeyID: "k1", KeyName: "web", Org: "o", Project: "p", Team: "t", User: "u", Env: "prod",
			Roles: []string{"a", "b"}, Attrs: map[string]string{"x": "y"}, Expires: noon.Add(time.Hour),
			Budgets: []call.Limit{{Scope: "key/k1", Window: call.Window{Unit: "day", Size: 1}, Max: 5e9}},
		},
		MAC: []byte{0, 1, 2}, Created: noon,
	}
	if err := s.CreateKey(ctx, k); err != nil {
		t.Fatal(err)
	}
	again := k
	again.KeyID = "k2"
	if err := s.CreateKey(ctx, again); !errors.Is(err, store.ErrKeyExists) {
		t.Errorf("a second key of the name: got %v", err)
	}
	if err := s.CreateKey(ctx, store.Key{}); err == nil {
		t.Error("an empty key was taken")
	}
	closed(t, s)
	s = open()
	keys, err := s.Keys(ctx)
	if err != nil || len(keys) != 1 || fmt.Sprintf("%+v", keys[0]) != fmt.Sprintf("%+v", k) {
		t.Fatalf("keys are %+v, %v; want %+v", keys, err, k)
	}
	if err := s.RevokeKey(ctx, "web", noon); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeKey(ctx, "k1", noon); !errors.Is(err, store.ErrKeyUnknown) {
		t.Errorf("revoked twice: got %v", err)
	}
	if err := s.CreateKey(ctx, again); err != nil {
		t.Errorf("the name of a revoked key is not free: %v", err)
	}
	keys, err = s.Keys(ctx)
	if err != nil || len(keys) != 2 || !keys[0].Revoked.Equal(noon) || !keys[1].Revoked.IsZero() {
		t.Errorf("keys are %+v, %v", keys, err)
	}
}

func changeKey(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	for _, id := range []string{"k1", "k2"} {
		k := store.Key{Principal: call.Principal{KeyID: id, KeyName: "name-" + id}, MAC: []byte(id), Created: noon}
		if err := s.CreateKey(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	changed, err := s.ChangeKey(ctx, "name-k2", func(k *store.Key) error {
		k.Previous, k.Until, k.MAC, k.Rotated = k.MAC, noon.Add(time.Hour), []byte("new"), noon
		k.Team, k.KeyID, k.Scope = "core", "another", &call.Scope{Models: []string{"openai/*"}, ReadOnly: true}
		return nil
	})
	if err != nil || changed.KeyID != "k2" {
		t.Fatalf("got %+v, %v; an id stays", changed, err)
	}
	refused := errors.New("no")
	if _, err := s.ChangeKey(ctx, "k1", func(k *store.Key) error { k.Team = "lost"; return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v; want the refusal", err)
	}
	if _, err := s.ChangeKey(ctx, "k3", func(*store.Key) error { return nil }); !errors.Is(err, store.ErrKeyUnknown) {
		t.Errorf("got %v; want %v", err, store.ErrKeyUnknown)
	}
	for _, at := range []time.Time{noon.Add(time.Minute), noon} {
		if err := s.UseKeys(ctx, map[string]time.Time{"k2": at, "gone": at}); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := s.Keys(ctx)
	if err != nil || len(keys) != 2 || keys[0].Team != "" {
		t.Fatalf("got %+v, %v; a refused change leaves the key", keys, err)
	}
	k := keys[1]
	if string(k.Previous) != "k2" || string(k.MAC) != "new" || k.Team != "core" || !k.Rotated.Equal(noon) || !k.Until.Equal(noon.Add(time.Hour)) ||
		!k.Used.Equal(noon.Add(time.Minute)) || k.Scope == nil || !k.Scope.ReadOnly || k.Scope.Models[0] != "openai/*" {
		t.Errorf("got %+v", k)
	}
}

// keysAtOnce changes one key from many sides: no change is lost.
func keysAtOnce(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	if err := s.CreateKey(ctx, store.Key{Principal: call.Principal{KeyID: "k", KeyName: "n"}, MAC: []byte{1}, Created: noon}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := s.ChangeKey(ctx, "k", func(k *store.Key) error {
				k.Roles = append(k.Roles, fmt.Sprint(i))
				return nil
			})
			if err == nil {
				err = s.UseKeys(ctx, map[string]time.Time{"k": noon.Add(time.Duration(i) * time.Second)})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := s.Keys(ctx)
	if err != nil || len(list) != 1 || len(list[0].Roles) != 8 || !list[0].Used.Equal(noon.Add(7*time.Second)) {
		t.Errorf("got %+v, %v; want 8 roles", list, err)
	}
}
