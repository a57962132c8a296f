package postgres

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// reconnect is the wait before a lost watcher's connection is made again.
const reconnect = 250 * time.Millisecond

// watcher tells of changes by comparing the table of them with what it saw
// last: after a notification, every so often without one, and when a lost
// connection is back. So none goes unseen.
type watcher struct {
	s       *Store
	seen    map[string]int64 // nil: not looked yet
	changed func(topic string)
	lost    bool // and said so
}

// Watch implements store.Watcher.
func (s *Store) Watch(ctx context.Context, changed func(topic string)) error {
	w := &watcher{s: s, changed: changed}
	for {
		err := w.listen(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if !w.lost {
			s.log.Warn("cannot watch for changes that other nodes make, it is tried again", "err", err)
		}
		w.lost = true
		select {
		case <-ctx.Done():
		case <-time.After(reconnect):
		}
	}
}

// listen watches on one connection until that is lost, or ctx ends.
func (w *watcher) listen(ctx context.Context) error {
	c, err := w.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(ctx) // it may be lost already
	}()
	for {
		if err := w.look(ctx, c); err != nil {
			return err
		}
		if w.lost {
			w.s.log.Info("changes that other nodes make are seen again")
			w.lost = false
		}
		if err := w.wait(ctx, c); err != nil {
			return err
		}
	}
}

// wait returns when there is something to look at. What is told and kept
// nowhere, it passes on.
func (w *watcher) wait(ctx context.Context, c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, w.s.opt.Poll)
	defer cancel()
	for {
		n, err := c.WaitForNotification(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil || n.Payload == "" {
			return err
		}
		w.changed(n.Payload)
	}
}

// Tell implements store.Teller.
func (s *Store) Tell(ctx context.Context, topic string) error {
	_, err := s.pool.Exec(ctx, "SELECT pg_notify($1, $2)", channel, topic)
	return err
}

func (w *watcher) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, w.s.timeout)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, w.s.pool.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	if _, err := c.Exec(ctx, "LISTEN "+channel); err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	return c, nil
}

// look tells of what has changed since it looked last.
func (w *watcher) look(ctx context.Context, c *pgx.Conn) error {
	type change struct {
		Topic   string
		Version int64
	}
	ctx, cancel := context.WithTimeout(ctx, w.s.timeout)
	defer cancel()
	all, err := collect(ctx, c, "SELECT topic, version FROM change", nil, pgx.RowToStructByPos[change])
	if err != nil {
		return err
	}
	now := make(map[string]int64, len(all))
	for _, ch := range all {
		now[ch.Topic] = ch.Version
	}
	before := w.seen
	w.seen = now
	if before == nil {
		w.changed("")
		return nil
	}
	for _, topic := range slices.Sorted(maps.Keys(now)) {
		if now[topic] != before[topic] {
			w.changed(topic)
		}
	}
	return nil
}
