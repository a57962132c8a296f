package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Key is a virtual key as it is kept: never the secret itself.
type Key struct {
	call.Principal
	MAC     []byte // HMAC of the secret under the pepper
	Created time.Time
	Revoked time.Time // zero: it is live
}

// The errors of keys that callers tell apart.
var (
	ErrKeyExists  = errors.New("a live key has this name or id already")
	ErrKeyUnknown = errors.New("no live key has this name or id")
)

// CreateKey adds k, whose id and name no live key may have.
func (s *Store) CreateKey(ctx context.Context, k Key) error {
	if k.KeyID == "" || k.KeyName == "" || len(k.MAC) == 0 {
		return fmt.Errorf("cannot create key %q: its id, name and mac must be set", k.KeyName)
	}
	var texts [3]string
	for i, v := range [...]any{k.Roles, k.Attrs, k.Budgets} {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("cannot create key %q: %w", k.KeyName, err)
		}
		texts[i] = string(b)
	}
	err := s.state.write(ctx, func() error {
		return s.state.run("INSERT INTO key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
			k.KeyID, k.KeyName, k.MAC, k.Org, k.Project, k.Team, k.User, k.Env, texts[0], texts[1], texts[2],
			millis(k.Created), millis(k.Expires))
	})
	if code := sqlite.ErrCode(err); code.ToPrimary() == sqlite.ResultConstraint {
		err = ErrKeyExists
	}
	if err != nil {
		return fmt.Errorf("cannot create key %q: %w", k.KeyName, err)
	}
	return nil
}

// RevokeKey ends the live key that has the given id or name.
func (s *Store) RevokeKey(ctx context.Context, idOrName string, now time.Time) error {
	err := s.state.write(ctx, func() error {
		err := s.state.run("UPDATE key SET revoked = ?1 WHERE revoked = 0 AND (id = ?2 OR (name = ?2 AND NOT EXISTS (SELECT 1 FROM key WHERE id = ?2 AND revoked = 0)))",
			max(millis(now), 1), idOrName)
		if err == nil && s.state.conn.Changes() == 0 {
			err = ErrKeyUnknown
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot revoke key %q: %w", idOrName, err)
	}
	return nil
}

// Keys returns all keys, the revoked ones too, oldest first.
func (s *Store) Keys(ctx context.Context) ([]Key, error) {
	var keys []Key
	err := s.state.write(ctx, func() error {
		return sqlitex.ExecuteTransient(s.state.conn, `SELECT id, name, mac, org, project, team, user, env,
			roles, attrs, budgets, created, expires, revoked FROM key ORDER BY created, id`,
			&sqlitex.ExecOptions{ResultFunc: func(st *sqlite.Stmt) error {
				k, err := readKey(st)
				keys = append(keys, k)
				return err
			}})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list keys: %w", err)
	}
	return keys, nil
}

func readKey(st *sqlite.Stmt) (k Key, err error) {
	text := st.ColumnText
	k.KeyID, k.KeyName = text(0), text(1)
	k.MAC = make([]byte, st.ColumnLen(2))
	st.ColumnBytes(2, k.MAC)
	k.Org, k.Project, k.Team, k.User, k.Env = text(3), text(4), text(5), text(6), text(7)
	for i, v := range [...]any{&k.Roles, &k.Attrs, &k.Budgets} {
		err = errors.Join(err, json.Unmarshal([]byte(text(8+i)), v))
	}
	k.Created, k.Expires, k.Revoked = moment(st.ColumnInt64(11)), moment(st.ColumnInt64(12)), moment(st.ColumnInt64(13))
	return k, err
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
