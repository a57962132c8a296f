package wasm

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// runaways are how many goroutines have a module that never ends among their
// calls, one in so many.
const (
	runaways = 16
	oneIn    = 500
)

// traffic has each goroutine make so many calls, with runaway ones among them
// unless bad is nil, and returns how long the good ones took, and the
// processor's time of the longest runaway one.
func traffic(b *testing.B, good, bad *Slot, calls int) (took []time.Duration, worst time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range runaways {
		wg.Go(func() {
			mine := make([]time.Duration, 0, calls)
			longest := time.Duration(0)
			for i := range calls {
				if bad != nil && (i+g)%oneIn == 0 {
					longest = max(longest, runaway(b, bad))
				}
				start := time.Now()
				if _, err := ask(good, "hello"); err != nil {
					b.Error(err)
				}
				mine = append(mine, time.Since(start))
				runtime.Gosched()
			}
			mu.Lock()
			defer mu.Unlock()
			took, worst = append(took, mine...), max(worst, longest)
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took, worst
}

// runaway makes a call that spends all its fuel, and returns its processor time.
func runaway(b *testing.B, s *Slot) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadTime()
	if _, err := ask(s, "x"); !errors.Is(err, ErrFuel) {
		b.Errorf("a runaway call ends with %v", err)
	}
	return threadTime() - start
}

func threadTime() time.Duration {
	const threadClock = 3
	var now syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&now)), 0); err != 0 {
		panic(err)
	}
	return time.Duration(now.Nano())
}

// BenchmarkRunaway has a module that never ends among the calls of sixteen
// goroutines. cpu-ms is the dearest of its calls, its next instance included;
// p99_x is by how much the others' p99 grows, the median of turns with and
// without.
func BenchmarkRunaway(b *testing.B) {
	rt := newRuntime(b)
	good, _ := load(b, rt, guest(echo, nil))
	bad, _ := load(b, rt, guest([]any{0x03, 0x40, 0x0c, 0, 0x0b, 0x42, 0}, nil))
	const calls = 2000
	var ratios []float64
	quietest, worst := time.Hour, time.Duration(0)
	for b.Loop() {
		calm, _ := traffic(b, good, nil, calls)
		busy, longest := traffic(b, good, bad, calls)
		without, with := calm[len(calm)*99/100], busy[len(busy)*99/100]
		ratios = append(ratios, float64(with)/float64(without))
		quietest, worst = min(quietest, without), max(worst, longest)
	}
	slices.Sort(ratios)
	b.ReportMetric(float64(worst.Microseconds())/1000, "cpu-ms")
	b.ReportMetric(ratios[len(ratios)/2], "p99_x")
	b.ReportMetric(float64(quietest.Nanoseconds()), "p99-ns")
}
