package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/audit"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
)

// counted is a store that counts the rows it gives out.
type counted struct {
	audit.Store
	rows int
}

func (c *counted) AuditRows(ctx context.Context, q call.AuditQuery) ([]call.AuditRow, error) {
	rows, err := c.Store.AuditRows(ctx, q)
	c.rows += len(rows)
	return rows, err
}

func (c *counted) AuditBack(ctx context.Context, before int64, q call.AuditQuery) ([]call.AuditRow, error) {
	rows, err := c.Store.AuditBack(ctx, before, q)
	c.rows += len(rows)
	return rows, err
}

// longLog writes 100,000 entries; each thousandth is of ann.
func longLog(t *testing.T, s audit.Store) {
	t.Helper()
	const all, commit = 100_000, 10_000
	noon := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	for n := 0; n < all; n += commit {
		err := s.AppendAudit(t.Context(), func(head call.AuditHead) (rows []call.AuditRow, _ call.AuditHead, err error) {
			for range commit {
				e := audit.Entry{Seq: head.Seq + 1, Prev: fmt.Sprintf("%x", head.Hash), Time: noon.Add(time.Duration(head.Seq) * time.Second), Action: "x", Outcome: audit.Done}
				if e.Seq%1000 == 0 {
					e.Who = "ann"
				}
				body, err := json.Marshal(e)
				if err != nil {
					return nil, head, err
				}
				head = call.AuditHead{Seq: e.Seq, Hash: audit.Sum(body), MAC: []byte("mac")}
				rows = append(rows, call.AuditRow{Seq: e.Seq, Time: e.Time, Body: body, Hash: head.Hash})
			}
			return rows, head, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func every(string, string, string, string) bool { return true }

func numbers(t *testing.T, list []json.RawMessage) string {
	t.Helper()
	got := []int64{}
	for _, b := range list {
		var e audit.Entry
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Seq)
	}
	return fmt.Sprint(got)
}

// TestPagesOfALongLog: a page costs the rows that it shows, wherever it lies.
func TestPagesOfALongLog(t *testing.T) {
	c := &counted{Store: newFile(t)}
	longLog(t, c)
	l := audit.Open(c, audit.Settings{Every: time.Hour}, audit.Options{Key: key})
	defer l.Close()
	ann := func(who, _, _, _ string) bool { return strings.Contains(who, "ann") }
	f := func(read func(context.Context, int64, call.AuditQuery, audit.Keep) ([]json.RawMessage, error), before int64, q call.AuditQuery, keep audit.Keep, rows int, want string) {
		t.Helper()
		c.rows = 0
		list, err := read(t.Context(), before, q, keep)
		if got := numbers(t, list); err != nil || got != want {
			t.Errorf("before %d, %+v: %s, %v; want %s", before, q, got, err, want)
		}
		if c.rows > rows {
			t.Errorf("before %d, %+v: read %d rows; want %d at most", before, q, c.rows, rows)
		}
	}
	f(l.Newest, 0, call.AuditQuery{Most: 3}, every, 3, "[99998 99999 100000]")
	f(l.Newest, 50_000, call.AuditQuery{Most: 3}, every, 3, "[49997 49998 49999]")
	f(l.Newest, 3, call.AuditQuery{Most: 3}, every, 3, "[1 2]")
	f(l.Newest, 1, call.AuditQuery{Most: 3}, every, 0, "[]")
	f(l.Newest, 50_000, call.AuditQuery{After: 49_998, Most: 3}, every, 3, "[49999]")
	f(l.Newest, 50_000, call.AuditQuery{Most: 2}, ann, 2002, "[48000 49000]")
	f(l.Newest, 0, call.AuditQuery{Most: 3, To: time.Date(2026, 5, 20, 12, 1, 0, 0, time.UTC)}, every, 3, "[58 59 60]")
	f(l.Oldest, 0, call.AuditQuery{After: 99_998, Most: 3}, every, 2, "[99999 100000]")
	f(l.Oldest, 52, call.AuditQuery{After: 50, Most: 3}, every, 3, "[51]")
	f(l.Oldest, 0, call.AuditQuery{After: 50_000, Most: 1}, ann, 1001, "[51000]")
}

// TestDamagedEntriesAreShown: whoever looks sees that something is there.
func TestDamagedEntriesAreShown(t *testing.T) {
	db := newFile(t)
	db.log(t, 4)
	db.tamper(t, `UPDATE audit SET body = CAST('{"time":1}' AS BLOB) WHERE seq = 3`)
	l := audit.Open(db, audit.Settings{Every: time.Hour}, audit.Options{Key: key})
	defer l.Close()
	none := func(string, string, string, string) bool { return false }
	list, err := l.Newest(t.Context(), 0, call.AuditQuery{Most: 9}, none)
	if err != nil || len(list) != 1 || !strings.Contains(string(list[0]), `"damaged":"7b2274696d65223a317d"`) || !strings.Contains(string(list[0]), `"seq":3`) {
		t.Errorf("%s, %v", list, err)
	}
}

// TestPagesOfALongLogPostgreSQL: the server reads no more than it gives out.
func TestPagesOfALongLogPostgreSQL(t *testing.T) {
	url := pgtest.New(t)
	s, err := postgres.Open(t.Context(), url, postgres.Options{Node: store.Node{ID: "n"}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	longLog(t, s)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "VACUUM ANALYZE audit"); err != nil {
		t.Fatal(err)
	}
	read := func() (n int64) {
		t.Helper()
		err := conn.QueryRow(t.Context(), "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'audit'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const times, most = 20, 10 // also by a plan that is made once for all
	had, gave := read(), int64(0)
	for i := range times {
		for _, q := range []call.AuditQuery{{Most: most}, {Most: most, From: time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)}} {
			for _, before := range []int64{math.MaxInt64, int64(50_000 + i)} {
				rows, err := s.AuditBack(t.Context(), before, q)
				if err != nil || len(rows) != most {
					t.Fatalf("%d rows, %v", len(rows), err)
				}
				gave += most
			}
		}
	}
	s.Close() // sessions that end tell the rest
	for end := time.Now().Add(time.Minute); read()-had < gave; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d rows were read; want %d at least", read()-had, gave)
		}
	}
	if n := read() - had; n > 2*gave {
		t.Errorf("%d rows were read to give out %d", n, gave)
	}
}
