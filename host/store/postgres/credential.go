package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/store"
)

// AddCredential keeps c, whose name its provider must not have.
func (s *Store) AddCredential(ctx context.Context, c store.Credential) error {
	err := s.change(ctx, store.TopicCredentials, func(ctx context.Context, tx pgx.Tx) error {
		return insertCredential(ctx, tx, &c)
	})
	if taken(err) {
		err = store.ErrCredentialExists
	}
	if err != nil {
		return fmt.Errorf("cannot keep credential %q of provider %q: %w", c.Name, c.Provider, err)
	}
	return nil
}

func insertCredential(ctx context.Context, tx pgx.Tx, c *store.Credential) error {
	_, err := tx.Exec(ctx, "INSERT INTO credential (provider, name, sealed, weight, created, retires) VALUES ($1, $2, $3, $4, $5, $6)",
		c.Provider, c.Name, c.Sealed, c.Weight, millis(c.Created), millis(c.Retires))
	return err
}

// RotateCredential puts c in the place of the credential of its name. That
// one lives on as old, which tells its new name, seal and end.
func (s *Store) RotateCredential(ctx context.Context, c, old store.Credential) error {
	err := s.change(ctx, store.TopicCredentials, func(ctx context.Context, tx pgx.Tx) error {
		if err := deleteCredential(ctx, tx, c.Provider, c.Name); err != nil {
			return err
		}
		if err := insertCredential(ctx, tx, &old); err != nil {
			return err
		}
		return insertCredential(ctx, tx, &c)
	})
	if err != nil {
		return fmt.Errorf("cannot rotate credential %q of provider %q: %w", c.Name, c.Provider, err)
	}
	return nil
}

// RemoveCredential forgets a credential.
func (s *Store) RemoveCredential(ctx context.Context, provider, name string) error {
	err := s.change(ctx, store.TopicCredentials, func(ctx context.Context, tx pgx.Tx) error {
		return deleteCredential(ctx, tx, provider, name)
	})
	if err != nil {
		return fmt.Errorf("cannot remove credential %q of provider %q: %w", name, provider, err)
	}
	return nil
}

func deleteCredential(ctx context.Context, tx pgx.Tx, provider, name string) error {
	tag, err := tx.Exec(ctx, "DELETE FROM credential WHERE provider = $1 AND name = $2", provider, name)
	if err == nil && tag.RowsAffected() == 0 {
		err = store.ErrCredentialUnknown
	}
	return err
}

// Credentials returns the credentials that are good at now, and forgets the others.
func (s *Store) Credentials(ctx context.Context, now time.Time) (creds []store.Credential, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM credential WHERE retires > 0 AND retires <= $1", millis(now)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT provider, name, sealed, weight, created, retires FROM credential ORDER BY provider, created, name")
		if err != nil {
			return err
		}
		creds, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c store.Credential, err error) {
			var created, retires int64
			err = row.Scan(&c.Provider, &c.Name, &c.Sealed, &c.Weight, &created, &retires)
			c.Created, c.Retires = moment(created), moment(retires)
			return c, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list credentials: %w", err)
	}
	return creds, nil
}

// ResealCredential implements store.Credentials.
func (s *Store) ResealCredential(ctx context.Context, c store.Credential, old []byte) error {
	err := s.change(ctx, store.TopicCredentials, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE credential SET sealed = $1 WHERE provider = $2 AND name = $3 AND sealed = $4", c.Sealed, c.Provider, c.Name, old)
		if err == nil && tag.RowsAffected() == 0 {
			err = store.ErrCredentialUnknown
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot seal credential %q of provider %q anew: %w", c.Name, c.Provider, err)
	}
	return nil
}
