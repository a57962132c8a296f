package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestFailoverLosesNothing: what was committed before the primary died is there
// after it.
func TestFailoverLosesNothing(t *testing.T) {
	p := NewPair(t)
	ask := func(query string, to ...any) {
		t.Helper()
		c, err := pgx.Connect(context.Background(), p.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if len(to) == 0 {
			_, err = c.Exec(context.Background(), query)
		} else {
			err = c.QueryRow(context.Background(), query).Scan(to...)
		}
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	ask("CREATE TABLE t (n int)")
	ask("INSERT INTO t SELECT generate_series(1, 1000)")
	p.Failover()
	var n int
	ask("SELECT count(*) FROM t", &n)
	if n != 1000 {
		t.Errorf("%d rows; want 1000", n)
	}
	ask("INSERT INTO t VALUES (1001)") // it waits for no standby
}
