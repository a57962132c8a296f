package objective

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var noon = time.Date(2026, 3, 4, 12, 0, 30, 0, time.UTC)

// kept returns a keeper with a goal of 99 % and 1 s for 90 %, in a day.
func kept() *Keeper {
	k := New()
	k.SetGoals(&Goals{Default: Goal{Availability: 0.99, Latency: time.Second, LatencyShare: 0.9, Window: 24 * time.Hour}})
	return k
}

func times(k *Keeper, n int, at time.Time, o Outcome) {
	for range n {
		k.Note(at, "a", "a/m", o)
	}
}

func TestMinutesAndDays(t *testing.T) {
	k := kept()
	good := Outcome{First: 100 * time.Millisecond, Whole: 3 * time.Second}
	times(k, 10, noon, good)
	times(k, 2, noon, Outcome{Class: wire.ClassServer})
	times(k, 3, noon, Outcome{Class: wire.ClassInvalid})
	times(k, 4, noon.Add(-10*time.Minute), Outcome{First: 2 * time.Second, Whole: 2 * time.Second})
	k.Down(noon.Add(-10*time.Minute), "a", 2500*time.Millisecond)
	times(k, 5, noon.Add(-26*time.Hour), good)

	f := func(name string, points []Point, want ...Point) {
		t.Helper()
		if len(points) != len(want) {
			t.Fatalf("%s: %d points: %+v; want %d", name, len(points), points, len(want))
		}
		for i, w := range want {
			p := points[i]
			if !p.Time.Equal(w.Time) || p.Attempts != w.Attempts || p.Failed != w.Failed || p.Slow != w.Slow || p.Down != w.Down {
				t.Errorf("%s[%d] is %+v; want %+v", name, i, p, w)
			}
		}
	}
	minute := noon.Truncate(time.Minute)
	f("minutes", k.Minutes(noon, "a", 60, 1),
		Point{Time: minute.Add(-10 * time.Minute), Attempts: 4, Slow: 4, Down: 2.5}, Point{Time: minute, Attempts: 15, Failed: 2})
	f("target", k.Minutes(noon, "a/m", 60, 1), Point{Time: minute.Add(-10 * time.Minute), Attempts: 4, Slow: 4}, Point{Time: minute, Attempts: 15, Failed: 2})
	f("quarters", k.Minutes(noon, "a", 1440, 15),
		Point{Time: minute.Add(-15 * time.Minute), Attempts: 4, Slow: 4, Down: 2.5}, Point{Time: minute, Attempts: 15, Failed: 2})
	f("the last minute", k.Minutes(noon, "a", 1, 15), Point{Time: minute, Attempts: 15, Failed: 2})
	f("days", k.Days(noon, "a"), Point{Time: minute.Add(-36 * time.Hour), Attempts: 5}, Point{Time: minute.Add(-12 * time.Hour), Attempts: 19, Failed: 2, Slow: 4, Down: 2.5})
	f("a day later", k.Minutes(noon.Add(24*time.Hour+time.Minute), "a", 1440, 1))
	f("another", k.Minutes(noon, "b", 1440, 1))
	if p := k.Minutes(noon, "a", 1, 1)[0]; p.Classes["server"] != 2 || p.Classes["invalid_request"] != 3 || p.First.P50 < 64 || p.First.P50 > 128 || p.Whole.P95 < 2048 || p.Whole.P95 > 4096 {
		t.Errorf("the last minute is %+v", p)
	}
}

func TestStandings(t *testing.T) {
	k := kept()
	near := func(what string, got, want float64) {
		t.Helper()
		if got-want > 1e-6 || want-got > 1e-6 {
			t.Errorf("%s is %v; want %v", what, got, want)
		}
	}
	st := k.Standings(noon, "a")
	if st.Availability.Actual != nil || st.Availability.Left != 1 || st.Window != "1d" {
		t.Fatalf("of one that was not asked: %+v", st.Availability)
	}
	times(k, 896, noon.Add(-20*time.Hour), Outcome{First: time.Millisecond})
	times(k, 94, noon.Add(-3*time.Hour), Outcome{First: 3 * time.Second})
	times(k, 2, noon.Add(-3*time.Hour), Outcome{Class: wire.ClassTimeout})
	times(k, 4, noon, Outcome{First: time.Second})
	times(k, 4, noon, Outcome{Class: wire.ClassRateLimit})
	st = k.Standings(noon, "a")
	near("availability", *st.Availability.Actual, 99.4)
	near("its budget", st.Availability.Left, 0.4)
	near("its hour", st.Availability.Burn1h, 50)
	near("its six hours", st.Availability.Burn6h, 6/104.0/0.01)
	near("latency", *st.Latency.Actual, 100*(1-94/994.0))
	near("its budget", st.Latency.Left, 1-94/994.0/0.1)
	near("its hour", st.Latency.Burn1h, 0)
	k.SetGoals(&Goals{By: map[string]Goal{"b": {Availability: 0.5, Window: time.Hour}}})
	if k.Standings(noon, "a") != nil {
		t.Error("there is an objective where none is set")
	}
	if st := k.Standings(noon, "b"); st.Latency != nil || st.Availability.Target != 50 || st.Window != "1h" {
		t.Errorf("of b: %+v", st)
	}
}

func TestTargetsAreBounded(t *testing.T) {
	k := New()
	for i := range 2 * maxSeries {
		k.Note(noon, "a", "a/"+string(rune('0'+i)), Outcome{})
	}
	k.Note(noon, "b", "a/0", Outcome{})
	if n := len(*k.all.Load()); n != maxSeries+1 {
		t.Errorf("%d series are kept; want %d and the provider that came later", n, maxSeries)
	}
	if n := k.Minutes(noon, "a", 1, 1)[0].Attempts; n != 2*maxSeries {
		t.Errorf("the provider has %d attempts; want all", n)
	}
}

func TestKeptOverRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "objectives")
	k := kept()
	times(k, 7, noon, Outcome{First: 2 * time.Second, Whole: 5 * time.Second})
	k.Down(noon, "a", time.Second)
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	again := kept()
	if err := again.Load(path); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.encode(), k.encode()) {
		t.Error("what was read is not what was kept")
	}
	if p := again.Days(noon, "a"); len(p) != 1 || p[0].Attempts != 7 || p[0].Slow != 7 || p[0].Down != 1 {
		t.Errorf("days: %+v", p)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x40
		if again.decode(broken) == nil {
			t.Fatalf("a file with byte %d changed is taken", i)
		}
	}
	if err := New().Load(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("no file: %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	k := kept()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 5000 {
				k.Note(noon.Add(time.Duration(n/1000)*time.Minute), "a", "a/m", Outcome{First: time.Duration(i)})
			}
		})
		all.Go(func() { k.encode(); k.Standings(noon, "a") })
	}
	all.Wait()
	var sum int64
	for _, p := range k.Days(noon.Add(time.Hour), "a") {
		sum += p.Attempts
	}
	if sum != 40000 {
		t.Errorf("%d attempts are counted; want 40000", sum)
	}
}

func FuzzDecode(f *testing.F) {
	k := kept()
	times(k, 3, noon, Outcome{})
	whole := k.encode()
	f.Add(whole[:len(whole)-4])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := New()
		if k.decode(sealed(b)) == nil {
			if err := New().decode(k.encode()); err != nil {
				t.Errorf("what was read is not read again: %v", err)
			}
		}
	})
}
