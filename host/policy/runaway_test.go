package policy

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nests are what can stand within itself: what comes before and after.
var nests = [][2]string{
	{"[", "]"}, {"{", "}"}, {`{"a": `, "}"}, {"[1, ", "]"}, {"abs(", ")"}, {"data.signalbox.units.base[", "]"},
	{"[y | y := ", "]"}, {"{y | y := ", "}"}, {`{"a": y | y := `, "}"}, {`$"a{`, `}"`},
}

func nest(kinds []int) string {
	var before, after string
	for _, k := range kinds {
		before, after = before+nests[k][0], nests[k][1]+after
	}
	return before + "input.time.hour" + after
}

// TestNestingIsBounded: what OPA's compiler would go through for ever is refused
// with the place and the remedy, whatever it is made of.
func TestNestingIsBounded(t *testing.T) {
	for k, with := range nests {
		deep := make([]int, 500)
		for i := range deep {
			deep[i] = k
		}
		_, err := load(files{"deep": "x := 1\n\ndeny contains {\"code\": \"a\"} if " + nest(deep) + " == 1\n"}.folder(t))
		if err == nil || !strings.Contains(err.Error(), "deep.rego:5") || !strings.Contains(err.Error(), "rules") {
			t.Errorf("%s: %v; want the place and the remedy", with[0], err)
		}
	}
	_, err := load(files{"deep": "deny contains {\"code\": \"a\"} if { " + strings.Repeat("every y in [1] { ", 50) + "y == 1" + strings.Repeat("}", 50) + " }\n"}.folder(t))
	if err == nil || !strings.Contains(err.Error(), "deep.rego:3") {
		t.Errorf("every: %v", err)
	}
}

// TestWhatIsNotRefusedCompiles: nothing within the bounds takes long.
func TestWhatIsNotRefusedCompiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := files{}
	for i := range 24 {
		kinds, closures := []int{}, 0
		for len(kinds) < maxNesting-2 {
			k := r.IntN(6)
			if closures < maxClosures && (i < 12 || r.IntN(4) == 0) { // half of them at the outside
				k = 6 + (i+r.IntN(2))%4
				closures++
			}
			kinds = append(kinds, k)
		}
		f[fmt.Sprintf("lib/n%d.rego", i)] = fmt.Sprintf("package signalbox.lib.n%d\n\nx := y if y := %s\n", i, nest(kinds))
	}
	src, err := load(f.folder(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compile(src); err != nil && strings.Contains(err.Error(), "takes more than") {
		t.Error(err)
	}
}

// TestRunawayCompilation: what does not end is refused and not waited for; when
// too many run, nothing more is begun.
func TestRunawayCompilation(t *testing.T) {
	limit := compileLimit
	compileLimit = time.Millisecond
	t.Cleanup(func() { compileLimit = limit })
	var end atomic.Bool
	spin := func() bool {
		for !end.Load() {
		}
		return true
	}
	for range maxRunaways {
		if _, err := bounded(spin); err == nil || !strings.Contains(err.Error(), "takes more than 1ms") {
			t.Errorf("%v; want a refusal", err)
		}
	}
	if _, err := bounded(func() bool { return true }); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("%v; want a refusal", err)
	}
	end.Store(true)
	for deadline := time.Now().Add(time.Minute); runaways.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a compilation that has ended counts on")
		}
	}
	compileLimit = limit
	if ok, err := bounded(func() bool { return true }); !ok || err != nil {
		t.Errorf("%v, %v once they have ended", ok, err)
	}
}

// TestRunawayBundleKeepsTheLastGood: types that double from rule to rule cannot
// be told from the text.
func TestRunawayBundleKeepsTheLastGood(t *testing.T) {
	dir := files{"good": "deny contains {\"code\": \"b\"} if input.principal.team == \"boom\"\n"}.folder(t)
	e := openWith(t, Options{Path: dir, Deadline: slack})
	limit := compileLimit
	compileLimit = 50 * time.Millisecond
	t.Cleanup(func() { compileLimit = limit })
	var rego strings.Builder
	rego.WriteString("deny contains {\"code\": \"a\"} if r18 == 1\n\nr0 := [1]\n\n")
	for i := 1; i <= 18; i++ {
		fmt.Fprintf(&rego, "r%d := [r%d, r%d]\n\n", i, i-1, i-1)
	}
	files{"doubling": rego.String()}.write(t, dir)
	was := e.Revision()
	if err := e.Reload(); err == nil || e.Revision() != was {
		t.Errorf("revision %s after %v; want the last good one, and a refusal", e.Revision(), err)
	}
	wantAllowed(t, e.Decide(sampleCall()))
	for deadline := time.Now().Add(time.Minute); runaways.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it goes on and on")
		}
	}
}

// TestThreadsThatHaveWorked: what a thread did before a compilation is not
// charged to it.
func TestThreadsThatHaveWorked(t *testing.T) {
	limit := compileLimit
	defer func() { compileLimit = limit }()
	compileLimit = 200 * time.Millisecond
	var work sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for id, end := unix.Gettid(), 2*compileLimit; threadTime(id) < end; id = unix.Gettid() {
			}
		})
	}
	work.Wait()
	for range 8 {
		if _, err := bounded(func() int { time.Sleep(50 * time.Millisecond); return 1 }); err != nil {
			t.Fatal(err)
		}
	}
}
