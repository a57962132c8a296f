package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

func documents(t *testing.T, open Opener) {
	s := open()
	put := func(name string, revision int64, body string, want error) int64 {
		t.Helper()
		rev, err := s.PutDocument(t.Context(), call.Document{Kind: "team", Name: name, Revision: revision, Body: []byte(body)})
		if !errors.Is(err, want) {
			t.Fatalf("put %s at %d: %v; want %v", name, revision, err, want)
		}
		return rev
	}
	first := put("core", 0, `{"a":1}`, nil)
	put("core", 0, `{}`, call.ErrRevision)
	second := put("core", first, `{"a":2}`, nil)
	put("core", first, `{}`, call.ErrRevision)
	put("ops", 0, `{}`, nil)
	if err := s.DeleteDocument(t.Context(), "team", "core", first); !errors.Is(err, call.ErrRevision) {
		t.Errorf("an old revision was removed: %v", err)
	}
	if err := s.DeleteDocument(t.Context(), "team", "core", second); err != nil {
		t.Error(err)
	}
	if err := s.DeleteDocument(t.Context(), "team", "core", 0); !errors.Is(err, call.ErrNoDocument) {
		t.Errorf("what is gone was removed: %v", err)
	}
	if again := put("core", 0, `{}`, nil); again <= second {
		t.Errorf("revision %d was used again", again)
	}
	put("Core", 0, `{}`, nil)
	closed(t, s)
	s = open()
	list, err := s.Documents(t.Context(), "team")
	if err != nil || len(list) != 3 || list[0].Name != "Core" || list[1].Name != "core" || string(list[1].Body) != "{}" || list[1].Changed.IsZero() {
		t.Errorf("documents %+v, %v", list, err)
	}
	if list, err := s.Documents(t.Context(), "org"); err != nil || len(list) != 0 {
		t.Errorf("documents of another kind %+v, %v", list, err)
	}
}

// documentsAtOnce has many change one document from the same revision: one wins.
func documentsAtOnce(t *testing.T, open Opener) {
	s := open()
	for round := range int64(4) {
		var wg sync.WaitGroup
		var won atomic.Int64
		list, err := s.Documents(t.Context(), "limit")
		if err != nil {
			t.Fatal(err)
		}
		d := call.Document{Kind: "limit", Name: "all", Body: []byte("{}")}
		if round > 0 {
			d.Revision = list[0].Revision
		}
		for range 8 {
			wg.Go(func() {
				switch _, err := s.PutDocument(t.Context(), d); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, call.ErrRevision):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 8 changes of one revision were kept", won.Load())
		}
	}
}

// watch sees that each kind of change is told of.
func watch(t *testing.T, open Opener) {
	s := open()
	seen := make(chan string, 64)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(topic string) { seen <- topic }) }()
	if topic := <-seen; topic != "" {
		t.Errorf("watcher was first told of %q", topic)
	}
	f := func(want string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if topic := <-seen; topic != want {
			t.Errorf("watcher was told of %q; want %q", topic, want)
		}
	}
	for i := range 3 {
		f("documents/team", putErr(s.PutDocument(t.Context(), call.Document{Kind: "team", Name: fmt.Sprint(i), Body: []byte("{}")})))
	}
	f("documents/team", s.DeleteDocument(t.Context(), "team", "0", 0))
	f("keys", s.CreateKey(t.Context(), store.Key{Principal: call.Principal{KeyID: "k", KeyName: "n"}, MAC: []byte{1}, Created: noon}))
	_, err := s.ChangeKey(t.Context(), "k", func(k *store.Key) error { k.Team = "x"; return nil })
	f("keys", err)
	f("keys", s.RevokeKey(t.Context(), "k", noon))
	c := store.Credential{Provider: "p", Name: "main", Sealed: []byte{1}, Created: noon}
	f("credentials", s.AddCredential(t.Context(), c))
	old := c
	old.Name = "old"
	f("credentials", s.RotateCredential(t.Context(), c, old))
	f("credentials", s.RemoveCredential(t.Context(), "p", "main"))
	f("modules/route", s.SaveModules(t.Context(), call.ModuleChange{Kind: "route"}))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func putErr(_ int64, err error) error { return err }
