package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/storetest"
)

var noon = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

// TestThreeNodesFoldAtOnce has three nodes fold rows of the same keys, models,
// hours and days at once, all of them new to the database, while a fourth asks
// and applies retention. Nobody waits in a circle, and nothing is lost.
func TestThreeNodesFoldAtOnce(t *testing.T) {
	url := pgtest.New(t)
	const nodes, batches, size = 3, 30, 200
	var wg sync.WaitGroup
	for n := range nodes {
		s := open(t, url, fmt.Sprint("node-", n))
		wg.Go(func() {
			for b := range batches {
				rows := make([]call.Record, size)
				for i := range rows {
					at := noon.Add(time.Duration(b%5) * 7 * time.Hour)
					rows[i] = storetest.Record(call.FirstID(at)+call.ID(n<<16)+call.ID(b*size+i), 50)
					rows[i].KeyName = fmt.Sprint("key-", (i*7+n*13+b)%90) // in another order at each node
				}
				if err := s.Fold(context.Background(), int64(b+1), rows, b%8 == 7); err != nil {
					t.Error(err)
				}
			}
		})
	}
	other := open(t, url, "asks")
	stop := make(chan struct{})
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := other.Retain(context.Background(), call.Retention{Hours: noon.AddDate(0, 0, 1)}); err != nil {
				t.Error(err)
			}
			if _, err := other.Usage(context.Background(), call.UsageQuery{By: []string{"key"}}); err != nil {
				t.Error(err)
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-asked
	sum, err := other.Usage(context.Background(), call.UsageQuery{})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	err = other.Requests(context.Background(), call.RequestsQuery{}, func(r *call.LedgerRow) error {
		n += r.Count
		return nil
	})
	if want := int64(nodes * batches * size); err != nil || n != want || sum.Rows[0].Requests != want || sum.Rows[0].Cost != want*1_234_567 {
		t.Errorf("there are %d rows, sums of %d requests and %d nano-dollars, %v; want %d", n, sum.Rows[0].Requests, sum.Rows[0].Cost, err, want)
	}
}

// TestFoldsDoNotWaitForAStuckNode has a node stop in the middle of a fold.
func TestFoldsDoNotWaitForAStuckNode(t *testing.T) {
	url, ctx := pgtest.New(t), context.Background()
	a, b := open(t, url, "a"), open(t, url, "b")
	rows := func(n int) []call.Record { return []call.Record{storetest.Record(call.FirstID(noon)+call.ID(n), 1)} }
	if err := a.Fold(ctx, 1, rows(1), false); err != nil {
		t.Fatal(err)
	}
	if err := a.ready(ctx, rows(2)); err != nil {
		t.Fatal(err)
	}
	tx, err := a.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.fold(ctx, tx, 2, rows(2)); err != nil {
		t.Fatal(err)
	}
	if err := b.Fold(ctx, 1, rows(3), true); err != nil {
		t.Errorf("another node's fold: %v", err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.Fold(ctx, 2, rows(2), true); err != nil {
		t.Fatal(err)
	}
	u, err := b.Usage(ctx, call.UsageQuery{})
	if err != nil || u.Rows[0].Requests != 3 {
		t.Errorf("usage is %+v, %v; want 3 requests", u, err)
	}
}

// cpu is the process's CPU time so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverCPU is the CPU time of all the server's processes.
func serverCPU(b *testing.B, s *Store) time.Duration {
	b.Helper()
	var backend int
	if err := s.pool.QueryRow(context.Background(), "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	parent, _ := procStat(b, strconv.Itoa(backend))
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	sum := time.Duration(0)
	for _, dir := range all {
		if p, used := procStat(b, filepath.Base(dir)); p == parent || filepath.Base(dir) == strconv.Itoa(parent) {
			sum += used
		}
	}
	return sum
}

func procStat(b *testing.B, pid string) (parent int, used time.Duration) {
	b.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return -1, 0 // it has ended
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	parent, _ = strconv.Atoi(f[1])
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return parent, time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// BenchmarkFold reports the CPU time of one folded row, sums included, here and
// at the server, with a durable commit for every sixteen batches.
func BenchmarkFold(b *testing.B) {
	for _, batch := range []int{500, 2000, 4000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			s, ctx := open(b, pgtest.New(b), "bench"), context.Background()
			id, rows := call.FirstID(noon), make([]call.Record, batch)
			for i := range rows {
				rows[i] = storetest.Record(call.ID(i), 200)
			}
			n := 0
			own, server := cpu(), serverCPU(b, s)
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
			own, server = cpu()-own, serverCPU(b, s)-server
			per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(n) }
			b.ReportMetric(per(own), "client-cpu-µs/row")
			b.ReportMetric(per(server), "server-cpu-µs/row")
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(per(own+server), "cpu-µs/row")
		})
	}
}

func BenchmarkUsage(b *testing.B) { storetest.BenchUsage(b, open(b, pgtest.New(b), "bench")) }
