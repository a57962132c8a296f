package report

import "github.com/signalbox-ai/signalbox/host/call"

// Tally groups and sums up the rows of a loose question.
type Tally struct {
	groups map[string]*call.UsageRow
	order  []*call.UsageRow
	key    []byte // of the row in hand: each value behind its length
}

// Row is what one row of the answer adds to; value appends the nth of the values
// that it is grouped by.
func (t *Tally) Row(values int, value func(n int, to []byte) []byte) *call.UsageRow {
	t.key = t.key[:0]
	for i := range values {
		at := len(t.key)
		t.key = value(i, append(t.key, 0, 0))
		n := len(t.key) - at - 2
		t.key[at], t.key[at+1] = byte(n), byte(n>>8)
	}
	if r := t.groups[string(t.key)]; r != nil {
		return r
	}
	r := &call.UsageRow{Keys: make([]string, values)}
	for i, rest := 0, t.key; i < values; i++ {
		n := int(rest[0]) | int(rest[1])<<8
		r.Keys[i], rest = string(rest[2:2+n]), rest[2+n:]
	}
	if t.groups == nil {
		t.groups = map[string]*call.UsageRow{}
	}
	t.groups[string(t.key)] = r
	t.order = append(t.order, r)
	return r
}

// Full reports whether there are more groups than an answer may have.
func (t *Tally) Full() bool { return len(t.order) > MaxGroups }

// Rows are the groups.
func (t *Tally) Rows() []call.UsageRow {
	var rows []call.UsageRow
	for _, r := range t.order {
		rows = append(rows, *r)
	}
	return rows
}
