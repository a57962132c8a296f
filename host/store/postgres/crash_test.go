package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/storetest"
)

const (
	childDir = "SIGNALBOX_TEST_FOLD_IN" // be the child, with its journal there
	childURL = "SIGNALBOX_TEST_FOLD_TO"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, appendFor(dir, os.Getenv(childURL)))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// answered counts the rows that have been appended, in a file that survives a kill.
func answered(dir string) (*atomic.Int64, *disk.Mapping, error) {
	m, _, err := disk.Map(filepath.Join(dir, "answered"), 4096)
	if err != nil {
		return nil, nil, err
	}
	return (*atomic.Int64)(unsafe.Pointer(&m.Data[0])), m, nil
}

// small folds without rest, in small batches.
var small = ledger.Options{Segment: 64 << 10, Batch: 50, FoldEvery: time.Millisecond, SyncEvery: 20 * time.Millisecond}

func openJournal(dir string, s *Store) (*ledger.Ledger, error) {
	opts := small
	opts.Log = slog.New(slog.DiscardHandler)
	return ledger.Open(context.Background(), filepath.Join(dir, "journal"), s, opts)
}

// crashRow is the nth row, of several days and hours.
func crashRow(n int64) call.Record {
	return storetest.Record(call.FirstID(noon.Add(time.Duration(n%5)*9*time.Hour))+call.ID(n), 20)
}

// appendFor is the child: it appends until it is killed.
func appendFor(dir, url string) error {
	count, _, err := answered(dir)
	if err != nil {
		return err
	}
	s, err := Open(context.Background(), url, Options{Node: store.Node{ID: "child", Name: "child"}})
	if err != nil {
		return err
	}
	l, err := openJournal(dir, s)
	if err != nil {
		return err
	}
	fmt.Println("appending")
	for {
		for range 20 {
			r := crashRow(count.Load() + 1)
			if err := l.Append(&r); err != nil {
				return err
			}
			count.Add(1)
		}
		time.Sleep(time.Millisecond) // about as fast as rows are folded
	}
}

// whole checks that the first n rows are there, each once, in rows and in sums.
func whole(t *testing.T, s *Store, n int64) {
	t.Helper()
	rows := map[call.ID]bool{}
	err := s.Requests(context.Background(), call.RequestsQuery{}, func(r *call.LedgerRow) error {
		rows[r.ID] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := int64(1); i <= n; i++ {
		if !rows[crashRow(i).ID] {
			t.Fatalf("row %d of %d is lost", i, n)
		}
	}
	u, err := s.Usage(context.Background(), call.UsageQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Rows[0].Requests; got != int64(len(rows)) || got > n+1 {
		t.Errorf("sums are of %d requests, %d rows are there, %d were appended", got, len(rows), n)
	}
}

// TestKilledWhileFolding kills a process that appends and folds, again and again.
func TestKilledWhileFolding(t *testing.T) {
	url, dir := pgtest.New(t), t.TempDir()
	open(t, url, "first") // makes the tables
	for range 12 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir, childURL+"="+url)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = out.Read(make([]byte, 1)) // until it appends
		kill := time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { _ = child.Process.Kill() })
		if err := child.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("the child ended by itself: %v", err)
		}
		kill.Stop()
	}
	s := open(t, url, "child")
	l, err := openJournal(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	count, m, err := answered(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if count.Load() < 200 {
		t.Errorf("only %d rows were appended", count.Load())
	}
	whole(t, s, count.Load())
}

// TestServerEndsConnectionsWhileFolding ends the connections in the middle of
// folds, as a restart or failover does.
func TestServerEndsConnectionsWhileFolding(t *testing.T) {
	url, dir, ctx := pgtest.New(t), t.TempDir(), context.Background()
	s, other := open(t, url, "child"), open(t, url, "other")
	l, err := openJournal(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	failed := 0
	for round := range 60 {
		for range 100 {
			n++
			r := crashRow(n)
			if err := l.Append(&r); err != nil {
				t.Fatal(err)
			}
		}
		ended := make(chan error, 1)
		go func() {
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) // anywhere within the fold
			_, err := other.pool.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'signalbox child' AND datname = current_database()")
			ended <- err
		}()
		if err := l.Fold(ctx); err != nil {
			failed++
		}
		if err := <-ended; err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	t.Logf("%d of 60 folds failed", failed)
	folds(t, l)
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	whole(t, s, n)
}
