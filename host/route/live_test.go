package route

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSwapUnderLoad swaps two versions that answer different orders while
// calls run: every call gets the whole plan of one of them.
func TestSwapUnderLoad(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	versions := [][]byte{fussy(nil, nil), fussy(nil, []byte("another version")), shipped(t)}
	swap := func(i int) {
		t.Helper()
		if err := r.Load("m", "m.wasm", versions[i%len(versions)], nil); err != nil {
			t.Error(err)
		}
	}
	swap(0)
	h := r.Handle("m")
	var calls atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			c := requestFor(worker, "k", false)
			whole := [][]uint8{{0}, builtinOrder(c)}
			for {
				select {
				case <-stop:
					return
				default:
				}
				h.Plan(c)
				calls.Add(1)
				if c.Plan.Route == "builtin" || !slices.ContainsFunc(whole, func(w []uint8) bool { return slices.Equal(w, order(c)) }) {
					t.Errorf("got %v by %s", order(c), c.Plan.Route)
					return
				}
			}
		})
	}
	for i := range 60 {
		for seen := calls.Load(); calls.Load() < seen+20 && !t.Failed(); { // each version serves
			runtime.Gosched()
		}
		swap(i + 1)
	}
	close(stop)
	wg.Wait()
	if s := h.Stats(); s.Calls != calls.Load() {
		t.Errorf("%d calls counted of %d", s.Calls, calls.Load())
	}
	if err := r.Close(); err != nil { // waits for every version to drain
		t.Fatal(err)
	}
}

func TestLoadKeepsLastGood(t *testing.T) {
	r, err := New(Options{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Load("m", "m.wasm", shipped(t), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	before := r.Stats()[0].Version
	if err := r.Load("m", "m.wasm", []byte("broken"), nil); err == nil {
		t.Fatal("broken module was loaded")
	}
	if err := r.Load("m", "testdata/absent.wasm", nil, nil); err == nil {
		t.Fatal("absent file was loaded")
	}
	c := requestFor(1, "k", false)
	r.Plan("m", c)
	if c.Plan.Route != before || r.Stats()[0].Version != before {
		t.Errorf("planned by %s after a failed load; want %s", c.Plan.Route, before)
	}
	h := r.Handle("m")
	r.Drop("m")
	if h.Plan(c); c.Plan.Route != "builtin" || r.Handle("m") != nil {
		t.Errorf("planned by %s after the drop", c.Plan.Route)
	}
	r.Plan("m", c)
	r.Plan("other", c)
	if c.Plan.Route != "builtin" {
		t.Errorf("planned by %s without a module", c.Plan.Route)
	}
}

// faulty returns a router whose module "m" is version, after good.
func faulty(t *testing.T, good, version []byte) (*Router, *Handle) {
	t.Helper()
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	for _, code := range [][]byte{good, version} {
		if code == nil {
			continue
		}
		if err := r.Load("m", "m.wasm", code, nil); err != nil {
			t.Fatal(err)
		}
	}
	return r, r.Handle("m")
}

func TestQuarantine(t *testing.T) {
	bad := fussy([]any{0x00}, nil)
	ask := func(h *Handle, key string, bad bool) string {
		c := requestFor(1, key, bad)
		h.Plan(c)
		return c.Plan.Route
	}
	t.Run("goes back to the last good version", func(t *testing.T) {
		r, h := faulty(t, shipped(t), bad)
		label := h.Stats().Version
		for i := range 3 {
			ask(h, fmt.Sprint(i), true)
		}
		s := h.Stats()
		if s.Quarantined != label || s.Version == label || s.Version == "builtin" || ask(h, "0", true) != s.Version {
			t.Fatalf("got %+v; want %s replaced by the version before", s, label)
		}
		if err := r.Load("m", "m.wasm", bad, nil); err != nil || h.Stats().Version == label {
			t.Errorf("loading the same again gives %v, %+v; want the quarantine kept", err, h.Stats())
		}
		if err := r.Load("m", "m.wasm", fussy(nil, nil), nil); err != nil || h.Stats().Quarantined != "" {
			t.Errorf("loading another gives %v, %+v; want it in use", err, h.Stats())
		}
	})
	t.Run("goes back to the built-in order", func(t *testing.T) {
		_, h := faulty(t, nil, bad)
		for i := range 3 {
			ask(h, fmt.Sprint(i), true)
		}
		if s := h.Stats(); s.Version != "builtin" || ask(h, "0", false) != "builtin" {
			t.Fatalf("got %+v; want no version in use", s)
		}
	})
	t.Run("not for one caller", func(t *testing.T) {
		_, h := faulty(t, nil, bad)
		for range 100 {
			ask(h, "k", true)
		}
		if s := h.Stats(); s.Quarantined != "" || ask(h, "other", false) != s.Version {
			t.Fatalf("got %+v; want the module in use", s)
		}
	})
	t.Run("not for a rare fault", func(t *testing.T) {
		_, h := faulty(t, nil, bad)
		for i := range 400 {
			ask(h, fmt.Sprint(i), i%20 == 19)
		}
		if s := h.Stats(); s.Quarantined != "" || s.Faults["trap"] != 20 {
			t.Fatalf("got %+v; want the module in use after 20 faults", s)
		}
	})
	t.Run("not for faults far apart", func(t *testing.T) {
		_, h := faulty(t, nil, bad)
		for i := range 10 {
			c := requestFor(1, fmt.Sprint(i), true)
			c.Received = noon.Add(time.Duration(i) * time.Minute)
			h.Plan(c)
		}
		if s := h.Stats(); s.Quarantined != "" {
			t.Fatalf("got %+v; want the module in use", s)
		}
	})
}
