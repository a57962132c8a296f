package policy

import (
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signalbox-ai/signalbox/host/call"
)

// processCPU reports the CPU time of the whole process by operation: garbage
// collection counts, other processes do not.
func processCPU(b *testing.B) func() {
	now := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	start := now()
	return func() { b.ReportMetric(float64(now()-start)/float64(b.N), "cpu-ns/op") }
}

// ballast is what a gateway's heap is like; in an empty process the garbage
// collector would run all the time.
var ballast []byte

func openForBench(b *testing.B) *Engine {
	ballast = make([]byte, 64<<20)
	b.ReportAllocs()
	return openWith(b, Options{})
}

func BenchmarkDecideAllHit(b *testing.B) {
	e := openForBench(b)
	c := sampleCall()
	defer processCPU(b)()
	for b.Loop() {
		e.Decide(c)
	}
}

func BenchmarkDecideAllHitParallel(b *testing.B) {
	e := openForBench(b)
	b.ResetTimer() // Loop does so by itself, RunParallel does not
	defer processCPU(b)()
	b.RunParallel(func(pb *testing.PB) {
		c := sampleCall()
		for pb.Next() {
			e.Decide(c)
		}
	})
}

// BenchmarkUnitCold evaluates one unit, the input document included.
func BenchmarkUnitCold(b *testing.B) {
	e := openForBench(b)
	s := e.snap.Load()
	for _, u := range s.units {
		b.Run(u.name, func(b *testing.B) {
			b.ReportAllocs()
			c := sampleCall()
			defer processCPU(b)()
			for b.Loop() {
				r := getReader(c, &s.env)
				if _, err := u.eval(r.evaluation()); err != nil {
					b.Fatal(err)
				}
				putReader(r)
			}
		})
	}
}

func BenchmarkDecideAllCold(b *testing.B) {
	s := openForBench(b).snap.Load()
	s.whole = nil
	for _, u := range s.units {
		u.memo = nil
	}
	c := sampleCall()
	defer processCPU(b)()
	for b.Loop() {
		r := getReader(c, &s.env)
		if _, err := s.decide(r); err != nil {
			b.Fatal(err)
		}
		putReader(r)
	}
}

func BenchmarkInputDocument(b *testing.B) {
	s := openForBench(b).snap.Load()
	c := sampleCall()
	defer processCPU(b)()
	for b.Loop() {
		r := getReader(c, &s.env)
		r.document()
		putReader(r)
	}
}

// BenchmarkDecide99 makes one unit in a hundred evaluate: of the four units'
// answers to 25 requests, one is new.
func BenchmarkDecide99(b *testing.B) {
	e := openForBench(b)
	c := sampleCall()
	known, n := c.Model, 0
	defer processCPU(b)()
	for b.Loop() {
		if n++; n%25 == 0 {
			c.Model = &call.Model{Name: netip.AddrFrom4([4]byte{1, byte(n >> 16), byte(n >> 8), byte(n)}).String()}
		}
		e.Decide(c)
		c.Model = known
	}
	b.StopTimer()
	var hits, misses uint64
	for _, u := range e.Stats().Units {
		hits, misses = hits+u.Hits, misses+u.Misses
	}
	b.ReportMetric(100*float64(hits)/float64(hits+misses), "%hits")
	b.ReportMetric(float64(e.Stats().MemoBytes)/1e6, "memo-MB")
}

func BenchmarkReload(b *testing.B) {
	o := Options{}.withDefaults()
	for b.Loop() {
		src, err := load("")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := activate(src, &o); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendInput is what a decision that is kept costs its request more.
func BenchmarkAppendInput(b *testing.B) {
	e := openForBench(b)
	c := sampleCall()
	var dst []byte
	defer processCPU(b)()
	for b.Loop() {
		dst = e.AppendInput(dst[:0], c)
	}
}

// BenchmarkRunaway stops a policy that would run for minutes: the dearest counts.
func BenchmarkRunaway(b *testing.B) {
	e := openWith(b, Options{Path: files{"u": `deny contains {"code": "x"} if {
	input.principal.team == "boom"
	some a in numbers.range(1, 4000)
	some b in numbers.range(1, 4000)
	a + b == -1
}`}.folder(b)})
	c := sampleCall()
	c.Principal.Team = "boom"
	var worst time.Duration
	for b.Loop() {
		start := threadCPU(b)
		wantDenied(b, e.Decide(c), CodePolicyError)
		worst = max(worst, threadCPU(b)-start)
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "cpu-ms")
}

// threadCPU is the processor time of the calling thread, which the caller's
// goroutine keeps from now on.
func threadCPU(b *testing.B) time.Duration {
	runtime.LockOSThread()
	var u syscall.Rusage
	if err := syscall.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
