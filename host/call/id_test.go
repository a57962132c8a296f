package call

import (
	"testing"
	"time"
)

// TestIDsOfNodesNeverMeet asks for more ids at one moment than a millisecond
// has: the clock stands still, or is set back.
func TestIDsOfNodesNeverMeet(t *testing.T) {
	now := time.UnixMilli(idEpoch + 5)
	seen := map[ID]int{}
	for _, node := range []int{0, 1, 2, 1023} {
		s := NewIDs(node, 0)
		last := ID(0)
		for i := range 3*4096 + 10 {
			id := s.Next(now.Add(-time.Duration(i/5000) * time.Millisecond))
			if id <= last {
				t.Fatalf("node %d: %d after %d", node, id, last)
			}
			if got := int(id >> 12 & 1023); got != node {
				t.Fatalf("node %d gives an id of node %d after %d", node, got, i)
			}
			if other, ok := seen[id]; ok {
				t.Fatalf("nodes %d and %d both give %d", other, node, id)
			}
			seen[id], last = node, id
		}
	}
}

// TestIDsFollow starts above ids that another number, or another node, has given.
func TestIDsFollow(t *testing.T) {
	f := func(node int, after, want ID) {
		t.Helper()
		if got := NewIDs(node, after).Next(time.UnixMilli(idEpoch)); got != want {
			t.Errorf("node %d gives %#x after %#x; want %#x", node, got, after, want)
		}
	}
	f(3, 0, 3<<12)
	f(3, 7<<22|3<<12, 7<<22|3<<12|1)
	f(3, 7<<22|3<<12|4095, 8<<22|3<<12)
	f(3, 7<<22|2<<12|9, 7<<22|3<<12)
	f(3, 7<<22|4<<12, 8<<22|3<<12)
	f(0, 7<<22|4095, 8<<22)
	f(1023, 7<<22|1023<<12|4095, 8<<22|1023<<12)
}
