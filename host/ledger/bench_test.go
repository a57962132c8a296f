package ledger

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// nullSink takes rows and forgets them.
type nullSink struct{}

func (nullSink) Fold(context.Context, int64, []call.Record, bool) error { return nil }
func (nullSink) Folded(context.Context) (int64, call.ID, error)         { return 0, 0, nil }
func (nullSink) Cost(context.Context, call.ID) (int64, bool, error)     { return 0, false, nil }

// cpu is the process's CPU time so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend writes rows down, synced and read back for folding as in
// production; cpu-ns/row has the workers' time in it.
func BenchmarkAppend(b *testing.B) {
	l := open(b, b.TempDir(), nullSink{}, Options{})
	r := row(3)
	r.Attempts = r.Attempts[:0]
	start, n := cpu(), 0
	b.ReportAllocs()
	for b.Loop() {
		r.ID++
		if err := l.Append(&r); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := l.Fold(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((cpu()-start).Nanoseconds())/float64(n), "cpu-ns/row")
}

func BenchmarkAppendParallel(b *testing.B) {
	l := open(b, b.TempDir(), nullSink{}, Options{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := row(3)
		r.Attempts = r.Attempts[:0]
		for pb.Next() {
			if err := l.Append(&r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
