package postgres

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signalbox-ai/signalbox/host/store"
)

// A database that is slow is worse than one that is gone: all who ask wait for
// as long as they may. So after this many calls in a row that came to nothing,
// those after them fail at once; one at a time then tries again.
const (
	breakAfter = 3
	breakFor   = time.Second
)

// breaker counts calls that the database did not answer. The zero breaker lets
// all pass.
type breaker struct {
	mu      sync.Mutex
	failed  int // in a row
	until   time.Time
	probing bool
}

// enter reports whether a call may be made, now; leave is to be called after it.
func (b *breaker) enter(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failed < breakAfter:
		return nil
	case now.Before(b.until) || b.probing:
		return store.ErrUnavailable
	}
	b.probing = true
	return nil
}

// leave takes in how a call ended.
func (b *breaker) leave(now time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	switch {
	case unanswered(err):
		b.failed++
		b.until = now.Add(breakFor)
	case !errors.Is(err, context.Canceled): // which says nothing of the database
		b.failed = 0
	}
}

// open reports whether calls fail at once.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed >= breakAfter
}

// unanswered reports whether err says that the database is slow or gone, and
// not that it refuses what it was asked.
func unanswered(err error) bool {
	if errors.Is(err, context.Canceled) { // by the caller
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "53", "57": // connection, resources, the operator's hand or the statement's timeout
			return true
		}
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err)
}
