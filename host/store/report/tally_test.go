package report

import "testing"

// TestTallyTellsKeysApart: what is grouped by is each value, not how they read in a row.
func TestTallyTellsKeysApart(t *testing.T) {
	var tally Tally
	f := func(groups int, keys ...string) {
		t.Helper()
		tally.Row(len(keys), func(n int, to []byte) []byte { return append(to, keys[n]...) }).Requests++
		if len(tally.Rows()) != groups {
			t.Errorf("%q: %d groups; want %d", keys, len(tally.Rows()), groups)
		}
	}
	f(1, "a", "bc")
	f(2, "ab", "c")
	f(3, "", "abc")
	f(4, "abc", "")
	f(4, "ab", "c")
	if r := tally.Rows()[1]; r.Requests != 2 || r.Keys[0] != "ab" || r.Keys[1] != "c" {
		t.Errorf("the second group is %+v", r)
	}
}
