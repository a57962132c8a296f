package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// migrations bring the database from one version to the next, in the order of
// their names, and never back. The first line of each says the lowest version
// of a program that may go on running with it ("-- runs with: 1"): a change
// first expands the tables, so that the program before it still works, and
// contracts them once that one is gone.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock under which versions change: "sbox".
const migrationLock = 0x73626f78

var runsWith = regexp.MustCompile(`^-- runs with: (\d+)\n`)

type migration struct {
	version, runsWith int
	name, script      string
}

func readMigrations(from fs.FS) ([]migration, error) {
	names, err := fs.Glob(from, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var list []migration
	for i, name := range names {
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, err
		}
		m := migration{version: i + 1, name: name[len("migrations/"):], script: string(text)}
		first := runsWith.FindStringSubmatch(m.script)
		if first == nil || m.name[:5] != fmt.Sprintf("%04d_", m.version) {
			return nil, fmt.Errorf("BUG: migration %s; want number %04d and a first line \"-- runs with: n\"", m.name, m.version)
		}
		m.runsWith, _ = strconv.Atoi(first[1]) // digits
		list = append(list, m)
	}
	return list, nil
}

// migrate brings the database to this program's version, each step in a
// transaction of its own. Of several programs that start at once, one does it.
func (d *db) migrate(ctx context.Context, from fs.FS) error {
	list, err := readMigrations(from)
	if err != nil {
		return err
	}
	for done := false; !done; {
		err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) (err error) {
			done, err = step(ctx, tx, list)
			return err
		})
		if err != nil {
			return fmt.Errorf("cannot upgrade the database: %w", err)
		}
	}
	return nil
}

const versionTable = `CREATE TABLE IF NOT EXISTS schema_version (
	version   integer PRIMARY KEY,
	name      text NOT NULL,
	runs_with integer NOT NULL, -- the lowest version of a program that may run with it
	applied   timestamptz NOT NULL DEFAULT now()
)`

// step takes the next migration in; done says that there was none.
func step(ctx context.Context, tx pgx.Tx, list []migration) (done bool, err error) {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, versionTable); err != nil {
		return false, err
	}
	var version, needs int
	err = tx.QueryRow(ctx, "SELECT coalesce(max(version), 0), coalesce(max(runs_with), 0) FROM schema_version").Scan(&version, &needs)
	if err != nil {
		return false, err
	}
	if version >= len(list) {
		if needs > len(list) {
			return false, fmt.Errorf("its version %d needs a program of version %d or later, and this one's is %d: run the newer program", version, needs, len(list))
		}
		return true, nil
	}
	m := list[version]
	if _, err := tx.Exec(ctx, m.script); err != nil {
		return false, fmt.Errorf("migration %s: %w", m.name, err)
	}
	_, err = tx.Exec(ctx, "INSERT INTO schema_version (version, name, runs_with) VALUES ($1, $2, $3)", m.version, m.name, m.runsWith)
	return false, err
}
