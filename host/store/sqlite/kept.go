package sqlite

import (
	"context"
	"fmt"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Keep remembers whose the objects are. An object that is known already is
// from now on that of its latest tenant: the provider has given its id anew.
func (s *Store) Keep(ctx context.Context, list []call.Kept) error {
	err := s.state.write(ctx, func() error {
		st, err := s.state.conn.Prepare(`INSERT INTO kept VALUES (?, ?, ?, ?, ?)
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
	defer s.lookups.Put(conn)
	st, err := conn.Prepare("SELECT 1 FROM kept WHERE provider = ? AND id = ? AND tenant = ?")
	if err != nil {
		return fail(err)
	}
	owned = make([]bool, len(ids))
	st.BindText(1, provider)
	st.BindText(3, tenant)
	for i, id := range ids {
		st.BindText(2, id)
		if owned[i], err = st.Step(); err == nil {
			err = st.Reset()
		}
		if err != nil {
			return fail(err)
		}
	}
	return owned, nil
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
