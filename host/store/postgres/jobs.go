package postgres

import (
	"context"

	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/jobs"
)

// Batches implements store.Store.
func (s *Store) Batches(ctx context.Context, _ bool) (store.Batches, error) {
	s.jobsMu.Lock()
	defer s.jobsMu.Unlock()
	if s.jobs == nil {
		j, err := jobs.OpenPostgres(ctx, s.pool, jobs.Options{Log: s.log, Node: s.node.ID, Within: func(ctx context.Context, f func(context.Context) error) error {
			return s.within(ctx, s.timeout, f)
		}})
		if err != nil {
			return nil, err
		}
		s.jobs = j
	}
	return s.jobs, nil
}
