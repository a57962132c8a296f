package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/store"
)

// AddCredential keeps c, whose name its provider must not have.
func (s *Store) AddCredential(ctx context.Context, c store.Credential) error {
	err := s.state.write(ctx, func() error { return s.insertCredential(&c) })
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultConstraint {
		err = store.ErrCredentialExists
	}
	if err != nil {
		return fmt.Errorf("cannot keep credential %q of provider %q: %w", c.Name, c.Provider, err)
	}
	s.changed(store.TopicCredentials)
	return nil
}

func (s *Store) insertCredential(c *store.Credential) error {
	return s.state.run("INSERT INTO credential VALUES (?, ?, ?, ?, ?, ?)", c.Provider, c.Name, c.Sealed, c.Weight, millis(c.Created), millis(c.Retires))
}

// RotateCredential puts c in the place of the credential of its name. That
// one lives on as old, which tells its new name, seal and end.
func (s *Store) RotateCredential(ctx context.Context, c, old store.Credential) error {
	err := s.state.write(ctx, func() error {
		if err := s.state.run("DELETE FROM credential WHERE provider = ? AND name = ?", c.Provider, c.Name); err != nil {
			return err
		}
		if s.state.conn.Changes() == 0 {
			return store.ErrCredentialUnknown
		}
		if err := s.insertCredential(&old); err != nil {
			return err
		}
		return s.insertCredential(&c)
	})
	if err != nil {
		return fmt.Errorf("cannot rotate credential %q of provider %q: %w", c.Name, c.Provider, err)
	}
	s.changed(store.TopicCredentials)
	return nil
}

// RemoveCredential forgets a credential.
func (s *Store) RemoveCredential(ctx context.Context, provider, name string) error {
	err := s.state.write(ctx, func() error {
		err := s.state.run("DELETE FROM credential WHERE provider = ? AND name = ?", provider, name)
		if err == nil && s.state.conn.Changes() == 0 {
			err = store.ErrCredentialUnknown
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot remove credential %q of provider %q: %w", name, provider, err)
	}
	s.changed(store.TopicCredentials)
	return nil
}

// Credentials returns the credentials that are good at now, and forgets the others.
func (s *Store) Credentials(ctx context.Context, now time.Time) (list []store.Credential, err error) {
	err = s.state.write(ctx, func() error {
		if err := s.state.run("DELETE FROM credential WHERE retires > 0 AND retires <= ?", millis(now)); err != nil {
			return err
		}
		return sqlitex.ExecuteTransient(s.state.conn, "SELECT provider, name, sealed, weight, created, retires FROM credential ORDER BY provider, created, name",
			&sqlitex.ExecOptions{ResultFunc: func(st *sqlite.Stmt) error {
				c := store.Credential{Provider: st.ColumnText(0), Name: st.ColumnText(1), Sealed: make([]byte, st.ColumnLen(2)), Weight: st.ColumnInt(3),
					Created: moment(st.ColumnInt64(4)), Retires: moment(st.ColumnInt64(5))}
				st.ColumnBytes(2, c.Sealed)
				list = append(list, c)
				return nil
			}})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list credentials: %w", err)
	}
	return list, nil
}

// ResealCredential implements store.Credentials.
func (s *Store) ResealCredential(ctx context.Context, c store.Credential, old []byte) error {
	err := s.state.write(ctx, func() error {
		err := s.state.run("UPDATE credential SET sealed = ? WHERE provider = ? AND name = ? AND sealed = ?", c.Sealed, c.Provider, c.Name, old)
		if err == nil && s.state.conn.Changes() == 0 {
			err = store.ErrCredentialUnknown
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot seal credential %q of provider %q anew: %w", c.Name, c.Provider, err)
	}
	return nil
}
