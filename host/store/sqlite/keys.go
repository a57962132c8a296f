package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/store"
)

// CreateKey adds k, whose id and name no live key may have.
func (s *Store) CreateKey(ctx context.Context, k store.Key) error {
	if k.KeyID == "" || k.KeyName == "" || len(k.MAC) == 0 {
		return fmt.Errorf("cannot create key %q: its id, name and mac must be set", k.KeyName)
	}
	texts, err := k.Texts()
	if err != nil {
		return fmt.Errorf("cannot create key %q: %w", k.KeyName, err)
	}
	err = s.state.write(ctx, func() error {
		return s.state.run("INSERT INTO key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, 0)",
			k.KeyID, k.KeyName, k.MAC, k.Org, k.Project, k.Team, k.User, k.Env, texts[0], texts[1], texts[2],
			millis(k.Created), millis(k.Expires), texts[3], notNull(k.Previous), millis(k.Until), millis(k.Rotated))
	})
	if code := sqlite.ErrCode(err); code.ToPrimary() == sqlite.ResultConstraint {
		err = store.ErrKeyExists
	}
	if err != nil {
		return fmt.Errorf("cannot create key %q: %w", k.KeyName, err)
	}
	s.changed(store.TopicKeys)
	return nil
}

// ChangeKey implements store.Keys.
func (s *Store) ChangeKey(ctx context.Context, idOrName string, change func(*store.Key) error) (k store.Key, err error) {
	err = s.state.write(ctx, func() error {
		const live = " WHERE revoked = 0 AND (id = ?1 OR name = ?1) ORDER BY id != ?1 LIMIT 1"
		found := false
		err := sqlitex.ExecuteTransient(s.state.conn, selectKeys+live, &sqlitex.ExecOptions{Args: []any{idOrName}, ResultFunc: func(st *sqlite.Stmt) error {
			found = true
			k = readKey(st)
			return k.Damaged
		}})
		if err != nil {
			return err
		}
		if !found {
			return store.ErrKeyUnknown
		}
		id, name, created, used := k.KeyID, k.KeyName, k.Created, k.Used
		if err := change(&k); err != nil {
			return err
		}
		k.KeyID, k.KeyName, k.Created, k.Used = id, name, created, used
		return s.replaceKey(&k)
	})
	if err != nil {
		return k, fmt.Errorf("cannot change key %q: %w", idOrName, err)
	}
	s.changed(store.TopicKeys)
	return k, nil
}

func (s *Store) replaceKey(k *store.Key) error {
	texts, err := k.Texts()
	if err != nil {
		return err
	}
	return s.state.run(`UPDATE key SET mac = ?2, org = ?3, project = ?4, team = ?5, user = ?6, env = ?7, roles = ?8, attrs = ?9, budgets = ?10,
		expires = ?11, revoked = ?12, scope = ?13, previous = ?14, until = ?15, rotated = ?16 WHERE id = ?1`,
		k.KeyID, k.MAC, k.Org, k.Project, k.Team, k.User, k.Env, texts[0], texts[1], texts[2],
		millis(k.Expires), millis(k.Revoked), texts[3], notNull(k.Previous), millis(k.Until), millis(k.Rotated))
}

// UseKeys implements store.Keys.
func (s *Store) UseKeys(ctx context.Context, last map[string]time.Time) error {
	err := s.state.write(ctx, func() error {
		for id, at := range last {
			if err := s.state.run("UPDATE key SET used = max(used, ?2) WHERE id = ?1", id, millis(at)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot note the use of keys: %w", err)
	}
	return nil
}

// RevokeKey ends the live key that has the given id or name.
func (s *Store) RevokeKey(ctx context.Context, idOrName string, now time.Time) error {
	err := s.state.write(ctx, func() error {
		err := s.state.run("UPDATE key SET revoked = ?1 WHERE revoked = 0 AND (id = ?2 OR (name = ?2 AND NOT EXISTS (SELECT 1 FROM key WHERE id = ?2 AND revoked = 0)))",
			max(millis(now), 1), idOrName)
		if err == nil && s.state.conn.Changes() == 0 {
			err = store.ErrKeyUnknown
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot revoke key %q: %w", idOrName, err)
	}
	s.changed(store.TopicKeys)
	return nil
}

// Keys returns all keys, the revoked ones too, oldest first.
func (s *Store) Keys(ctx context.Context) ([]store.Key, error) {
	var keys []store.Key
	err := s.state.write(ctx, func() error {
		return sqlitex.ExecuteTransient(s.state.conn, selectKeys+" ORDER BY created, id",
			&sqlitex.ExecOptions{ResultFunc: func(st *sqlite.Stmt) error {
				keys = append(keys, readKey(st))
				return nil
			}})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list keys: %w", err)
	}
	return keys, nil
}

const selectKeys = `SELECT id, name, mac, org, project, team, user, env, roles, attrs, budgets, scope,
	created, expires, revoked, previous, until, rotated, used FROM key`

func readKey(st *sqlite.Stmt) (k store.Key) {
	text := st.ColumnText
	k.KeyID, k.KeyName = text(0), text(1)
	k.MAC, k.Previous = blob(st, 2), blob(st, 15)
	k.Org, k.Project, k.Team, k.User, k.Env = text(3), text(4), text(5), text(6), text(7)
	k.SetTexts([4]string{text(8), text(9), text(10), text(11)})
	for i, at := range [...]*time.Time{&k.Created, &k.Expires, &k.Revoked} {
		*at = moment(st.ColumnInt64(12 + i))
	}
	for i, at := range [...]*time.Time{&k.Until, &k.Rotated, &k.Used} {
		*at = moment(st.ColumnInt64(16 + i))
	}
	return k
}

// millis is t as it is stored, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
