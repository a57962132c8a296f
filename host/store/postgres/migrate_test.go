package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// schemas are the migrations of programs: the first n of those given.
func schemas(n int, scripts ...string) fs.FS {
	files := fstest.MapFS{}
	for i, text := range scripts[:n] {
		files[fmt.Sprintf("migrations/%04d_x.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func bare(t *testing.T, url string) *db {
	t.Helper()
	d, err := openDB(t.Context(), url, Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.pool.Close)
	return d
}

// TestTwoVersionsAtOnce has programs of three versions meet at one database: an
// expanded one serves the program before it, a contracted one refuses it.
func TestTwoVersionsAtOnce(t *testing.T) {
	scripts := []string{
		"-- runs with: 1\nCREATE TABLE thing (id integer PRIMARY KEY)",
		"-- runs with: 1\nALTER TABLE thing ADD COLUMN name text NOT NULL DEFAULT ''",
		"-- runs with: 2\nALTER TABLE thing ALTER COLUMN name DROP DEFAULT",
	}
	d := bare(t, pgtest.New(t))
	migrate := func(n int) error { return d.migrate(t.Context(), schemas(n, scripts...)) }
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = migrate(1 + i%2) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("the program of version %d cannot start beside the others: %v", 1+i%2, err)
		}
	}
	// The older program goes on with what the newer one has expanded.
	for _, q := range []string{"INSERT INTO thing (id) VALUES (1)", "INSERT INTO thing (id, name) VALUES (2, 'x')"} {
		if err := d.exec(t.Context(), q); err != nil {
			t.Error(err)
		}
	}
	if err := migrate(3); err != nil {
		t.Fatal(err)
	}
	if err := migrate(2); err != nil {
		t.Errorf("version 2 is refused where it may run: %v", err)
	}
	if err := migrate(1); err == nil || !strings.Contains(err.Error(), "version 3 needs a program of version 2 or later, and this one's is 1") {
		t.Errorf("version 1 got %v", err)
	}
	applied, err := list(t.Context(), d, "SELECT version FROM schema_version ORDER BY version", nil, pgx.RowTo[int])
	if err != nil || fmt.Sprint(applied) != "[1 2 3]" {
		t.Errorf("applied %v, %v", applied, err)
	}
}

// TestMigrationIsWhole has a migration fail in its middle: nothing of it stays.
func TestMigrationIsWhole(t *testing.T) {
	scripts := []string{"-- runs with: 1\nCREATE TABLE a (id integer)", "-- runs with: 1\nCREATE TABLE b (id integer); SELECT 1/0"}
	d := bare(t, pgtest.New(t))
	if err := d.migrate(t.Context(), schemas(2, scripts...)); err == nil || !strings.Contains(err.Error(), "0002_x.sql: ERROR: division by zero") {
		t.Errorf("got %v", err)
	}
	tables, err := list(t.Context(), d, "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1", nil, pgx.RowTo[string])
	if err != nil || fmt.Sprint(tables) != "[a schema_version]" {
		t.Errorf("tables are %v, %v", tables, err)
	}
	scripts[1] = "-- runs with: 1\nCREATE TABLE b (id integer)"
	if err := d.migrate(t.Context(), schemas(2, scripts...)); err != nil {
		t.Errorf("the mended migration: %v", err)
	}
}

func TestMigrationsAreWellFormed(t *testing.T) {
	list, err := readMigrations(migrations)
	if err != nil || len(list) == 0 {
		t.Fatalf("%d migrations, %v", len(list), err)
	}
	f := func(script string) {
		t.Helper()
		if _, err := readMigrations(schemas(1, script)); err == nil {
			t.Errorf("%q was taken", script)
		}
	}
	f("CREATE TABLE a (id integer)")
	f("\n-- runs with: 1\n")
	f("-- runs with: \n")
}

// TestOpenersAtOnce has many nodes open an empty database: one makes the
// tables, each gets a number of its own.
func TestOpenersAtOnce(t *testing.T) {
	url := pgtest.New(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	numbers := map[int]bool{}
	for i := range 6 {
		wg.Go(func() {
			o := Options{Conns: 2}
			o.Node.ID = fmt.Sprint("node", i)
			s, err := Open(context.Background(), url, o)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			numbers[s.Node().Number] = true
			mu.Unlock()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(numbers) != 6 {
		t.Errorf("6 nodes have the numbers %v", numbers)
	}
}
