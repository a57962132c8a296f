package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// Keep remembers whose the objects are. An object that is known already is
// from now on that of its latest tenant: the provider has given its id anew.
func (s *Store) Keep(ctx context.Context, list []call.Kept) error {
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var b pgx.Batch
		for i := range list {
			k := &list[i]
			b.Queue(`INSERT INTO kept (provider, id, tenant, kind, created) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (provider, id) DO UPDATE SET tenant = excluded.tenant, kind = excluded.kind, created = excluded.created`,
				k.Provider, k.ID, k.Tenant, k.Kind, millis(k.Created))
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return fmt.Errorf("cannot keep whose %d objects are: %w", len(list), err)
	}
	return nil
}

// Owns tells which of provider's objects are tenant's.
func (s *Store) Owns(ctx context.Context, provider, tenant string, ids []string) ([]bool, error) {
	if len(ids) == 0 {
		return []bool{}, nil
	}
	type object struct {
		ID   string
		Last int64
	}
	found, err := list(ctx, s.db, "SELECT id, greatest(created, used) FROM kept WHERE provider = $1 AND tenant = $2 AND id = ANY($3)",
		[]any{provider, tenant, ids}, pgx.RowToStructByPos[object])
	if err != nil {
		return nil, fmt.Errorf("cannot look up whose the objects of provider %q are: %w", provider, err)
	}
	theirs := make(map[string]bool, len(found))
	var stale []string
	long := millis(time.Now().Add(-store.KeptNoted))
	for _, o := range found {
		theirs[o.ID] = true
		if o.Last < long {
			stale = append(stale, o.ID)
		}
	}
	if len(stale) > 0 { // where it cannot be noted, no request fails: the next one notes it
		err := s.exec(ctx, "UPDATE kept SET used = $1 WHERE provider = $2 AND tenant = $3 AND id = ANY($4)", millis(time.Now()), provider, tenant, stale)
		if err != nil {
			s.log.Debug("cannot note that objects are in use", "provider", provider, "objects", len(stale), "err", err)
		}
	}
	owned := make([]bool, len(ids))
	for i, id := range ids {
		owned[i] = theirs[id]
	}
	return owned, nil
}

// Forget ends the memory of an object that is gone, if it is the tenant's.
func (s *Store) Forget(ctx context.Context, provider, tenant, id string) error {
	if err := s.exec(ctx, "DELETE FROM kept WHERE provider = $1 AND id = $2 AND tenant = $3", provider, id, tenant); err != nil {
		return fmt.Errorf("cannot forget object %q of provider %q: %w", id, provider, err)
	}
	return nil
}
