package redis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/limit/redistest"
	"github.com/signalbox-ai/signalbox/host/redis"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

func open(t *testing.T, url string) *redis.Client {
	t.Helper()
	c, err := redis.Open(redis.Options{URL: url, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

func TestRun(t *testing.T) {
	server := redistest.Start(t)
	c := open(t, server.URL())
	got, err := c.Run(t.Context(), "return {#KEYS, tonumber(ARGV[1]) + 1, redis.call('INCR', KEYS[1])}", []string{"a", "b"}, []string{"41"})
	if err != nil || len(got) != 3 || got[0] != 2 || got[1] != 42 || got[2] != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	err = c.Use(t.Context(), func(ctx context.Context, conn rueidis.Client) error {
		return conn.Do(ctx, conn.B().Get().Key("nothing").Build()).Error()
	})
	if !rueidis.IsRedisNil(err) || !c.Up() {
		t.Errorf("what is not there: %v, up %v", err, c.Up())
	}
}

// TestRefusalsCount: a server that answers with errors alone is of no use.
func TestRefusalsCount(t *testing.T) {
	server := redistest.Start(t)
	c := open(t, server.URL())
	for range 3 {
		if _, err := c.Run(t.Context(), "return redis.call('NOSUCH')", nil, nil); err == nil {
			t.Fatal("an unknown command works")
		}
	}
	if _, err := c.Run(t.Context(), "return {}", nil, nil); !errors.Is(err, redis.ErrDown) || c.Up() {
		t.Errorf("got %v; want ErrDown", err)
	}
	until(t, "it is asked again", c.Up)
}

// TestLeftCallersSayNothing: a caller who ends its wait says nothing of the server.
func TestLeftCallersSayNothing(t *testing.T) {
	server := redistest.Start(t)
	c := open(t, server.URL())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if _, err := c.Run(ctx, "return {}", nil, nil); err == nil {
			t.Fatal("a call that has ended works")
		}
	}
	if !c.Up() {
		t.Error("the server is taken to be gone")
	}
}

func TestRestart(t *testing.T) {
	server := redistest.Start(t)
	c := open(t, server.URL())
	server.Stop()
	until(t, "it is given up on", func() bool {
		_, _ = c.Run(t.Context(), "return {}", nil, nil)
		return !c.Up()
	})
	server.Run()
	until(t, "it is back", c.Up)
	if _, err := c.Run(t.Context(), "return {1}", nil, nil); err != nil {
		t.Errorf("a script that the server has forgotten: %v", err)
	}
	c.Close()
	c.Close()
}

func TestBadAddress(t *testing.T) {
	for _, url := range []string{"", "http://a", "redis://%zz"} {
		if c, err := redis.Open(redis.Options{URL: url}); err == nil {
			c.Close()
			t.Errorf("%q is taken", url)
		}
	}
}
