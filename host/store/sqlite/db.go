package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// appID marks our files: "Sbox".
const appID = 0x53626f78

// db is the one writing connection of a file.
type db struct {
	mu    sync.Mutex
	conn  *sqlite.Conn
	stmts []*sqlite.Stmt
}

// openDB opens or creates the file at path and upgrades it by the migrations in folder.
func openDB(path, synchronous, folder string) (_ *db, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would make it readable by all
	if err != nil {
		return nil, err
	}
	f.Close()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	d := &db{conn: conn}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	conn.SetBusyTimeout(5 * time.Second)
	if err := d.run("PRAGMA synchronous=" + synchronous); err != nil {
		return nil, err
	}
	if err := d.migrate(folder); err != nil {
		return nil, fmt.Errorf("cannot upgrade %q: %w", path, err)
	}
	return d, nil
}

// close finalizes the prepared statements and closes the file.
func (d *db) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.stmts {
		_ = s.Finalize()
	}
	return d.conn.Close()
}

// prepare compiles query for the life of d.
func (d *db) prepare(query string) (*sqlite.Stmt, error) {
	s, _, err := d.conn.PrepareTransient(query)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare %q: %w", query, err)
	}
	d.stmts = append(d.stmts, s)
	return s, nil
}

// run executes a statement without a result, args bound in order.
func (d *db) run(query string, args ...any) error {
	return sqlitex.ExecuteTransient(d.conn, query, &sqlitex.ExecOptions{Args: args})
}

// number is the first column of the first row.
func (d *db) number(query string, args ...any) (n int64, err error) {
	err = sqlitex.ExecuteTransient(d.conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	}})
	return n, err
}

// write runs f in a transaction that it commits, or rolls back on error.
func (d *db) write(ctx context.Context, f func() error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	end, err := sqlitex.ImmediateTransaction(d.conn)
	if err != nil {
		return err
	}
	defer end(&err)
	return f()
}

// migrate brings the file to the newest version that this program knows. Its
// version is the number of migrations that it has seen.
func (d *db) migrate(folder string) error {
	names, err := fs.Glob(migrations, folder+"/*.sql") // sorted
	if err != nil {
		return err
	}
	tables, err := d.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	if id, err := d.number("PRAGMA application_id"); err != nil || (id != appID && tables > 0) {
		return fmt.Errorf("it is not a Signalbox database: application id %#x (%w)", id, err)
	}
	version, err := d.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	if version > int64(len(names)) {
		return fmt.Errorf("its version %d is newer than this program's %d: run the newer program", version, len(names))
	}
	for i := int(version); i < len(names); i++ {
		script, err := fs.ReadFile(migrations, names[i])
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s;\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;", script, appID, i+1)
		if err := sqlitex.ExecScript(d.conn, text); err != nil {
			return fmt.Errorf("migration %s: %w", names[i], err)
		}
	}
	return nil
}
