package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
)

// retainStep bounds the rows that one step takes, and so how long folds wait.
const retainStep = 2000

// Retain implements store.Retainer.
func (s *Store) Retain(ctx context.Context, r call.Retention) (more bool, err error) {
	l := s.ledger
	err = l.write(ctx, func() error {
		if !r.Requests.IsZero() {
			more, err = l.dropRequests(r)
		}
		if err == nil && !more && !r.Hours.IsZero() {
			more, err = l.rollHours(r)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("cannot apply retention to the ledger: %w", err)
	}
	if more {
		return true, nil
	}
	err = s.state.write(ctx, func() error {
		more, err = s.dropState(r)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("cannot apply retention: %w", err)
	}
	return more, nil
}

// dropState takes a step in the state's file.
func (s *Store) dropState(r call.Retention) (more bool, err error) {
	for _, old := range []struct {
		before time.Time
		drop   string
	}{
		{r.Objects, "DELETE FROM kept WHERE (provider, id) IN (SELECT provider, id FROM kept WHERE max(created, used) < ? LIMIT ?)"},
		{r.Keys, "DELETE FROM key WHERE id IN (SELECT id FROM key WHERE revoked > 0 AND revoked < ? LIMIT ?)"},
		{r.Pledges, "DELETE FROM pledge WHERE id IN (SELECT id FROM pledge WHERE redeemed = 1 AND at < ? LIMIT ?)"},
	} {
		if old.before.IsZero() {
			continue
		}
		if err := s.state.run(old.drop, millis(old.before), retainStep); err != nil {
			return false, err
		}
		more = more || s.state.conn.Changes() > 0
	}
	return more, nil
}

func (l *ledger) dropRequests(r call.Retention) (more bool, err error) {
	if err := l.run("UPDATE kept SET requests = max(requests, ?)", r.Requests.Unix()); err != nil {
		return false, err
	}
	before := int64(call.FirstID(r.Requests))
	err = l.run("DELETE FROM request WHERE id < ?1 AND id <= coalesce((SELECT id FROM request ORDER BY id LIMIT 1 OFFSET ?2), ?1)", before, retainStep-1)
	return l.conn.Changes() > 0, err
}

// rollHours makes sums of days of the first sums of hours. Hours go as whole
// days.
func (l *ledger) rollHours(r call.Retention) (more bool, err error) {
	first := r.Hours.Unix() / 86400 * 86400
	if err := l.run("UPDATE kept SET hours = max(hours, ?)", first); err != nil {
		return false, err
	}
	// The rows up to a key are a range of the table; of the last ones there is no key.
	const upto = ` WHERE hour < ?1 AND (hour, principal, flow, outcome) <=
		(SELECT hour, principal, flow, outcome FROM (SELECT * FROM (SELECT hour, principal, flow, outcome FROM hour
		WHERE hour < ?1 ORDER BY hour, principal, flow, outcome LIMIT ?2) ORDER BY hour DESC, principal DESC, flow DESC, outcome DESC LIMIT 1))`
	err = l.run("INSERT INTO day SELECT "+report.DaySums+" FROM hour"+upto+" GROUP BY 1, 2, 3, 4 "+report.AddDay, first/3600, retainStep)
	if err != nil {
		return false, err
	}
	err = l.run("DELETE FROM hour"+upto, first/3600, retainStep)
	return l.conn.Changes() > 0, err
}
