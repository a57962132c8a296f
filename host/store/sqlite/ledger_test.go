package sqlite

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/storetest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestView reads the ledger as people do.
func TestView(t *testing.T) {
	s := open(t, t.TempDir())
	r := storetest.Record(call.FirstID(noon), 4)
	r.Status, r.Class, r.Code = 502, wire.ClassServer, "upstream_failed"
	r.Usage.Images, r.Usage.Cost, r.Computed = 2, 5, 4
	if err := s.Fold(t.Context(), 1, []call.Record{r}, false); err != nil {
		t.Fatal(err)
	}
	stmt, _, err := s.ledger.conn.PrepareTransient("SELECT concat_ws('|', time, count, key_name, target, status, code, units) FROM ledger")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Finalize()
	if _, err := stmt.Step(); err != nil {
		t.Fatal(err)
	}
	if got, want := stmt.ColumnText(0), `2026-05-20T12:00:00.000Z|1|service-0|openai/gpt-0|502|upstream_failed|{"images":2,"reported_cost":5,"computed_cost":4}`; got != want {
		t.Errorf("the view shows %s; want %s", got, want)
	}
}

// cpu is the process's CPU time so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFold reports the CPU time of one folded row, sums included, over a
// ledger that grows, with a durable commit for every sixteen batches.
func BenchmarkFold(b *testing.B) {
	for _, batch := range []int{200, 500, 1000, 2000, 4000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			s, ctx := open(b, b.TempDir()), context.Background()
			id, rows := call.FirstID(noon), make([]call.Record, batch)
			for i := range rows {
				rows[i] = storetest.Record(call.ID(i), 200)
			}
			n := 0
			start := cpu()
			for b.Loop() {
				for i := range rows {
					id += 1 << 15
					rows[i].ID = id
				}
				n += batch
				if err := s.Fold(ctx, int64(n), rows, n/batch%16 == 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-start).Nanoseconds())/1000/float64(n), "cpu-µs/row")
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(n), "rows")
		})
	}
}

func BenchmarkUsage(b *testing.B) { storetest.BenchUsage(b, open(b, b.TempDir())) }
