package sqlite

import (
	"context"
	"slices"
	"testing"

	"zombiezen.com/go/sqlite"
)

// TestDurableFoldSyncs looks at the connection's setting from within the
// transaction: 2 (FULL) syncs at commit, 1 (NORMAL) does not.
func TestDurableFoldSyncs(t *testing.T) {
	s, ctx := open(t, t.TempDir()), context.Background()
	var seen []int64
	err := s.ledger.conn.CreateFunction("probe", &sqlite.FunctionImpl{
		Scalar: func(sqlite.Context, []sqlite.Value) (sqlite.Value, error) {
			mode, err := s.ledger.number("PRAGMA synchronous")
			seen = append(seen, mode)
			return sqlite.Value{}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ledger.run("CREATE TEMP TRIGGER t AFTER UPDATE ON mark BEGIN SELECT probe(); END"); err != nil {
		t.Fatal(err)
	}
	for i, durable := range []bool{false, true, false} {
		if err := s.Fold(ctx, int64(i), nil, durable); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int64{1, 2, 1}; !slices.Equal(seen, want) {
		t.Errorf("folds ran with synchronous %v; want %v", seen, want)
	}
	if mode, err := s.state.number("PRAGMA synchronous"); mode != 2 || err != nil {
		t.Errorf("the bank's file has synchronous %d, %v; want 2", mode, err)
	}
}
