package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/audit"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = []byte("0123456789abcdef0123456789abcdef")

// file is a real database, and a second way into it.
type file struct {
	*sqlite.Store
	path string
}

func newFile(t *testing.T) *file {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := sqlite.Open(t.Context(), "sqlite:"+path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &file{s, path}
}

// tamper changes the database behind the store's back.
func (f *file) tamper(t *testing.T, script string) {
	t.Helper()
	conn, err := zombie.OpenConn(f.path, zombie.OpenReadWrite)
	if err == nil {
		err = errors.Join(sqlitex.ExecuteScript(conn, script, nil), conn.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// log writes n entries and closes the log, unless n is 0.
func (f *file) log(t *testing.T, n int) {
	t.Helper()
	l := audit.Open(f, audit.Settings{Every: time.Hour}, audit.Options{Node: "n1", Key: key})
	defer l.Close()
	for i := range n {
		if seq, err := l.Record(t.Context(), audit.Entry{Kind: audit.KindAdmin, Action: "POST /admin/keys", Who: fmt.Sprint("ann", i), Outcome: audit.Done}); err != nil || seq < 1 {
			t.Fatalf("entry %d: %v", seq, err)
		}
	}
}

func (f *file) verdict(t *testing.T, outside ...audit.Point) audit.Verdict {
	t.Helper()
	v, err := audit.Verify(t.Context(), f, key, outside)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTampering(t *testing.T) {
	const copyRow = `INSERT INTO audit SELECT 11, time, body, hash FROM audit WHERE seq = 10;`
	f := func(script, kind string, seq int64) {
		t.Helper()
		db := newFile(t)
		db.log(t, 10)
		if v := db.verdict(t); !v.OK || v.Entries != 10 || v.Anchors != 1 {
			t.Fatalf("before: %+v", v)
		}
		db.tamper(t, script)
		v := db.verdict(t)
		if v.OK || v.Broken.Kind != kind || v.Broken.Seq != seq {
			t.Errorf("%s\nfound %+v; want entry %d %s", script, v.Broken, seq, kind)
		}
	}
	f(`UPDATE audit SET body = CAST(replace(body, 'ann3', 'bob3') AS BLOB) WHERE seq = 4`, audit.Changed, 4)
	f(`UPDATE audit SET body = x'' WHERE seq = 4`, audit.Changed, 4)
	f(`UPDATE audit SET time = time - 1 WHERE seq = 4`, audit.Changed, 4)
	f(`UPDATE audit SET hash = zeroblob(32) WHERE seq = 4`, audit.Changed, 4)
	f(`DELETE FROM audit WHERE seq = 4`, audit.Removed, 4)
	f(`DELETE FROM audit WHERE seq IN (4, 5)`, audit.Removed, 4)
	f(`DELETE FROM audit WHERE seq = 1`, audit.Removed, 1)
	f(`DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = seq - 1 WHERE seq > 4`, audit.Reordered, 4)
	f(`UPDATE audit SET seq = 99 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 99`, audit.Reordered, 4)
	f(`DELETE FROM audit WHERE seq = 10`, audit.Truncated, 10)
	f(`DELETE FROM audit WHERE seq > 7`, audit.Truncated, 8)
	f(`DELETE FROM audit`, audit.Truncated, 1)
	f(`DELETE FROM audit; DELETE FROM audit_head; DELETE FROM audit_anchor`, audit.Truncated, 1)
	f(`DELETE FROM audit WHERE seq > 7; UPDATE audit_head SET seq = 7, hash = (SELECT hash FROM audit WHERE seq = 7)`, audit.Rewritten, 7)
	f(copyRow, audit.Added, 11)
	f(copyRow+`UPDATE audit_head SET seq = 11`, audit.Reordered, 11)
	f(`DELETE FROM audit_head`, audit.Added, 1)
	f(`UPDATE audit_head SET mac = zeroblob(32)`, audit.Rewritten, 10)
	f(`UPDATE audit_anchor SET hash = zeroblob(32)`, audit.Rewritten, 10)
	f(`UPDATE audit_anchor SET cut = 1; DELETE FROM audit WHERE seq < 10`, audit.Rewritten, 10)
}

// rewrite makes the chain anew from an entry on, so that it fits together.
func (f *file) rewrite(t *testing.T, from int64) {
	t.Helper()
	rows, err := f.AuditRows(t.Context(), call.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	script := &strings.Builder{}
	prev := ""
	for _, r := range rows {
		if r.Seq >= from {
			var e audit.Entry
			if err := json.Unmarshal(r.Body, &e); err != nil {
				t.Fatal(err)
			}
			e.Who = "mallory"
			if prev != "" {
				e.Prev = prev
			}
			r.Body, _ = json.Marshal(e)
			r.Hash = audit.Sum(r.Body)
			fmt.Fprintf(script, "UPDATE audit SET body = x'%x', hash = x'%x' WHERE seq = %d;\n", r.Body, r.Hash, r.Seq)
		}
		prev = fmt.Sprintf("%x", r.Hash)
	}
	f.tamper(t, script.String()+fmt.Sprintf("UPDATE audit_head SET hash = x'%s';", prev))
}

func TestRewrittenWhole(t *testing.T) {
	db := newFile(t)
	db.log(t, 5) // anchors entry 5
	db.log(t, 5)
	db.rewrite(t, 8)
	if v := db.verdict(t); v.OK || v.Broken.Kind != audit.Rewritten || v.Broken.Seq != 10 {
		t.Errorf("from entry 8 on: %+v", v.Broken)
	}
	db = newFile(t)
	db.log(t, 5)
	db.log(t, 5)
	db.rewrite(t, 2)
	if v := db.verdict(t); v.OK || v.Broken.Kind != audit.Rewritten || v.Broken.Seq != 5 {
		t.Errorf("from entry 2 on: %+v", v.Broken)
	}
	// One entry whose hash was made anew: the one after it tells.
	db = newFile(t)
	db.log(t, 5)
	db.rewrite(t, 5)
	db.log(t, 1) // goes on, and says what it found
	v := db.verdict(t)
	if v.OK || v.Broken.Seq != 5 {
		t.Errorf("the last entry: %+v", v.Broken)
	}
}

// TestGoesOnAfterTampering: what is written later does not make good what was broken.
func TestGoesOnAfterTampering(t *testing.T) {
	db := newFile(t)
	db.log(t, 5)
	db.tamper(t, `DELETE FROM audit WHERE seq > 3; DELETE FROM audit_anchor; UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3)`)
	db.log(t, 2)
	v := db.verdict(t)
	if v.OK || v.Broken.Kind != audit.Rewritten || v.Broken.Seq != 4 || !strings.Contains(v.Broken.Text, "tampered") {
		t.Errorf("got %+v", v.Broken)
	}
}

// TestSetBackWhileItRuns: an earlier state, signed and all, is noticed by who has seen a later one.
func TestSetBackWhileItRuns(t *testing.T) {
	db := newFile(t)
	l := audit.Open(db, audit.Settings{Every: time.Hour}, audit.Options{Node: "n1", Key: key})
	defer l.Close()
	record := func() {
		t.Helper()
		if _, err := l.Record(t.Context(), audit.Entry{Action: "x", Outcome: audit.Done}); err != nil {
			t.Fatal(err)
		}
	}
	record()
	record()
	db.tamper(t, `CREATE TABLE spare AS SELECT * FROM audit_head`)
	record()
	db.tamper(t, `DELETE FROM audit WHERE seq > 2; UPDATE audit_head SET (seq, hash, mac) = (SELECT seq, hash, mac FROM spare)`)
	record()
	if tampered, unwritten := l.Trouble(); tampered == "" || unwritten != "" {
		t.Errorf("trouble %q, %q", tampered, unwritten)
	}
	if v := db.verdict(t); v.OK || v.Broken.Seq != 3 || !strings.Contains(v.Broken.Text, "ended at entry 3 before") {
		t.Errorf("got %+v", v.Broken)
	}
}

// TestAnchorOutside finds what nothing inside can: the whole database set back.
func TestAnchorOutside(t *testing.T) {
	db := newFile(t)
	out := filepath.Join(t.TempDir(), "anchors")
	write := func(n int) {
		l := audit.Open(db, audit.Settings{Every: time.Hour, File: out}, audit.Options{Node: "n1", Key: key})
		defer l.Close()
		for range n {
			if _, err := l.Record(t.Context(), audit.Entry{Action: "x", Outcome: audit.Done}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(3)
	db.tamper(t, `CREATE TABLE h AS SELECT * FROM audit_head; CREATE TABLE a AS SELECT * FROM audit_anchor`)
	write(3)
	points := readPoints(t, out)
	if len(points) != 2 || points[1].Seq != 6 {
		t.Fatalf("anchors %+v", points)
	}
	if v := db.verdict(t, points...); !v.OK || v.Anchors != 2 {
		t.Errorf("got %+v", v)
	}
	db.tamper(t, `DELETE FROM audit WHERE seq > 3; DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM h;
		DELETE FROM audit_anchor; INSERT INTO audit_anchor SELECT * FROM a`)
	if v := db.verdict(t); !v.OK {
		t.Errorf("the state of before is whole in itself: %+v", v.Broken)
	}
	if v := db.verdict(t, points...); v.OK || v.Broken.Kind != audit.Truncated || v.Broken.Seq != 4 {
		t.Errorf("beside the anchors outside: %+v", v.Broken)
	}
	forged := points[1]
	forged.Seq = 7
	if v := db.verdict(t, forged); v.OK || v.Broken.Kind != audit.Rewritten {
		t.Errorf("a forged anchor is taken: %+v", v)
	}
}

func TestCut(t *testing.T) {
	db := newFile(t)
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	l := audit.Open(db, audit.Settings{Every: time.Hour}, audit.Options{Node: "n1", Key: key, Now: func() time.Time { return now }})
	add := func(n int) {
		for range n {
			if _, err := l.Record(t.Context(), audit.Entry{Action: "x", Outcome: audit.Done}); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Minute)
		}
	}
	add(10)
	if err := l.Cut(t.Context(), now.Add(-5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if v := db.verdict(t); !v.OK || v.First != 6 || v.Last != 11 || v.Entries != 6 || v.Anchors != 0 {
		t.Errorf("after the cut: %+v", v)
	}
	if err := l.Cut(t.Context(), now.Add(-5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	add(2)
	if err := l.Cut(t.Context(), now.Add(time.Hour)); err != nil { // all of it: the last stays
		t.Fatal(err)
	}
	l.Close()
	v := db.verdict(t)
	if !v.OK || v.First != 6 || v.Last != 13 {
		t.Errorf("in the end: %+v", v)
	}
	db.tamper(t, `DELETE FROM audit WHERE seq <= 7`)
	if v := db.verdict(t); v.OK || v.Broken.Kind != audit.Removed || v.Broken.Seq != 6 {
		t.Errorf("more was removed than the cut says: %+v", v.Broken)
	}
	db.tamper(t, `DELETE FROM audit_anchor`)
	if v := db.verdict(t); v.OK || v.Broken.Kind != audit.Removed || v.Broken.Seq != 1 {
		t.Errorf("without the cut's anchor: %+v", v.Broken)
	}
}

// long is a log of so many entries that all are old but the last.
type long struct {
	*file
	entries int64
	cuts    []int64
}

func (l *long) AuditRows(_ context.Context, q call.AuditQuery) ([]call.AuditRow, error) {
	if !q.From.IsZero() {
		return []call.AuditRow{{Seq: l.entries}}, nil
	}
	return []call.AuditRow{{Seq: q.After + 1, Hash: []byte{1}}}, nil
}

func (l *long) AnchorAudit(_ context.Context, a call.AuditAnchor) error {
	if a.Cut {
		l.cuts = append(l.cuts, a.Seq)
	}
	return nil
}

// TestCutsAreBounded: no transaction removes more than a store does in time.
func TestCutsAreBounded(t *testing.T) {
	db := &long{file: newFile(t), entries: 25_001}
	l := audit.Open(db, audit.Settings{Every: time.Hour}, audit.Options{Key: key})
	defer l.Close()
	if err := l.Cut(t.Context(), time.Now()); err != nil || fmt.Sprint(db.cuts) != "[10000 20000 25000]" {
		t.Errorf("entries went up to %v, %v", db.cuts, err)
	}
}

// TestNodesWriteOneChain lets several nodes write at once.
func TestNodesWriteOneChain(t *testing.T) {
	db := newFile(t)
	var wg sync.WaitGroup
	for n := range 3 {
		l := audit.Open(db, audit.Settings{Every: time.Hour}, audit.Options{Node: fmt.Sprint("n", n), Key: key})
		wg.Go(func() {
			defer l.Close()
			for i := range 20 {
				if i%2 == 0 {
					l.Note(audit.Entry{Action: "noted", Outcome: audit.Done})
				} else if _, err := l.Record(context.Background(), audit.Entry{Action: "x", Outcome: audit.Done}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if v := db.verdict(t); !v.OK || v.Entries != 60 {
		t.Errorf("got %+v", v)
	}
}

// TestLegible: what callers make up does not reach the terminal of who reads it.
func TestLegible(t *testing.T) {
	db := newFile(t)
	l := audit.Open(db, audit.Settings{}, audit.Options{Key: key})
	defer l.Close()
	if _, err := l.Record(t.Context(), audit.Entry{Action: "login", On: "/admin/\x1b[2J\u202e\n" + strings.Repeat("x", 1<<20)}); err != nil {
		t.Fatal(err)
	}
	rows, err := db.AuditRows(t.Context(), call.AuditQuery{})
	var e audit.Entry
	if err == nil {
		err = json.Unmarshal(rows[0].Body, &e)
	}
	if err != nil || !strings.HasPrefix(e.On, "/admin/�[2J��xxx") || len(e.On) > 300 {
		t.Errorf("%d bytes %.60q, %v", len(e.On), e.On, err)
	}
}

func TestNotesAreBounded(t *testing.T) {
	db := newFile(t)
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	l := audit.Open(db, audit.Settings{PerSecond: 3, Denials: 0.5}, audit.Options{Key: key, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	for range 10 {
		l.Note(audit.Entry{Action: "login", Outcome: audit.Refused})
	}
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	l.Note(audit.Entry{Action: "login", Outcome: audit.Refused})
	kept := 0
	for id := range uint64(1000) {
		if l.Denied(id) {
			kept++
		}
	}
	if kept < 450 || kept > 550 {
		t.Errorf("of 1000 refusals %d are kept; want half", kept)
	}
	l.Close()
	rows, err := db.AuditRows(t.Context(), call.AuditQuery{})
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d entries, %v; want 4", len(rows), err)
	}
	var last audit.Entry
	if err := json.Unmarshal(rows[3].Body, &last); err != nil || last.Missed != 7 {
		t.Errorf("the last says that %d were missed, %v; want 7", last.Missed, err)
	}
}

func TestExport(t *testing.T) {
	db := newFile(t)
	db.log(t, 5)
	rows, err := db.AuditRows(t.Context(), call.AuditQuery{After: 1})
	if err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	for _, r := range rows {
		out.Write(append(r.Body, '\n'))
	}
	f := func(text, kind string, seq int64) {
		t.Helper()
		v, err := audit.VerifyExport(strings.NewReader(text))
		switch {
		case err != nil:
			t.Error(err)
		case kind == "" && (!v.OK || v.First != 2 || v.Last != 5):
			t.Errorf("got %+v", v)
		case kind != "" && (v.OK || v.Broken.Kind != kind || v.Broken.Seq != seq):
			t.Errorf("got %+v; want entry %d %s", v.Broken, seq, kind)
		}
	}
	f(out.String(), "", 0)
	f(strings.Replace(out.String(), "ann2", "bob2", 1), audit.Changed, 3)
	lines := strings.SplitAfter(out.String(), "\n")
	f(lines[0]+lines[2]+lines[3], audit.Removed, 3)
	f(lines[0]+lines[2]+lines[1]+lines[3], audit.Removed, 3)
}

func TestShow(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		if got := string(audit.Show(key, []byte(body))); got != want {
			t.Errorf("shows\n%s; want\n%s", got, want)
		}
	}
	secret := audit.Digest(key, []byte("sk-1"))
	f(``, ``)
	f(`{"name":"ci","usd":5,"roles":["a","b"],"value":"sk-1","deep":{"token":"sk-1","on":true}}`,
		`{"deep":{"on":true,"token":"`+secret+`"},"name":"ci","roles":["a","b"],"usd":5,"value":"`+secret+`"}`)
	f(`{"name":"`+strings.Repeat("x", 201)+`"}`, `{"name":"`+audit.Digest(key, []byte(strings.Repeat("x", 201)))+`"}`)
	f(`not json`, `{"bytes":8,"digest":"`+audit.Digest(key, []byte("not json"))+`"}`)
	f(`{} {}`, `{"bytes":5,"digest":"`+audit.Digest(key, []byte("{} {}"))+`"}`)
	if len(secret) != 17 || secret == audit.Digest([]byte("another key"), []byte("sk-1")) {
		t.Errorf("the digest %q does not depend on the key", secret)
	}
}

func TestDiff(t *testing.T) {
	got, err := json.Marshal(audit.Diff(key, []byte(`{"name":"a","usd":5,"secret":"one","gone":1}`), []byte(`{"name":"a","usd":6,"secret":"two","new":[{"name":"x"}]}`)))
	if err != nil {
		t.Fatal(err)
	}
	one, two := audit.Digest(key, []byte("one")), audit.Digest(key, []byte("two"))
	want := `[{"path":"gone","from":1},{"path":"new[0].name","to":"x"},{"path":"secret","from":"` + one + `","to":"` + two + `"},{"path":"usd","from":5,"to":6}]`
	if string(got) != want {
		t.Errorf("got\n%s; want\n%s", got, want)
	}
}

func FuzzExport(f *testing.F) {
	f.Add([]byte(`{"seq":1,"prev":"` + strings.Repeat("0", 64) + `","time":"2026-05-20T12:00:00Z"}`))
	f.Add([]byte(`{"seq":9,"prev":"00"}` + "\n" + `{"seq":10,"prev":"00"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := audit.VerifyExport(bytes.NewReader(b))
		if err == nil && v.OK == (v.Broken != nil) {
			t.Errorf("verdict %+v", v)
		}
	})
}

func FuzzShow(f *testing.F) {
	f.Add([]byte(`{"name":"ci","value":"hidden-secret"}`))
	f.Add([]byte(`[{"a":{"token":"hidden-secret"}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := json.Marshal(map[string]any{"value": "hidden-secret", "rest": json.RawMessage(b)})
		if err != nil {
			body = append(b, []byte(`"hidden-secret"`)...)
		}
		if out := audit.Show(key, body); err == nil && strings.Count(string(out), "hidden-secret") > strings.Count(string(b), "hidden-secret") {
			t.Errorf("shows %s", out)
		}
	})
}

func readPoints(t *testing.T, path string) []audit.Point {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := audit.ReadPoints(f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
