//go:build !race

package ledger

import "testing"

func TestAppendDoesNotAllocate(t *testing.T) {
	opts := quiet
	opts.Segment = 4 << 20
	l := open(t, t.TempDir(), newMemSink(), opts)
	r := row(5)
	l.prepare()
	if n := testing.AllocsPerRun(1000, func() {
		if err := l.Append(&r); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Append makes %v allocations; want 0", n)
	}
	bad := stranger(1)
	if n := testing.AllocsPerRun(1000, func() {
		if err := l.AppendStranger(&bad); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("AppendStranger makes %v allocations; want 0", n)
	}
}
