package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Version reads how far a database's tables are (0: there are none yet), which
// version of a program may run with them at least, and which this one's is.
func Version(ctx context.Context, conn *pgx.Conn) (is, needs, known int, err error) {
	list, err := readMigrations(migrations)
	if err != nil {
		return 0, 0, 0, err
	}
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('schema_version') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, 0, len(list), err
	}
	err = conn.QueryRow(ctx, "SELECT coalesce(max(version), 0), coalesce(max(runs_with), 0) FROM schema_version").Scan(&is, &needs)
	return is, needs, len(list), err
}
