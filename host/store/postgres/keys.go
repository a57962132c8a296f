package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signalbox-ai/signalbox/host/store"
)

// taken reports whether err says that there is such a row already.
func taken(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// CreateKey adds k, whose id and name no live key may have.
func (s *Store) CreateKey(ctx context.Context, k store.Key) error {
	if k.KeyID == "" || k.KeyName == "" || len(k.MAC) == 0 {
		return fmt.Errorf("cannot create key %q: its id, name and mac must be set", k.KeyName)
	}
	texts, err := k.Texts()
	if err != nil {
		return fmt.Errorf("cannot create key %q: %w", k.KeyName, err)
	}
	err = s.change(ctx, store.TopicKeys, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO key (id, name, mac, org, project, team, "user", env, roles, attrs, budgets, scope,
			created, expires, revoked, previous, until, rotated, used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, $16, $17, 0)`,
			k.KeyID, k.KeyName, k.MAC, k.Org, k.Project, k.Team, k.User, k.Env, texts[0], texts[1], texts[2], texts[3],
			millis(k.Created), millis(k.Expires), notNull(k.Previous), millis(k.Until), millis(k.Rotated))
		return err
	})
	if taken(err) {
		err = store.ErrKeyExists
	}
	if err != nil {
		return fmt.Errorf("cannot create key %q: %w", k.KeyName, err)
	}
	return nil
}

// ChangeKey implements store.Keys.
func (s *Store) ChangeKey(ctx context.Context, idOrName string, change func(*store.Key) error) (k store.Key, err error) {
	err = s.change(ctx, store.TopicKeys, func(ctx context.Context, tx pgx.Tx) error {
		found, err := collect(ctx, tx, selectKeys+" WHERE revoked = 0 AND (id = $1 OR name = $1) ORDER BY id != $1 LIMIT 1 FOR UPDATE", []any{idOrName}, readKey)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return store.ErrKeyUnknown
		}
		if k = found[0]; k.Damaged != nil {
			return k.Damaged
		}
		id, name, created, used := k.KeyID, k.KeyName, k.Created, k.Used
		if err := change(&k); err != nil {
			return err
		}
		k.KeyID, k.KeyName, k.Created, k.Used = id, name, created, used
		return replaceKey(ctx, tx, &k)
	})
	if err != nil {
		return k, fmt.Errorf("cannot change key %q: %w", idOrName, err)
	}
	return k, nil
}

func replaceKey(ctx context.Context, tx pgx.Tx, k *store.Key) error {
	texts, err := k.Texts()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE key SET mac = $2, org = $3, project = $4, team = $5, "user" = $6, env = $7, roles = $8, attrs = $9, budgets = $10,
		expires = $11, revoked = $12, scope = $13, previous = $14, until = $15, rotated = $16 WHERE id = $1`,
		k.KeyID, k.MAC, k.Org, k.Project, k.Team, k.User, k.Env, texts[0], texts[1], texts[2],
		millis(k.Expires), millis(k.Revoked), texts[3], notNull(k.Previous), millis(k.Until), millis(k.Rotated))
	return err
}

// UseKeys implements store.Keys. Nodes that note the same keys at once take
// them in the same order.
func (s *Store) UseKeys(ctx context.Context, last map[string]time.Time) error {
	ids := slices.Sorted(maps.Keys(last))
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var b pgx.Batch
		for _, id := range ids {
			b.Queue("UPDATE key SET used = $2 WHERE id = $1 AND used < $2", id, millis(last[id]))
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return fmt.Errorf("cannot note the use of keys: %w", err)
	}
	return nil
}

// RevokeKey ends the live key that has the given id or name.
func (s *Store) RevokeKey(ctx context.Context, idOrName string, now time.Time) error {
	err := s.change(ctx, store.TopicKeys, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE key SET revoked = $1 WHERE revoked = 0 AND
			(id = $2 OR (name = $2 AND NOT EXISTS (SELECT 1 FROM key WHERE id = $2 AND revoked = 0)))`, max(millis(now), 1), idOrName)
		if err == nil && tag.RowsAffected() == 0 {
			err = store.ErrKeyUnknown
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot revoke key %q: %w", idOrName, err)
	}
	return nil
}

// Keys returns all keys, the revoked ones too, oldest first.
func (s *Store) Keys(ctx context.Context) ([]store.Key, error) {
	keys, err := list(ctx, s.db, selectKeys+" ORDER BY created, id", nil, readKey)
	if err != nil {
		return nil, fmt.Errorf("cannot list keys: %w", err)
	}
	return keys, nil
}

const selectKeys = `SELECT id, name, mac, org, project, team, "user", env, roles, attrs, budgets, scope,
	created, expires, revoked, previous, until, rotated, used FROM key`

func readKey(row pgx.CollectableRow) (k store.Key, err error) {
	var texts [4]string
	var times [6]int64
	err = row.Scan(&k.KeyID, &k.KeyName, &k.MAC, &k.Org, &k.Project, &k.Team, &k.User, &k.Env, &texts[0], &texts[1], &texts[2], &texts[3],
		&times[0], &times[1], &times[2], &k.Previous, &times[3], &times[4], &times[5])
	if err != nil {
		return k, err
	}
	k.SetTexts(texts)
	for i, at := range [...]*time.Time{&k.Created, &k.Expires, &k.Revoked, &k.Until, &k.Rotated, &k.Used} {
		*at = moment(times[i])
	}
	k.Previous = some(k.Previous)
	return k, nil
}
