package sqlite

import (
	"context"
	"fmt"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
)

// retainStep bounds the rows that one step takes, and so how long folds wait.
const retainStep = 2000

// Retain takes one step towards keeping no more than r says; more: there are
// more to take. At any time all sums are what they were.
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
