package ledger

import (
	"context"
	"runtime"
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

const rusageThread = 1 // RUSAGE_THREAD

// cpu is the CPU time of the process or thread so far.
func cpu(who int) time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend writes rows down, synced and read back for folding as in
// production: append-cpu-ns/row is the caller's part, all-cpu-ns/row has the
// workers' time in it.
func BenchmarkAppend(b *testing.B) {
	l := open(b, b.TempDir(), nullSink{}, Options{})
	r := row(3)
	r.Attempts = r.Attempts[:0]
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start, own, n := cpu(syscall.RUSAGE_SELF), cpu(rusageThread), 0
	b.ReportAllocs()
	for b.Loop() {
		r.ID++
		if err := l.Append(&r); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(cpu(rusageThread)-own)/float64(n), "append-cpu-ns/row")
	if err := l.Fold(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpu(syscall.RUSAGE_SELF)-start)/float64(n), "all-cpu-ns/row")
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

// BenchmarkStrangers counts a flood of requests without a valid key.
func BenchmarkStrangers(b *testing.B) {
	l := open(b, b.TempDir(), nullSink{}, Options{})
	r := stranger(1)
	b.ReportAllocs()
	for b.Loop() {
		r.ID++
		if err := l.AppendStranger(&r); err != nil {
			b.Fatal(err)
		}
	}
}
