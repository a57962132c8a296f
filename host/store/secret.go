package store

import (
	"context"
	"crypto/rand"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Secret returns the n random bytes kept under name, such as the pepper of
// keys. created says that this call made them.
func (s *Store) Secret(ctx context.Context, name string, n int) (value []byte, created bool, err error) {
	err = s.state.write(ctx, func() error {
		fresh := make([]byte, n)
		rand.Read(fresh)
		if err := s.state.run("INSERT INTO secret VALUES (?, ?) ON CONFLICT DO NOTHING", name, fresh); err != nil {
			return err
		}
		created = s.state.conn.Changes() > 0
		return sqlitex.ExecuteTransient(s.state.conn, "SELECT value FROM secret WHERE name = ?", &sqlitex.ExecOptions{
			Args: []any{name},
			ResultFunc: func(st *sqlite.Stmt) error {
				value = make([]byte, st.ColumnLen(0))
				st.ColumnBytes(0, value)
				return nil
			},
		})
	})
	if err != nil {
		return nil, false, fmt.Errorf("cannot read secret %q: %w", name, err)
	}
	return value, created, nil
}
