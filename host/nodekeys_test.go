package host

import (
	"fmt"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

func TestLacking(t *testing.T) {
	now := time.Now().Add(-time.Hour) // by the store's clock
	docs := []call.Document{{Name: "a", Body: []byte(`{"keks":["key:old","key:new"]}`)}, {Name: "b", Body: []byte(`{"keks":["key:old"]}`)}, {Name: "d", Body: []byte(`{`)}}
	nodes := []store.Node{{ID: "a", Seen: now}, {ID: "b", Seen: now.Add(-10 * time.Second)}, {ID: "c", Seen: now}, {ID: "d", Seen: now},
		{ID: "gone", Seen: now.Add(-2 * nodeLives)}, {ID: "fenced", Seen: now, Fenced: now}}
	f := func(kek, want string) {
		t.Helper()
		if got := fmt.Sprint(lacking(nodes, docs, kek)); got != want {
			t.Errorf("%s: got %s; want %s", kek, got, want)
		}
	}
	f("key:new", "[b c d]")
	f("key:old", "[c d]")
}
