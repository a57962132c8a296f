package guests

import (
	"math"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// round is how long calls are timed together: short, so that among many rounds
// some are undisturbed.
const round = 300 * time.Microsecond

// Compare times a guest's work against the same natively, in rounds by turns,
// so that a busy machine slows both. It reports the fastest of each, and the
// medians of how they compare within a turn: x_native is how much longer the
// guest takes, of_native how fast it is in parts of native.
func Compare(b *testing.B, native, guest func()) {
	b.Helper()
	defer Spent()() // on one thread
	both := [2]func(){native, guest}
	calls := [2]int{callsOf(native), callsOf(guest)}
	best, ratios := [2]float64{math.Inf(1), math.Inf(1)}, []float64(nil)
	for b.Loop() {
		var took [2]float64
		for i, f := range both {
			start := threadTime()
			for range calls[i] {
				f()
			}
			took[i] = float64(threadTime()-start) / float64(calls[i])
			best[i] = min(best[i], took[i])
		}
		ratios = append(ratios, took[1]/took[0])
	}
	slices.Sort(ratios)
	x := ratios[len(ratios)/2]
	b.ReportMetric(0, "ns/op") // of two things together, it says nothing
	b.ReportMetric(best[0], "native-ns")
	b.ReportMetric(best[1], "guest-ns")
	b.ReportMetric(x, "x_native")
	b.ReportMetric(1/x, "of_native")
}

// callsOf is how many calls of f make a round, once it has warmed up.
func callsOf(f func()) int {
	for n := 1; ; n *= 2 {
		took := time.Hour
		for range 3 {
			start := threadTime()
			for range n {
				f()
			}
			took = min(took, threadTime()-start)
		}
		if n >= 1<<20 || took >= round/2 {
			return n
		}
	}
}

// Spent keeps the goroutine on its thread until what it returns is called,
// which tells the processor time since: what others do with the machine is not
// in it.
func Spent() func() time.Duration {
	runtime.LockOSThread()
	start := threadTime()
	return func() time.Duration {
		defer runtime.UnlockOSThread()
		return threadTime() - start
	}
}

func threadTime() time.Duration {
	const clock = 3 // of the thread
	var now syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&now)), 0); err != 0 {
		panic(err)
	}
	return time.Duration(now.Nano())
}
