//go:build !race

package rule

import "testing"

func TestMatchDoesNotAllocate(t *testing.T) {
	s, c := ten(t), request()
	if n := testing.AllocsPerRun(100, func() { s.Match(c) }); n != 0 {
		t.Errorf("a match allocates %v times; want 0", n)
	}
}
