package logfile

import "testing"

// TestNothingWaits: a writer that cannot keep up costs lines, not whoever has them.
func TestNothingWaits(t *testing.T) {
	freed := 0
	q := &Queue[int]{queue: make(chan *int, 3), counts: &Counts{}, lines: Lines[int]{Free: func(*int) { freed++ }}} // nobody writes
	for range 10 {
		q.Put(new(int))
	}
	if s := q.Stats(); s.Dropped != 7 || freed != 7 || q.Waiting() != 3 {
		t.Errorf("%+v, %d given back, %d waiting; want 7 dropped, 7 and 3", s, freed, q.Waiting())
	}
}
