package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Record is a plausible row of n keys, three models and two policies.
func Record(id call.ID, n int) call.Record {
	k := int(id) % n
	return call.Record{
		ID: id, DurationUS: 812_345, OverheadUS: 41, TTFTUS: 301_000,
		Op: wire.OpChat, Dialect: wire.OpenAIChat, Stream: k%2 == 0,
		KeyID: fmt.Sprintf("k-%06d", k), KeyName: fmt.Sprintf("service-%d", k), Org: "acme", Project: "web", Team: fmt.Sprintf("team-%d", k%8),
		Asked: "fast", Target: fmt.Sprintf("openai/gpt-%d", k%3), Status: 200,
		Usage: wire.Usage{Input: 1200, CacheRead: 300, Output: 250, Reasoning: 40},
		Cost:  1_234_567, Reserved: 9_876_543, Provenance: call.CostComputed,
		Route: "priority@0123456789ab", Policy: "2026-05-20.1",
	}
}

func records(at time.Time, from, n, keys int) (rows []call.Record) {
	for i := range n {
		rows = append(rows, Record(call.FirstID(at)+call.ID(from+i), keys))
	}
	return rows
}

func fold(t *testing.T, s store.Store, upto int64, rows []call.Record) {
	t.Helper()
	if err := s.Fold(t.Context(), upto, rows, upto%2 == 1); err != nil {
		t.Fatal(err)
	}
}

func usage(t *testing.T, s store.Store, q call.UsageQuery) call.Usage {
	t.Helper()
	u, err := s.Usage(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return u
}

// total is the one row of a query by nothing.
func total(t *testing.T, s store.Store, where ...call.UsageFilter) call.UsageRow {
	t.Helper()
	u := usage(t, s, call.UsageQuery{Where: where})
	if len(u.Rows) != 1 {
		t.Fatalf("the sum of all has %d rows", len(u.Rows))
	}
	return u.Rows[0]
}

func ledgerOnce(t *testing.T, open Opener) {
	s, ctx := open(), t.Context()
	if upto, last, err := s.Folded(ctx); upto != 0 || last != 0 || err != nil {
		t.Errorf("an empty ledger is folded up to %d, last %d, %v", upto, last, err)
	}
	first := call.FirstID(noon)
	rows := records(noon, 0, 100, 4)
	fold(t, s, 7, rows[:60])
	fold(t, s, 8, rows[:60])             // all of them again
	fold(t, s, 9, append(rows, rows...)) // some again, and two of each
	if err := s.Fold(ctx, 8, records(noon, 200, 1, 4), false); err == nil {
		t.Error("the mark went back")
	}
	upto, last, err := s.Folded(ctx)
	if err != nil || upto != 9 || last != first+99 {
		t.Errorf("folded up to %d, last id %d, %v; want 9, %d", upto, last, err, first+99)
	}
	if sum := total(t, s); sum.Requests != 100 || sum.Cost != 123_456_700 || sum.Usage.CacheRead != 30_000 || sum.Computed != sum.Cost {
		t.Errorf("usage sums up to %+v", sum)
	}
	if cost, found, err := s.Cost(ctx, first+5); cost != 1_234_567 || !found || err != nil {
		t.Errorf("cost is %d, %v, %v", cost, found, err)
	}
	if _, found, err := s.Cost(ctx, 1); found || err != nil {
		t.Errorf("an unknown row is %v, %v", found, err)
	}
	fold(t, s, 10, nil)
	closed(t, s)
	s = open()
	if upto, last, err := s.Folded(ctx); upto != 10 || last != first+99 || err != nil {
		t.Errorf("folded up to %d, last id %d, %v after opening again", upto, last, err)
	}
}

// ledgerWhole folds a batch that fails at its mark, and expects nothing of it.
func ledgerWhole(t *testing.T, open Opener) {
	s := open()
	fold(t, s, 5, records(noon, 0, 1, 1))
	next := Record(call.FirstID(noon)+1, 7)
	next.KeyName = "new"
	if err := s.Fold(t.Context(), 4, []call.Record{next}, false); err == nil {
		t.Fatal("a fold with a mark that goes back was taken")
	}
	if n := total(t, s).Requests; n != 1 {
		t.Errorf("the ledger counts %d requests; want 1", n)
	}
	fold(t, s, 6, []call.Record{next})
	if got := total(t, s, call.UsageFilter{By: "key", Values: []string{"new"}}); got.Requests != 1 {
		t.Errorf("usage is %+v; want the one row once", got)
	}
}

// full is a record that has something in each field.
func full() call.Record {
	r := Record(call.FirstID(noon)+77, 5)
	for i, v := range r.Usage.Buckets() {
		*v = int64(i + 1)
	}
	r.User, r.Code, r.Class, r.Status, r.Address, r.Count, r.Computed = "u", "upstream_failed", wire.ClassServer, 502, "2001:db8::1", 3, 99
	r.Parent, r.Origin, r.Cached, r.Saved = call.FirstID(noon)+5, "pipeline/digest/translate", call.CacheSemantic, 777
	r.Attempts = []call.Attempt{
		{Target: &call.Target{Name: "openai/gpt-0"}, Status: 500, Class: wire.ClassServer, Duration: time.Second, Cost: 5},
		{Target: &call.Target{Name: "demo/echo"}, Class: wire.ClassNetwork},
	}
	return r
}

func ledgerRows(t *testing.T, open Opener) {
	s := open()
	r := full()
	fold(t, s, 1, append(records(noon.AddDate(0, 0, 1), 0, 25, 5), r))
	list := func(q call.RequestsQuery) (rows []call.LedgerRow) {
		t.Helper()
		err := s.Requests(t.Context(), q, func(r *call.LedgerRow) error {
			rows = append(rows, *r)
			return nil
		})
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		return rows
	}
	want := call.LedgerRow{ID: r.ID, Count: 3, KeyID: r.KeyID, KeyName: r.KeyName, Org: r.Org, Project: r.Project, Team: r.Team, User: r.User,
		Op: "chat", Dialect: "openai-chat", Asked: r.Asked, Target: r.Target, Route: r.Route, Policy: r.Policy, Stream: r.Stream,
		Status: 502, Class: "server", Code: r.Code, Provenance: "computed", Address: r.Address, DurationUS: r.DurationUS, OverheadUS: r.OverheadUS, TTFTUS: r.TTFTUS,
		Usage: r.Usage, Cost: r.Cost, Computed: 99, Reserved: r.Reserved,
		Parent: r.Parent, Origin: r.Origin, Cached: "semantic", Saved: 777,
		Attempts: []byte(`[{"target":"openai/gpt-0","status":500,"class":"server","us":1000000,"cost":5},{"target":"demo/echo","class":"network","us":0}]`)}
	if got := list(call.RequestsQuery{ID: r.ID}); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("the row is %+v; want %+v", got, want)
	}
	f := func(q call.RequestsQuery, want int) []call.LedgerRow {
		t.Helper()
		got := list(q)
		if len(got) != want || !slices.IsSortedFunc(got, func(a, b call.LedgerRow) int { return int(a.ID - b.ID) }) {
			t.Errorf("%+v gives %d rows; want %d in order", q, len(got), want)
		}
		return got
	}
	f(call.RequestsQuery{ID: 5}, 0)
	f(call.RequestsQuery{Parent: r.Parent}, 1)
	f(call.RequestsQuery{Parent: r.ID}, 0)
	f(call.RequestsQuery{Where: []call.UsageFilter{{By: "origin", Values: []string{r.Origin}}, {By: "cached", Values: []string{"semantic"}}}}, 1)
	sums := usage(t, s, call.UsageQuery{By: []string{"origin", "cached"}})
	if len(sums.Rows) != 2 || sums.Rows[0].Saved != 0 || sums.Rows[1].Saved != 777 || !slices.Equal(sums.Rows[1].Keys, []string{r.Origin, "semantic"}) {
		t.Errorf("by origin and cached all sums up to %+v", sums.Rows)
	}
	if single := total(t, s, call.UsageFilter{By: "address", Values: []string{r.Address}}); single.Saved != 777 {
		t.Errorf("of the one address %d is saved; want 777", single.Saved)
	}
	all := f(call.RequestsQuery{}, 26)
	f(call.RequestsQuery{After: all[9].ID}, 16)
	f(call.RequestsQuery{After: all[9].ID, Limit: 5}, 5)
	f(call.RequestsQuery{Before: all[9].ID}, 9)
	newest := list(call.RequestsQuery{Before: all[9].ID, Newest: true, Limit: 4})
	if slices.Reverse(newest); !reflect.DeepEqual(newest, all[5:9]) {
		t.Errorf("the newest four before the tenth are %+v; want %+v", newest, all[5:9])
	}
	f(call.RequestsQuery{To: noon.Add(time.Hour)}, 1)
	f(call.RequestsQuery{From: noon.Add(time.Hour)}, 25)
	f(call.RequestsQuery{Where: []call.UsageFilter{{By: "status", Values: []string{"200"}}, {By: "key", Values: []string{"service-1", "k-000002"}}}}, 10)
	f(call.RequestsQuery{Where: []call.UsageFilter{{By: "address", Values: []string{"2001:db8::1"}}}}, 1)
	f(call.RequestsQuery{Where: []call.UsageFilter{{By: "status", Not: true, Values: []string{"200"}}}}, 1)
	enough := errors.New("enough")
	if err := s.Requests(t.Context(), call.RequestsQuery{}, func(*call.LedgerRow) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v; want what the caller said", err)
	}
}

// ledgerDirty has texts that not every database takes.
func ledgerDirty(t *testing.T, open Opener) {
	s := open()
	var rows []call.Record
	for i, text := range []string{"a\x00b", "\xff\xfe", "ü", "'; DROP TABLE request; --", "a\x01b", strings.Repeat("x", 255)} {
		r := Record(call.FirstID(noon)+call.ID(i), 1)
		r.KeyID, r.KeyName, r.Org, r.User, r.Asked, r.Target, r.Code, r.Route, r.Policy, r.Team, r.Project = text, text, text, text, text, text, text, text, text, text, text
		rows = append(rows, r)
	}
	fold(t, s, 1, rows)
	if u := usage(t, s, call.UsageQuery{By: []string{"key"}}); len(u.Rows) != len(rows) {
		t.Errorf("%d keys are told apart; want %d", len(u.Rows), len(rows))
	}
	if got := total(t, s, call.UsageFilter{By: "user", Values: []string{"'; DROP TABLE request; --"}}); got.Requests != 1 {
		t.Errorf("usage is %+v", got)
	}
}

func ledgerUsage(t *testing.T, open Opener) {
	s := open()
	var rows []call.Record
	for day := range 3 {
		rows = append(rows, records(noon.AddDate(0, 0, day), 0, 12, 6)...)
	}
	refused := records(noon, 100, 2, 6)
	for i := range refused {
		refused[i].Target, refused[i].Status, refused[i].Class, refused[i].Code, refused[i].Cost = "", 403, wire.ClassPolicy, "policy_denied", 0
		refused[i].Provenance, refused[i].Usage, refused[i].Count = call.CostNone, wire.Usage{}, 4
	}
	odd := records(noon, 200, 1, 6)
	odd[0].Provenance, odd[0].Usage = call.CostReported, wire.Usage{Images: 2, AudioInput: 3, Cost: odd[0].Cost}
	fold(t, s, 1, append(append(rows, refused...), odd...))
	// f asks by dimension and wants requests by value.
	f := func(by string, want string) {
		t.Helper()
		var got []string
		u := usage(t, s, call.UsageQuery{By: []string{by}})
		for _, r := range u.Rows {
			got = append(got, fmt.Sprintf("%s:%d", r.Keys[0], r.Requests))
		}
		source := "sums"
		if by == "minute" || by == "address" {
			source = "requests"
		}
		if text := strings.Join(got, " "); text != want || u.Source != source {
			t.Errorf("by %s from %s:\n got %s\nwant %s from %s", by, u.Source, text, want, source)
		}
	}
	f("org", "acme:45")
	f("model", ":8 openai/gpt-0:12 openai/gpt-1:12 openai/gpt-2:13")
	f("provider", ":8 openai:37")
	f("status", "200:37 403:8")
	f("class", ":37 policy:8")
	f("code", ":37 policy_denied:8")
	f("provenance", "computed:36 none:8 reported:1")
	f("result", "ok:37 refused:8")
	f("op", "chat:45")
	f("dialect", "openai-chat:45")
	f("asked", "fast:45")
	f("route", "priority@0123456789ab:45")
	f("policy", "2026-05-20.1:45")
	f("project", "web:45")
	f("user", ":45")
	f("hour", "2026-05-20T12:00:00Z:21 2026-05-21T12:00:00Z:12 2026-05-22T12:00:00Z:12")
	f("minute", "2026-05-20T12:00:00Z:21 2026-05-21T12:00:00Z:12 2026-05-22T12:00:00Z:12")
	f("day", "2026-05-20:21 2026-05-21:12 2026-05-22:12")
	f("week", "2026-05-18:45")
	f("month", "2026-05:45")
	f("address", ":45")
	sum := total(t, s)
	want := call.UsageRow{Keys: []string{}, Requests: 45, Errors: 8, Refused: 8, Cost: 37 * 1_234_567, Reported: 1_234_567, Computed: 36 * 1_234_567,
		Usage: wire.Usage{Input: 36 * 1200, CacheRead: 36 * 300, Output: 36 * 250, Reasoning: 36 * 40, Images: 2, AudioInput: 3, Cost: 1_234_567}}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("all sums up to %+v; want %+v", sum, want)
	}
	if single := usage(t, s, call.UsageQuery{From: noon.Add(-time.Minute)}); single.Source != "requests" || !reflect.DeepEqual(single.Rows[0], want) {
		t.Errorf("by single requests all sums up to %+v from %s; want %+v", single.Rows, single.Source, want)
	}
}

func ledgerFilters(t *testing.T, open Opener) {
	s := open()
	var rows []call.Record
	for day := range 3 {
		rows = append(rows, records(noon.AddDate(0, 0, day), 0, 12, 6)...)
	}
	fold(t, s, 1, rows)
	f := func(q call.UsageQuery, requests int64, days int) {
		t.Helper()
		q.By = []string{"day"}
		sum, got := int64(0), usage(t, s, q)
		for _, r := range got.Rows {
			sum += r.Requests
		}
		if sum != requests || len(got.Rows) != days {
			t.Errorf("%+v gives %d requests on %d days; want %d on %d", q, sum, len(got.Rows), requests, days)
		}
	}
	is := func(by string, values ...string) []call.UsageFilter {
		return []call.UsageFilter{{By: by, Values: values}}
	}
	f(call.UsageQuery{}, 36, 3)
	f(call.UsageQuery{Where: is("key", "service-1")}, 6, 3)
	f(call.UsageQuery{Where: is("key", "k-000001")}, 6, 3)
	f(call.UsageQuery{Where: is("key", "nobody")}, 0, 0)
	f(call.UsageQuery{Where: is("team", "team-2", "team-3")}, 12, 3)
	f(call.UsageQuery{Where: []call.UsageFilter{{By: "team", Not: true, Values: []string{"team-2", "team-3"}}}}, 24, 3)
	f(call.UsageQuery{Where: append(is("model", "openai/gpt-0"), is("stream", "true")...)}, 6, 3)
	f(call.UsageQuery{Where: is("provider", "openai")}, 36, 3)
	f(call.UsageQuery{From: noon.AddDate(0, 0, 1)}, 24, 2)
	f(call.UsageQuery{To: noon.AddDate(0, 0, 1)}, 12, 1)
	f(call.UsageQuery{From: noon.AddDate(0, 0, 1), To: noon.AddDate(0, 0, 1).Add(time.Minute)}, 12, 1)
	if _, err := s.Usage(t.Context(), call.UsageQuery{By: []string{"colour"}}); err == nil || !strings.Contains(err.Error(), `"colour"`) {
		t.Errorf("an unknown dimension: got %v", err)
	}
	if _, err := s.Usage(t.Context(), call.UsageQuery{Where: is("day", "2026-05-20")}); err == nil || !strings.Contains(err.Error(), "from and to") {
		t.Errorf("a filter by time: got %v", err)
	}
}

// ledgerZones asks by days that are not those of UTC, over a change of clocks.
func ledgerZones(t *testing.T, open Opener) {
	s := open()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	// A request each hour of three days around 2026-10-25, when Berlin leaves summer time.
	start := time.Date(2026, 10, 24, 0, 30, 0, 0, time.UTC)
	var rows []call.Record
	for h := range 72 {
		rows = append(rows, Record(call.FirstID(start.Add(time.Duration(h)*time.Hour)), 1))
	}
	fold(t, s, 1, rows)
	f := func(by string, zone *time.Location, want, source string) {
		t.Helper()
		var got []string
		u := usage(t, s, call.UsageQuery{By: []string{by}, Zone: zone})
		for _, r := range u.Rows {
			got = append(got, fmt.Sprintf("%s:%d", r.Keys[0], r.Requests))
		}
		if text := strings.Join(got, " "); text != want || u.Source != source {
			t.Errorf("by %s in %s: got %s from %s; want %s from %s", by, zone, text, u.Source, want, source)
		}
	}
	f("day", time.UTC, "2026-10-24:24 2026-10-25:24 2026-10-26:24", "sums")
	f("day", berlin, "2026-10-24:22 2026-10-25:25 2026-10-26:24 2026-10-27:1", "sums")
	f("day", kolkata, "2026-10-24:18 2026-10-25:24 2026-10-26:24 2026-10-27:6", "requests")
	f("month", berlin, "2026-10:72", "sums")
	hours := usage(t, s, call.UsageQuery{By: []string{"hour"}, Zone: berlin, From: start.Add(24*time.Hour - 30*time.Minute), To: start.Add(26*time.Hour - 30*time.Minute)})
	if len(hours.Rows) != 2 || hours.Rows[0].Keys[0] != "2026-10-25T02:00:00+02:00" || hours.Rows[1].Keys[0] != "2026-10-25T02:00:00+01:00" {
		t.Errorf("the two hours at 2 o'clock are %+v", hours.Rows)
	}
}

// ledgerFractions asks for bounds within a second: what is before one and what
// is after it are the whole.
func ledgerFractions(t *testing.T, open Opener) {
	s := open()
	fold(t, s, 1, []call.Record{Record(call.FirstID(noon), 1), Record(call.FirstID(noon.Add(600*time.Millisecond)), 1)})
	half := noon.Add(300 * time.Millisecond)
	for _, q := range []call.UsageQuery{{From: half}, {To: half}, {From: half, To: noon.Add(time.Second)}} {
		if u := usage(t, s, q); u.Rows[0].Requests != 1 {
			t.Errorf("from %v to %v: %d requests; want 1", q.From, q.To, u.Rows[0].Requests)
		}
	}
}

// aged are rows of twelve days up to noon's, of all kinds.
func aged() (rows []call.Record) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for day := range 12 {
		for i := range 300 {
			at := noon.AddDate(0, 0, day-11).Add(time.Duration(rnd.IntN(86400)-43200) * time.Second)
			r := Record(call.FirstID(at)+call.ID(i), 1+rnd.IntN(40))
			r.Cost, r.Provenance = int64(rnd.IntN(1e9)), call.Provenance(rnd.IntN(4))
			if rnd.IntN(5) == 0 {
				r.Status, r.Class, r.Code = 429, wire.ClassPolicy, "rate_limited"
			}
			*r.Usage.Buckets()[rnd.IntN(wire.NumBuckets)] += int64(rnd.IntN(1000))
			rows = append(rows, r)
		}
	}
	return rows
}

// keep is what is left of them.
var keep = call.Retention{Requests: noon.AddDate(0, 0, -5), Hours: noon.AddDate(0, 0, -3)}

// ledgerRetains takes retention step by step and expects the same sums by every
// dimension at every instant of it.
func ledgerRetains(t *testing.T, open Opener) {
	s := open()
	fold(t, s, 1, aged())
	dimensions := slices.DeleteFunc(slices.Clone(call.Dimensions), func(d string) bool { return d == "hour" || d == "minute" || d == "address" })
	by := [][]string{{"day"}, {"key"}, dimensions} // by all at once: what is the same by that, is by each
	sums := func(by []string) []call.UsageRow {
		t.Helper()
		return usage(t, s, call.UsageQuery{By: by}).Rows
	}
	var want [][]call.UsageRow
	for _, dims := range by {
		want = append(want, sums(dims))
	}
	if days, keys := want[0], want[1]; len(days) < 12 || len(keys) < 30 {
		t.Fatalf("there is too little to tell apart: %d days, %d keys", len(days), len(keys))
	}
	check := func(when string, i int) {
		t.Helper()
		if got := sums(by[i]); !reflect.DeepEqual(got, want[i]) {
			t.Fatalf("%s sums by %s are\n%+v\nwant\n%+v", when, by[i], got, want[i])
		}
	}
	steps := 0
	for more := true; more; steps++ {
		var err error
		if more, err = s.Retain(t.Context(), keep); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprint("after step ", steps), len(by)-1)
	}
	for i := range by {
		check("in the end", i)
	}
	if steps < 3 {
		t.Errorf("retention was done in %d steps", steps)
	}
}

func retain(t *testing.T, s store.Store) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = s.Retain(t.Context(), keep); err != nil {
			t.Fatal(err)
		}
	}
}

// ledgerForgets asks for what is no longer kept, and folds what comes late.
func ledgerForgets(t *testing.T, open Opener) {
	s, ctx, rows := open(), t.Context(), aged()
	fold(t, s, 1, rows)
	retain(t, s)
	n, old := 0, 0
	err := s.Requests(ctx, call.RequestsQuery{}, func(r *call.LedgerRow) error {
		n++
		if r.ID.Time().Before(keep.Requests.Truncate(24 * time.Hour)) {
			old++
		}
		return nil
	})
	if err != nil || old != 0 || n < 300 || n > 6*350 {
		t.Errorf("%d rows are left, %d of them too old, %v", n, old, err)
	}
	gone := func(q call.UsageQuery) {
		t.Helper()
		if _, err := s.Usage(ctx, q); !errors.Is(err, call.ErrUsageGone) {
			t.Errorf("%+v: got %v; want an error that says it is gone", q, err)
		}
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	gone(call.UsageQuery{By: []string{"hour"}})
	gone(call.UsageQuery{By: []string{"day"}, Zone: berlin})
	gone(call.UsageQuery{By: []string{"address"}})
	gone(call.UsageQuery{From: noon.AddDate(0, 0, -8).Add(time.Hour)})
	usage(t, s, call.UsageQuery{By: []string{"hour"}, From: keep.Hours})
	usage(t, s, call.UsageQuery{By: []string{"address"}, From: keep.Requests})
	late := records(noon.AddDate(0, 0, -9), 5000, 10, 3) // of a node that was away
	fold(t, s, 2, late)
	before := total(t, s)
	retain(t, s)
	if after := total(t, s); !reflect.DeepEqual(before, after) || before.Requests != int64(len(rows)+len(late)) {
		t.Errorf("late rows: sums are %+v; want %+v", after, before)
	}
}
