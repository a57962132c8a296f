package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

func TestVersion(t *testing.T) {
	url := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	f := func(is, needs int) {
		t.Helper()
		i, n, known, err := Version(t.Context(), conn)
		if err != nil || known < 6 || i != is || n != needs {
			t.Errorf("version %d, for programs of %d, known %d: %v; want %d, %d", i, n, known, err, is, needs)
		}
	}
	f(0, 0)
	list, err := readMigrations(migrations)
	if err != nil {
		t.Fatal(err)
	}
	if err := bare(t, url).migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, m := range list {
		most = max(most, m.runsWith)
	}
	f(len(list), most)
}
