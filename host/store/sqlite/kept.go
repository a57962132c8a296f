package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// Keep remembers whose the objects are. An object that is known already is
// from now on that of its latest tenant: the provider has given its id anew.
func (s *Store) Keep(ctx context.Context, list []call.Kept) error {
	err := s.state.write(ctx, func() error {
		st, err := s.state.conn.Prepare(`INSERT INTO kept (provider, id, tenant, kind, created) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (provider, id) DO UPDATE SET tenant = excluded.tenant, kind = excluded.kind, created = excluded.created`)
		if err != nil {
			return err
		}
		for i := range list {
			k := &list[i]
			st.BindText(1, k.Provider)
			st.BindText(2, k.ID)
			st.BindText(3, k.Tenant)
			st.BindText(4, k.Kind)
			st.BindInt64(5, millis(k.Created))
			if _, err := st.Step(); err != nil {
				return err
			}
			if err := st.Reset(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot keep whose %d objects are: %w", len(list), err)
	}
	return nil
}

// Owns tells which of provider's objects are tenant's.
func (s *Store) Owns(ctx context.Context, provider, tenant string, ids []string) (owned []bool, err error) {
	fail := func(err error) ([]bool, error) {
		return nil, fmt.Errorf("cannot look up whose the objects of provider %q are: %w", provider, err)
	}
	conn, err := s.lookups.Take(ctx)
	if err != nil {
		return fail(err)
	}
	owned, stale, err := owns(conn, provider, tenant, ids)
	s.lookups.Put(conn)
	if err != nil {
		return fail(err)
	}
	if len(stale) > 0 {
		s.noteUse(ctx, provider, tenant, stale)
	}
	return owned, nil
}

// owns also returns those whose use has not been noted for a while.
func owns(conn *sqlite.Conn, provider, tenant string, ids []string) (owned []bool, stale []string, err error) {
	st, err := conn.Prepare("SELECT max(created, used) FROM kept WHERE provider = ? AND id = ? AND tenant = ?")
	if err != nil {
		return nil, nil, err
	}
	owned = make([]bool, len(ids))
	long := millis(time.Now().Add(-store.KeptNoted))
	st.BindText(1, provider)
	st.BindText(3, tenant)
	for i, id := range ids {
		st.BindText(2, id)
		if owned[i], err = st.Step(); owned[i] && st.ColumnInt64(0) < long {
			stale = append(stale, id)
		}
		if err == nil {
			err = st.Reset()
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return owned, stale, nil
}

// noteUse notes that objects are in use. Where it cannot, no request fails: the
// next one notes it.
func (s *Store) noteUse(ctx context.Context, provider, tenant string, ids []string) {
	err := s.state.write(ctx, func() error {
		for _, id := range ids {
			if err := s.state.run("UPDATE kept SET used = ? WHERE provider = ? AND id = ? AND tenant = ?", millis(time.Now()), provider, id, tenant); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.log.Debug("cannot note that objects are in use", "provider", provider, "objects", len(ids), "err", err)
	}
}

// Forget ends the memory of an object that is gone, if it is the tenant's.
func (s *Store) Forget(ctx context.Context, provider, tenant, id string) error {
	err := s.state.write(ctx, func() error {
		return s.state.run("DELETE FROM kept WHERE provider = ? AND id = ? AND tenant = ?", provider, id, tenant)
	})
	if err != nil {
		return fmt.Errorf("cannot forget object %q of provider %q: %w", id, provider, err)
	}
	return nil
}
