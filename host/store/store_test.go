package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), "sqlite:"+filepath.Join(dir, "signalbox.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var noon = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

// record is a plausible row of n keys, nine models and two policies.
func record(id call.ID, n int) call.Record {
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

func TestFoldOnceAndUsage(t *testing.T) {
	s, ctx := open(t, t.TempDir()), context.Background()
	first := call.FirstID(noon)
	var rows []call.Record
	for i := range 100 {
		rows = append(rows, record(first+call.ID(i), 4))
	}
	rows[0].Status, rows[0].Class, rows[0].Code = 502, wire.ClassServer, "upstream_failed"
	rows[0].Attempts = []call.Attempt{
		{Target: &call.Target{Name: "openai/gpt-0"}, Status: 500, Class: wire.ClassServer, Duration: time.Second, Cost: 5},
		{Target: &call.Target{Name: "demo/echo"}, Class: wire.ClassNetwork},
	}
	for _, upto := range []int64{7, 9} { // the same rows twice
		if err := s.Fold(ctx, upto, rows, upto == 9); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Fold(ctx, 8, nil, false); err == nil {
		t.Error("the mark went back")
	}
	upto, last, err := s.Folded(ctx)
	if err != nil || upto != 9 || last != first+99 {
		t.Errorf("folded up to %d, last id %d, %v; want 9, %d", upto, last, err, first+99)
	}
	usage, err := s.Usage(ctx, UsageQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var sum UsageRow
	for _, u := range usage {
		sum.Requests += u.Requests
		sum.Errors += u.Errors
		sum.Cost += u.Cost
		sum.Usage.CacheRead += u.Usage.CacheRead
	}
	if sum.Requests != 100 || sum.Errors != 1 || sum.Cost != 123_456_700 || sum.Usage.CacheRead != 30_000 || len(usage) != 4 {
		t.Errorf("usage sums up to %+v in %d rows", sum, len(usage))
	}
	if cost, found, err := s.Cost(ctx, first+5); cost != 1_234_567 || !found || err != nil {
		t.Errorf("cost is %d, %v, %v", cost, found, err)
	}
	if _, found, err := s.Cost(ctx, 1); found || err != nil {
		t.Errorf("an unknown row is %v, %v", found, err)
	}
	text := ""
	if text, err = view(s, "concat_ws('|', time, key_name, target, status, code, attempts)", int64(first)); err != nil || text != "2026-05-20T12:00:00.000Z|service-0|openai/gpt-0|502|upstream_failed|"+
		`[{"target":"openai/gpt-0","status":500,"class":"server","us":1000000,"cost":5},{"target":"demo/echo","class":"network","us":0}]` {
		t.Errorf("the view shows %s, %v", text, err)
	}
}

func TestUsageSelects(t *testing.T) {
	s, ctx := open(t, t.TempDir()), context.Background()
	var rows []call.Record
	for day := range 3 {
		for i := range 12 {
			rows = append(rows, record(call.FirstID(noon.AddDate(0, 0, day))+call.ID(i), 6))
		}
	}
	if err := s.Fold(ctx, 1, rows, false); err != nil {
		t.Fatal(err)
	}
	f := func(q UsageQuery, requests int64, days int) {
		t.Helper()
		got, err := s.Usage(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		sum, seen := int64(0), map[string]bool{}
		for _, r := range got {
			sum += r.Requests
			seen[r.Day] = true
		}
		if sum != requests || len(seen) != days {
			t.Errorf("%+v gives %d requests on %d days; want %d on %d", q, sum, len(seen), requests, days)
		}
	}
	f(UsageQuery{}, 36, 3)
	f(UsageQuery{Key: "service-1"}, 6, 3)
	f(UsageQuery{Key: "k-000001"}, 6, 3)
	f(UsageQuery{Key: "nobody"}, 0, 0)
	f(UsageQuery{Team: "team-2"}, 6, 3)
	f(UsageQuery{Model: "openai/gpt-0"}, 12, 3)
	f(UsageQuery{From: noon.AddDate(0, 0, 1)}, 24, 2)
	f(UsageQuery{To: noon.AddDate(0, 0, 1)}, 12, 1)
	f(UsageQuery{From: noon.AddDate(0, 0, 1), To: noon.AddDate(0, 0, 1).Add(time.Minute)}, 12, 1)
}

func TestFoldRollsBackWhole(t *testing.T) {
	s, ctx := open(t, t.TempDir()), context.Background()
	row := record(call.FirstID(noon), 1)
	if err := s.Fold(ctx, 5, []call.Record{row}, false); err != nil {
		t.Fatal(err)
	}
	next := record(call.FirstID(noon)+1, 7)
	next.KeyName = "new"
	if err := s.Fold(ctx, 4, []call.Record{next}, false); err == nil {
		t.Fatal("a fold with a mark that goes back was taken")
	}
	if err := s.Fold(ctx, 6, []call.Record{next}, false); err != nil {
		t.Fatal(err)
	}
	got, err := s.Usage(ctx, UsageQuery{Key: "new"})
	if err != nil || len(got) != 1 || got[0].Requests != 1 {
		t.Errorf("usage is %+v, %v; want the one row once", got, err)
	}
}

// view reads the ledger as people do.
func view(s *Store, what string, id int64) (text string, err error) {
	stmt, _, err := s.ledger.conn.PrepareTransient("SELECT " + what + " FROM ledger WHERE id = ?")
	if err != nil {
		return "", err
	}
	defer stmt.Finalize()
	stmt.BindInt64(1, id)
	if _, err := stmt.Step(); err != nil {
		return "", err
	}
	return stmt.ColumnText(0), nil
}

func TestKeys(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	s := open(t, dir)
	k := Key{
		Principal: call.Principal{
			KeyID: "k1", KeyName: "web", Org: "o", Project: "p", Team: "t", User: "u", Env: "prod",
			Roles: []string{"a", "b"}, Attrs: map[string]string{"x": "y"}, Expires: noon.Add(time.Hour),
			Budgets: []call.Limit{{Scope: "key/k1", Window: call.Window{Unit: "day", Size: 1}, Max: 5e9}},
		},
		MAC: []byte{0, 1, 2}, Created: noon,
	}
	if err := s.CreateKey(ctx, k); err != nil {
		t.Fatal(err)
	}
	again := k
	again.KeyID = "k2"
	if err := s.CreateKey(ctx, again); !errors.Is(err, ErrKeyExists) {
		t.Errorf("a second key of the name: got %v", err)
	}
	if err := s.CreateKey(ctx, Key{}); err == nil {
		t.Error("an empty key was taken")
	}
	s.Close()
	s = open(t, dir)
	keys, err := s.Keys(ctx)
	if err != nil || len(keys) != 1 || fmt.Sprintf("%+v", keys[0]) != fmt.Sprintf("%+v", k) {
		t.Fatalf("keys are %+v, %v; want %+v", keys, err, k)
	}
	if err := s.RevokeKey(ctx, "web", noon); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeKey(ctx, "k1", noon); !errors.Is(err, ErrKeyUnknown) {
		t.Errorf("revoked twice: got %v", err)
	}
	if err := s.CreateKey(ctx, again); err != nil {
		t.Errorf("the name of a revoked key is not free: %v", err)
	}
	keys, err = s.Keys(ctx)
	if err != nil || len(keys) != 2 || !keys[0].Revoked.Equal(noon) || !keys[1].Revoked.IsZero() {
		t.Errorf("keys are %+v, %v", keys, err)
	}
}

func TestSecretIsMadeOnce(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	s := open(t, dir)
	a, created, err := s.Secret(ctx, "pepper", 32)
	if err != nil || !created || len(a) != 32 {
		t.Fatalf("got %d bytes, %v, %v", len(a), created, err)
	}
	s.Close()
	s = open(t, dir)
	b, created, err := s.Secret(ctx, "pepper", 32)
	if err != nil || created || string(a) != string(b) {
		t.Errorf("the secret changed: %v, %v", created, err)
	}
}

func TestOpenErrors(t *testing.T) {
	ctx := context.Background()
	f := func(url, want string) {
		t.Helper()
		s, err := Open(ctx, url, Options{})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) gives %v; want an error with %q", url, err, want)
		}
	}
	f("postgres://x", "sqlite:")
	f("sqlite:", "sqlite:")
	dir := t.TempDir()
	url := "sqlite:" + filepath.Join(dir, "signalbox.db")
	s := open(t, dir)
	f(url, "already")
	if err := s.state.run("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	f(url, "newer")
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	d, err := openDB(foreign, "FULL", "state")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.run("PRAGMA application_id = 1"); err != nil {
		t.Fatal(err)
	}
	d.close()
	f("sqlite:"+foreign, "not a Signalbox database")
	junk := filepath.Join(t.TempDir(), "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	f("sqlite:"+junk, "not a database")
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 6 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// cpu is the process's CPU time so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFold reports the CPU time of one folded row, sums included, over a
// ledger that grows, with a durable commit for every sixteen batches.
func BenchmarkFold(b *testing.B) {
	for _, batch := range []int{200, 500, 1000, 2000, 4000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			s, ctx := open(b, b.TempDir()), context.Background()
			id, rows := call.FirstID(noon), make([]call.Record, batch)
			for i := range rows {
				rows[i] = record(call.ID(i), 200)
			}
			n := 0
			start := cpu()
			for b.Loop() {
				for i := range rows {
					id += 1 << 15
					rows[i].ID = id
				}
				n += batch
				if err := s.Fold(ctx, int64(n), rows, n/batch%16 == 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-start).Nanoseconds())/1000/float64(n), "cpu-µs/row")
			b.ReportMetric(float64(n), "rows")
		})
	}
}

func TestUsageOfOtherUnits(t *testing.T) {
	ctx, s := context.Background(), open(t, t.TempDir())
	var rows []call.Record
	for i := range call.ID(3) {
		r := record(call.FirstID(noon)+i, 1)
		r.Usage = wire.Usage{Input: 1, AudioInput: 2, Images: int64(i), Cost: 5}
		r.Target, r.Computed = "openai/gpt-audio", 4
		rows = append(rows, r)
	}
	for upto, batch := range [][]call.Record{rows[:2], rows[2:]} {
		if err := s.Fold(ctx, int64(upto), batch, false); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Usage(ctx, UsageQuery{Model: "openai/gpt-audio"})
	if want := (wire.Usage{Input: 3, AudioInput: 6, Images: 3, Cost: 15}); err != nil || len(got) != 1 || got[0].Usage != want {
		t.Errorf("usage is %+v, %v; want %+v", got, err, want)
	}
	units := ""
	if units, err = view(s, "units", int64(rows[2].ID)); err != nil || units != `{"audio_input":2,"images":2,"reported_cost":5,"computed_cost":4}` {
		t.Errorf("the view shows units %s, %v", units, err)
	}
}
