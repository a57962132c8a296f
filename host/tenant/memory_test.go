package tenant

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// counted is a store in memory that counts how often it is asked.
type counted struct {
	owner map[string]string
	asked int
	err   error
}

func (c *counted) Keep(_ context.Context, list []call.Kept) error {
	for _, k := range list {
		c.owner[k.ID] = k.Tenant
	}
	return c.err
}

func (c *counted) Owns(_ context.Context, _, tenant string, ids []string) ([]bool, error) {
	c.asked++
	owned := make([]bool, len(ids))
	for i, id := range ids {
		owned[i] = c.owner[id] == tenant
	}
	return owned, c.err
}

func (c *counted) Forget(_ context.Context, _, _, id string) error {
	delete(c.owner, id)
	return c.err
}

func TestOwnersAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counted{owner: map[string]string{"a": "us", "b": "them"}}
		k, us, them := New(s), Owner{"p", "us"}, Owner{"p", "them"}
		f := func(o Owner, asked int, missing string, ids ...string) {
			t.Helper()
			var refs []Ref
			for _, id := range ids {
				refs = append(refs, Ref{Kind: File, ID: id})
			}
			before := s.asked
			r, err := k.Missing(t.Context(), o, refs)
			got := ""
			if r != nil {
				got = r.ID
			}
			if err != nil || got != missing || s.asked-before != asked {
				t.Errorf("%v of %s: %q is missing, asked %d times, %v; want %q, %d", ids, o.Tenant, got, s.asked-before, err, missing, asked)
			}
		}
		f(us, 1, "", "a")
		f(us, 0, "", "a")
		f(them, 1, "a", "a") // what one owns, another does not
		f(us, 1, "b", "a", "b")
		f(us, 1, "b", "a", "b") // what somebody does not own is asked for anew
		s.err = errors.New("the database is gone")
		f(us, 0, "", "a")
		s.err = nil
		time.Sleep(remembers)
		f(us, 1, "", "a")
		if err := k.Add(t.Context(), them, []Ref{{Kind: File, ID: "a"}}); err != nil { // given anew
			t.Fatal(err)
		}
		f(us, 1, "a", "a")
		f(them, 1, "", "a")
		if err := k.Remove(t.Context(), them, "a"); err != nil {
			t.Fatal(err)
		}
		f(them, 1, "a", "a")
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var m memory
	now := time.Now()
	for i := range 3 * remembered {
		m.put(Owner{"p", "t"}, fmt.Sprint(i), now)
		if !m.has(Owner{"p", "t"}, fmt.Sprint(i), now) {
			t.Fatal("what was just put is not there")
		}
	}
	if n := len(m.young) + len(m.old); n > remembered || n < remembered/2 {
		t.Errorf("%d are held; want at most %d", n, remembered)
	}
}
