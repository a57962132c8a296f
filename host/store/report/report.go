// Package report writes the questions that are asked of the ledger in SQL, for
// the tables that all stores keep it in: request, hour, day, and what they
// share: principal, flow, outcome.
package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Dialect is how a database writes what SQL does not settle.
type Dialect struct {
	Param    func(n int) string          // the nth parameter, from 1
	Provider string                      // of f.target, what is before the slash
	Month    func(seconds string) string // of Unix seconds in local time, "2026-05"
	Unit     func(name string) string    // of r.units, a number
	Sorts    bool                        // it groups by sorting whole rows: Tally is faster
}

// Kept is from when on the ledger has what, in Unix seconds; 0: all.
type Kept struct{ Requests, Hours int64 }

// Question is a statement with its parameters.
type Question struct {
	SQL    string
	Args   []any
	Source string
	Loose  bool // its rows are not grouped yet: Tally them
	by     []dimension
	query  call.UsageQuery
}

// MaxGroups bounds the rows of an answer.
const MaxGroups = 100_000

const (
	failed  = "(o.status >= 400 OR o.class <> '')"
	refused = "(" + failed + " AND (o.class = 'policy' OR f.target = ''))"
	joins   = " LEFT JOIN principal p ON p.id = u.principal LEFT JOIN flow f ON f.id = u.flow LEFT JOIN outcome o ON o.id = u.outcome" // what is summed up is gone through once
	hour    = 3600
	day     = 24 * hour
	// epoch is the Unix second that ids of requests count from.
	epoch = 1767225600
)

// Columns are the buckets of usage as sums keep them, in order.
var Columns = strings.Join(wire.BucketNames[:], ", ")

// dimension is a value that requests can be told apart by.
type dimension struct {
	name   string
	expr   string
	time   int64 // seconds of its unit; month: -1
	single bool  // only rows of requests have it
}

// plain are those that are a column.
var plain = map[string]string{
	"key": "p.key_name", "key_id": "p.key_id", "org": "p.org", "project": "p.project", "team": "p.team", "user": `p."user"`,
	"model": "f.target", "asked": "f.asked", "origin": "f.origin", "cached": "f.cached", "op": "f.op", "dialect": "f.dialect", "route": "f.route", "policy": "f.policy",
	"stream": "CASE f.stream WHEN 0 THEN 'false' ELSE 'true' END",
	"status": "o.status", "class": "o.class", "code": "o.code", "provenance": "o.provenance",
	"result": "CASE WHEN " + refused + " THEN 'refused' WHEN " + failed + " THEN 'failed' ELSE 'ok' END",
}

type builder struct {
	d    *Dialect
	args []any
	from int64 // Unix seconds
	to   int64
	ids  [2]call.ID // from and to, to the millisecond
	zone *time.Location
}

func (b *builder) param(v any) string {
	b.args = append(b.args, v)
	return b.d.Param(len(b.args))
}

func (b *builder) dimension(name string) (dimension, error) {
	if expr, ok := plain[name]; ok {
		return dimension{name: name, expr: expr}, nil
	}
	switch name {
	case "provider":
		return dimension{name: name, expr: b.d.Provider}, nil
	case "minute":
		return dimension{name: name, expr: "u.t / 60", time: 60, single: true}, nil
	case "hour":
		return dimension{name: name, expr: "u.t / 3600", time: hour}, nil
	case "day":
		return dimension{name: name, expr: "(" + b.local() + ") / 86400", time: day}, nil
	case "week": // begins on Monday; day 0 was a Thursday
		d := "((" + b.local() + ") / 86400)"
		return dimension{name: name, expr: d + " - (" + d + " + 3) % 7", time: 7 * day}, nil
	case "month":
		return dimension{name: name, expr: b.d.Month(b.local()), time: -1}, nil
	case "address":
		return dimension{name: name, expr: "coalesce(u.address, '')", single: true}, nil
	}
	return dimension{}, fmt.Errorf("unknown dimension %q: give some of %s", name, strings.Join(call.Dimensions, ", "))
}

// local is u.t in the query's zone: its offsets from UTC are written out.
func (b *builder) local() string {
	var when strings.Builder
	at := b.first()
	for {
		_, offset := at.Zone()
		_, end := at.ZoneBounds()
		if end.IsZero() || end.Unix() >= b.to {
			if when.Len() == 0 {
				return fmt.Sprintf("u.t + (%d)", offset)
			}
			return fmt.Sprintf("u.t + CASE%s ELSE %d END", when.String(), offset)
		}
		fmt.Fprintf(&when, " WHEN u.t < %d THEN %d", end.Unix(), offset)
		at = end
	}
}

// first is when the query begins, not before there were ids: what a clock that
// was years slow has dated has the offset of then.
func (b *builder) first() time.Time { return time.Unix(max(b.from, epoch), 0).In(b.zone) }

// whole reports whether all offsets of the zone, in the query's time, are whole hours.
func (b *builder) whole() bool {
	for at := b.first(); ; {
		if _, offset := at.Zone(); offset%hour != 0 {
			return false
		}
		_, end := at.ZoneBounds()
		if end.IsZero() || end.Unix() >= b.to {
			return true
		}
		at = end
	}
}

func newBuilder(d *Dialect, from, to time.Time, zone *time.Location) *builder {
	b := &builder{d: d, from: 0, to: time.Now().Unix() + 400*day, zone: zone}
	if b.zone == nil {
		b.zone = time.UTC
	}
	if !from.IsZero() {
		b.from = max(from.Unix(), 0)
	}
	if !to.IsZero() {
		b.to = to.Unix()
	}
	b.ids = [2]call.ID{call.FirstID(time.Unix(b.from, 0)), call.FirstID(time.Unix(b.to, 0))}
	if from.Unix() == b.from {
		b.ids[0] = call.FirstID(from)
	}
	if !to.IsZero() {
		b.ids[1] = call.FirstID(to)
	}
	return b
}

// rowColumns are those of LedgerRow in the order of its Fields.
const rowColumns = "r.id, r.count, p.key_id, p.key_name, p.org, p.project, p.team, p.\"user\", f.op, f.dialect, f.asked, f.target, f.route, f.policy, f.stream, f.origin, f.cached, " +
	"o.status, o.class, o.code, o.provenance, coalesce(r.address, ''), r.duration_us, r.overhead_us, r.ttft_us, " +
	"r.input, r.cache_read, r.cache_write_5m, r.cache_write_1h, r.output, r.reasoning, r.cost, r.reserved, r.saved, r.units, r.attempts, r.parent"

// Requests writes q: columns id, count, six of the principal, nine of the
// flow, four of the outcome, the address, three times, the text buckets, cost,
// reservation, what was saved, units, attempts and parent.
func Requests(d *Dialect, q call.RequestsQuery) (*Question, error) {
	b := newBuilder(d, q.From, q.To, nil)
	var s strings.Builder
	s.WriteString("SELECT " + rowColumns + " FROM request r" + strings.ReplaceAll(joins, "u.", "r."))
	first, end := q.After+1, call.ID(1<<62)
	if !q.From.IsZero() {
		first = max(first, call.FirstID(q.From))
	}
	if !q.To.IsZero() {
		end = call.FirstID(q.To)
	}
	if q.Before != 0 {
		end = min(end, q.Before)
	}
	if q.ID != 0 {
		first, end = q.ID, q.ID+1
	}
	for _, f := range q.Where {
		dim, err := b.dimension(f.By)
		if err != nil {
			return nil, err
		}
		if dim.time != 0 {
			return nil, fmt.Errorf("cannot filter by %s: bound the time with from and to", f.By)
		}
	}
	where := strings.ReplaceAll(b.where(q.Where), "u.address", "r.address")
	if where == "" {
		where = " WHERE true"
	}
	s.WriteString(where)
	if q.Parent != 0 {
		s.WriteString(" AND r.parent = " + b.param(int64(q.Parent)))
	}
	fmt.Fprintf(&s, " AND r.id >= %s AND r.id < %s ORDER BY r.id", b.param(int64(first)), b.param(int64(end)))
	if q.Newest {
		s.WriteString(" DESC")
	}
	if q.Limit > 0 {
		fmt.Fprintf(&s, " LIMIT %d", q.Limit)
	}
	return &Question{SQL: s.String(), Args: b.args}, nil
}

// DaySums are the columns of day, of rows of hour; AddDay adds to what is there.
var DaySums, AddDay = daySums()

func daySums() (sums, add string) {
	sums = "hour / 24, principal, flow, outcome"
	add = "ON CONFLICT (day, principal, flow, outcome) DO UPDATE SET "
	for i, name := range append([]string{"requests", "cost", "saved"}, wire.BucketNames[:]...) {
		sums += ", sum(" + name + ")"
		if i > 0 {
			add += ", "
		}
		add += fmt.Sprintf("%[1]s = day.%[1]s + excluded.%[1]s", name)
	}
	return sums, add
}
