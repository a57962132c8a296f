// Package redis is the gateway's way to a Redis or Valkey, for what may be lost:
// counters of rates, caches, notifications. A server that is slow or gone costs
// a request the timeout a few times, then nothing until it answers again.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// ErrDown is what is answered while the server is taken to be gone.
var ErrDown = errors.New("redis is down")

const (
	// patience is how many failures in a row make the server one that is gone.
	patience = 3
	// firstProbe and lastProbe bound the pauses between looks for it.
	firstProbe = 100 * time.Millisecond
	lastProbe  = 2 * time.Second
	// dialTime is how long a connection may take to come about: nobody waits for it.
	dialTime = 2 * time.Second
)

// Options of a Client.
type Options struct {
	URL     string        // redis://[user:password@]host:port[/db], rediss:// for TLS, unix:///path
	Timeout time.Duration // for one answer; default 100 ms
	Log     *slog.Logger
}

// Client is a server, or a cluster of some. It is safe for concurrent use.
type Client struct {
	opt      Options
	conn     atomic.Pointer[rueidis.Client]
	down     atomic.Bool
	failures atomic.Int32 // in a row
	opened   atomic.Int64
	scripts  sync.Map           // text → *rueidis.Lua
	gone     chan time.Duration // the pause before the first look
	end      chan struct{}
	ended    chan struct{}
	stop     sync.Once
}

// Check says what is wrong with url.
func Check(url string) error {
	_, err := rueidis.ParseURL(url)
	return err
}

// Open returns a client, which connects beside: until then it is down.
func Open(opt Options) (*Client, error) {
	if err := Check(opt.URL); err != nil {
		return nil, fmt.Errorf("cannot read the address of Redis: %w", err)
	}
	if opt.Timeout <= 0 {
		opt.Timeout = 100 * time.Millisecond
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{opt: opt, gone: make(chan time.Duration, 1), end: make(chan struct{}), ended: make(chan struct{})}
	c.down.Store(true)
	connected := c.probe()
	go c.run(connected)
	return c, nil
}

// Up reports whether the server is taken to be there.
func (c *Client) Up() bool { return !c.down.Load() }

// Stats is what has come of it.
type Stats struct {
	Up     bool
	Opened int64 // times that the server was given up on
}

// Stats returns the figures as they stand.
func (c *Client) Stats() Stats { return Stats{c.Up(), c.opened.Load()} }

// Use calls f with the connection, unless the server is down. f ends with ctx,
// or in the timeout.
func (c *Client) Use(ctx context.Context, f func(context.Context, rueidis.Client) error) error {
	if c.down.Load() {
		return ErrDown
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	return c.judge(f(ctx, *c.conn.Load()))
}

// Run runs a script in Lua and returns the numbers that it does.
func (c *Client) Run(ctx context.Context, script string, keys, args []string) (out []int64, err error) {
	lua, ok := c.scripts.Load(script)
	if !ok {
		lua, _ = c.scripts.LoadOrStore(script, rueidis.NewLuaScript(script))
	}
	err = c.Use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		out, err = lua.(*rueidis.Lua).Exec(ctx, conn, keys, args).AsIntSlice()
		return err
	})
	return out, err
}

// judge counts failures, refusals too: a server that is out of memory or reads
// only is of no more use than one that is gone.
func (c *Client) judge(err error) error {
	switch {
	case err == nil, rueidis.IsRedisNil(err):
		if c.failures.Load() != 0 {
			c.failures.Store(0)
		}
	case errors.Is(err, context.Canceled):
	case c.failures.Add(1) >= patience && c.down.CompareAndSwap(false, true):
		c.opened.Add(1)
		c.opt.Log.Warn("redis is slow or gone: it is not asked until it answers again", "err", err)
		pause := firstProbe
		if _, said := rueidis.IsRedisErr(err); said { // it answers: that is no sign that it has got better
			pause = lastProbe
		}
		select {
		case c.gone <- pause:
		default:
		}
	}
	return err
}

// run looks for the server while it is down.
func (c *Client) run(up bool) {
	defer close(c.ended)
	pause := firstProbe
	for {
		if !up {
			c.find(pause)
		}
		select {
		case <-c.end:
			if conn := c.conn.Load(); conn != nil {
				(*conn).Close()
			}
			return
		case pause = <-c.gone:
			up = false
		}
	}
}

// find looks until the server is there, or the client ends.
func (c *Client) find(pause time.Duration) {
	for ; ; pause = min(2*pause, lastProbe) {
		timer := time.NewTimer(pause)
		select {
		case <-c.end:
			timer.Stop()
			return
		case <-timer.C:
		}
		if c.probe() {
			return
		}
	}
}

// probe connects where there is no connection, and asks for a sign of life.
func (c *Client) probe() bool {
	if c.conn.Load() == nil {
		conn, err := c.dial()
		if err != nil {
			c.opt.Log.Debug("redis cannot be reached", "err", err)
			return false
		}
		c.conn.Store(&conn)
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.opt.Timeout)
	defer cancel()
	conn := *c.conn.Load()
	if err := conn.Do(ctx, conn.B().Ping().Build()).Error(); err != nil {
		return false
	}
	c.failures.Store(0)
	c.down.Store(false)
	c.opt.Log.Info("redis answers")
	return true
}

func (c *Client) dial() (rueidis.Client, error) {
	o, err := rueidis.ParseURL(c.opt.URL)
	if err != nil {
		return nil, err
	}
	o.DisableCache, o.DisableRetry, o.ClientName = true, true, "signalbox"
	o.Dialer.Timeout, o.ConnWriteTimeout = dialTime, dialTime
	return rueidis.NewClient(o)
}

// Close ends the client. It may be called twice.
func (c *Client) Close() {
	c.stop.Do(func() { close(c.end) })
	<-c.ended
}
