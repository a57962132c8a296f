package batch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p paces
		ctx := t.Context()
		enter := func() *pace {
			t.Helper()
			c, err := p.enter(ctx, "k", "m", 16)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		for range 200 { // it grows as requests are answered
			p.leave(enter(), paceFaster, "m", "k", "p", 0)
		}
		if got := p.of("p").limit; got != 16 {
			t.Errorf("the limit has grown to %v; want 16", got)
		}
		one, two := enter(), enter()
		p.leave(one, paceSlower, "m", "k", "p", 2*time.Second)
		p.leave(two, paceSlower, "m", "k", "p", 2*time.Second)
		if got := p.of("p").limit; got != 8 {
			t.Errorf("the limit has fallen to %v; want 8, once for both", got)
		}
		began := time.Now()
		p.leave(enter(), paceKept, "m", "k", "p", 0)
		if waited := time.Since(began); waited != 2*time.Second {
			t.Errorf("waited %s; want 2s", waited)
		}
		p.leave(enter(), keyRests, "m", "k", "p", 30*time.Second)
		_, err := p.enter(ctx, "k", "m", 16)
		var tired resting
		if !errors.As(err, &tired) || tired.wait != 30*time.Second {
			t.Errorf("a key that rests: %v", err)
		}
		if c, err := p.enter(ctx, "another", "m", 16); err != nil {
			t.Errorf("another key: %v", err)
		} else {
			p.leave(c, paceKept, "m", "another", "p", 0)
		}
		var all []*pace
		time.Sleep(time.Minute)
		for range 8 {
			all = append(all, enter())
		}
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := p.enter(short, "k", "m", 16); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the ninth of eight: %v", err)
		}
		for _, c := range all {
			p.leave(c, paceKept, "m", "k", "p", 0)
		}
	})
}
