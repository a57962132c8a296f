package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Usage writes q, of what is kept.
func Usage(d *Dialect, q call.UsageQuery, kept Kept) (*Question, error) {
	b := newBuilder(d, q.From, q.To, q.Zone)
	out := &Question{query: q}
	single := fraction(q.From) || fraction(q.To)
	calendar, hours := false, b.from%day != 0 || !q.To.IsZero() && b.to%day != 0
	for _, name := range q.By {
		dim, err := b.dimension(name)
		if err != nil {
			return nil, err
		}
		out.by = append(out.by, dim)
		single = single || dim.single
		calendar = calendar || dim.time >= day || dim.time < 0
		hours = hours || dim.time == hour
	}
	for _, f := range q.Where {
		dim, err := b.dimension(f.By)
		if err != nil {
			return nil, err
		}
		if dim.time != 0 {
			return nil, fmt.Errorf("cannot filter by %s: bound the time with from and to", f.By)
		}
		single = single || dim.single
	}
	if calendar && !b.whole() {
		single = true
	}
	out.Source = "sums"
	if single {
		out.Source = "requests"
	}
	hours = hours || calendar && b.zone != time.UTC && b.zone.String() != "UTC"
	if err := b.there(kept, single, hours); err != nil {
		return nil, err
	}
	out.SQL = b.usage(out, single)
	out.Args = b.args
	return out, nil
}

func fraction(t time.Time) bool { return !t.IsZero() && (t.Unix()%hour != 0 || t.Nanosecond() != 0) }

// there refuses what would leave out what is no longer kept.
func (b *builder) there(kept Kept, single, hours bool) error {
	gone := func(what string, since int64, also string) error {
		return fmt.Errorf("%s before %s %w: ask from then on%s", what, time.Unix(since, 0).UTC().Format(time.RFC3339), call.ErrUsageGone, also)
	}
	switch {
	case single && b.from < kept.Requests:
		return gone("the single request", kept.Requests, ", or without minutes and addresses, by whole hours, in a zone of whole hours")
	case hours && !single && b.from < kept.Hours:
		return gone("the sum of an hour", kept.Hours, ", or by whole days of UTC")
	}
	return nil
}

// usage is the statement: sums of each group.
func (b *builder) usage(q *Question, single bool) string {
	var s strings.Builder
	s.WriteString("SELECT ")
	var group []string
	q.Loose = b.d.Sorts && len(q.by) > 0
	for _, dim := range q.by {
		fmt.Fprintf(&s, "CAST(%s AS text), ", dim.expr)
		group = append(group, dim.expr)
	}
	of := func(cond, what string) string { return "CASE WHEN " + cond + " THEN " + what + " ELSE 0 END" }
	figures := []string{"u.requests", of(failed, "u.requests"), of(refused, "u.requests"), "u.cost",
		of("o.provenance = 'reported'", "u.cost"), of("o.provenance = 'computed'", "u.cost"), of("o.provenance = 'estimated'", "u.cost"), "u.saved"}
	for _, name := range wire.BucketNames {
		figures = append(figures, "u."+name)
	}
	for i, f := range figures {
		if i > 0 {
			s.WriteString(", ")
		}
		if q.Loose {
			s.WriteString(f)
		} else {
			fmt.Fprintf(&s, "CAST(coalesce(sum(%s), 0) AS bigint)", f)
		}
	}
	s.WriteString(" FROM (" + b.source(single) + ") u" + joins)
	s.WriteString(b.where(q.query.Where))
	if q.Loose {
		return s.String()
	}
	if len(group) > 0 {
		s.WriteString(" GROUP BY " + strings.Join(group, ", "))
	}
	fmt.Fprintf(&s, " LIMIT %d", MaxGroups+1)
	return s.String()
}

// source is what is summed up, with t as the second that it begins at.
func (b *builder) source(single bool) string {
	if !single {
		rows := func(table string, unit int64) string {
			return fmt.Sprintf("SELECT %[1]s * %[2]d AS t, principal, flow, outcome, requests, cost, saved, %[3]s FROM %[1]s WHERE %[1]s >= %[4]d AND %[1]s < %[5]d",
				table, unit, Columns, b.from/unit, (b.to+unit-1)/unit)
		}
		return rows("hour", hour) + " UNION ALL " + rows("day", day)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "SELECT (r.id >> 22) / 1000 + %d AS t, r.principal, r.flow, r.outcome, r.count AS requests, r.cost, r.saved, r.address", epoch)
	for i, name := range wire.BucketNames {
		column := "r." + name
		if i >= TextBuckets {
			column = b.d.Unit(name)
		}
		fmt.Fprintf(&s, ", %s AS %s", column, name)
	}
	fmt.Fprintf(&s, " FROM request r WHERE r.id >= %s AND r.id < %s", b.param(int64(b.ids[0])), b.param(int64(b.ids[1])))
	return s.String()
}

// TextBuckets are the first buckets of usage, which rows of requests have
// columns of. The others are rare: rows keep what they have of them as JSON.
const TextBuckets = 6

func (b *builder) where(filters []call.UsageFilter) string {
	var conds []string
	for _, f := range filters {
		dim, err := b.dimension(f.By)
		if err != nil || len(f.Values) == 0 {
			continue
		}
		var list []string
		for _, v := range f.Values {
			list = append(list, b.param(v))
		}
		in, not := strings.Join(list, ", "), ""
		if f.Not {
			not = "NOT "
		}
		cond := fmt.Sprintf("%s(CAST(%s AS text) IN (%s))", not, dim.expr, in)
		if f.By == "key" { // by name or id
			cond = fmt.Sprintf("%s(p.key_name IN (%s) OR p.key_id IN (%s))", not, in, in)
		}
		conds = append(conds, cond)
	}
	if len(conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conds, " AND ")
}

// Label turns the values of a row, as the database gave them, into those that
// people read, and puts rows in their order.
func (q *Question) Label(rows []call.UsageRow) error {
	if len(rows) > MaxGroups {
		return fmt.Errorf("%w, more than %d: ask by fewer dimensions or for less time", call.ErrUsageGroups, MaxGroups)
	}
	slices.SortFunc(rows, func(a, b call.UsageRow) int { return slices.CompareFunc(a.Keys, b.Keys, compare) })
	zone := q.query.Zone
	if zone == nil {
		zone = time.UTC
	}
	for i, dim := range q.by {
		if dim.time <= 0 {
			continue
		}
		for _, r := range rows {
			r.Keys[i] = dim.label(r.Keys[i], zone)
		}
	}
	return nil
}

// compare orders numbers before texts, each in its own order.
func compare(a, b string) int {
	if len(a) != len(b) && number(a) && number(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func number(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

func (d *dimension) label(text string, zone *time.Location) string {
	var n int64
	for _, c := range []byte(text) {
		n = n*10 + int64(c-'0')
	}
	if d.time < day {
		return time.Unix(n*d.time, 0).In(zone).Format(time.RFC3339)
	}
	return time.Unix(n*day, 0).UTC().Format(time.DateOnly)
}
