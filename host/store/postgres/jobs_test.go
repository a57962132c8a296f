package postgres

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// TestJobsOfTheDead: what a node had in hand that is not seen any more is given
// out anew, what one that lives has in hand is not.
func TestJobsOfTheDead(t *testing.T) {
	url := pgtest.New(t)
	a, b := open(t, url, "a"), open(t, url, "b")
	ctx := t.Context()
	jobs, err := a.Batches(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := jobs.Enqueue(ctx, []call.Step{{Batch: "batch_a", Chunk: 1}, {Batch: "batch_b", Chunk: 1}}); err != nil {
		t.Fatal(err)
	}
	f := func(want int) {
		t.Helper()
		if _, err := jobs.Orphans(ctx); err != nil {
			t.Fatal(err)
		}
		var got int
		if err := a.pool.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE state = 'available'").Scan(&got); err != nil || got != want {
			t.Errorf("%d jobs can be had, %v; want %d", got, err, want)
		}
	}
	f(2)
	run := "UPDATE river_job SET state = 'running', attempted_by = ARRAY['gone', CASE WHEN args ->> 'batch' = 'batch_a' THEN 'a' ELSE 'b' END]"
	if err := a.exec(ctx, run); err != nil {
		t.Fatal(err)
	}
	f(0)
	if err := a.exec(ctx, "UPDATE node SET seen = now_ms() - 31000 WHERE id = 'b'"); err != nil {
		t.Fatal(err)
	}
	f(1)
	if err := b.Beat(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.exec(ctx, run); err != nil {
		t.Fatal(err)
	}
	f(0)
}
