package main

import (
	"strings"
	"testing"
	"time"
)

func TestPrintNodes(t *testing.T) {
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	var b strings.Builder
	err := printNodes(&b, []nodeRow{
		{Name: "one", ID: "A", Version: "1.2", Seen: now, Started: now, Self: true},
		{Name: "two", ID: "B", Number: 1, Seen: now.Add(-time.Second), Started: now},
		{Name: "three", ID: "C", Number: 2, Seen: now.Add(-time.Hour), Started: now},
		{Name: "four", ID: "D", Number: -1, Seen: now, Started: now, Fenced: now},
	})
	want := `NUMBER  NAME   ID  VERSION  STARTED              SEEN                 STATE
0       one    A   1.2      2026-05-20 12:00:00  2026-05-20 12:00:00  answers
1       two    B            2026-05-20 12:00:00  2026-05-20 11:59:59  lives
2       three  C            2026-05-20 12:00:00  2026-05-20 11:00:00  silent
-       four   D            2026-05-20 12:00:00  2026-05-20 12:00:00  fenced
`
	if err != nil || b.String() != want {
		t.Errorf("got\n%s%v; want\n%s", b.String(), err, want)
	}
}
