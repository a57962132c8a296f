package audit_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/audit"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
)

// TestTamperingPostgreSQL: what is found in one store is found in the other.
func TestTamperingPostgreSQL(t *testing.T) {
	url := pgtest.New(t)
	s, err := postgres.Open(t.Context(), url, postgres.Options{Node: store.Node{ID: "n1", Name: "n1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	f := func(script, kind string, seq int64) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), "DELETE FROM audit; DELETE FROM audit_head; DELETE FROM audit_anchor"); err != nil {
			t.Fatal(err)
		}
		l := audit.Open(s, audit.Settings{Every: time.Hour}, audit.Options{Node: "n1", Key: key})
		for range 6 {
			if _, err := l.Record(t.Context(), audit.Entry{Action: "x", Who: "ann", Outcome: audit.Done}); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		if v, err := audit.Verify(t.Context(), s, key, nil); err != nil || !v.OK || v.Entries != 6 || v.Anchors != 1 {
			t.Fatalf("before: %+v, %v", v, err)
		}
		if _, err := conn.Exec(t.Context(), script); err != nil {
			t.Fatal(err)
		}
		v, err := audit.Verify(t.Context(), s, key, nil)
		if err != nil || v.OK || v.Broken.Kind != kind || v.Broken.Seq != seq {
			t.Errorf("%s\nfound %+v, %v; want entry %d %s", script, v.Broken, err, seq, kind)
		}
	}
	f(`UPDATE audit SET body = convert_to(replace(convert_from(body, 'UTF8'), 'ann', 'bob'), 'UTF8') WHERE seq = 4`, audit.Changed, 4)
	f(`UPDATE audit SET time = time + 1 WHERE seq = 4`, audit.Changed, 4)
	f(`DELETE FROM audit WHERE seq = 4`, audit.Removed, 4)
	f(`UPDATE audit SET seq = 99 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 99`, audit.Reordered, 4)
	f(`DELETE FROM audit WHERE seq > 4`, audit.Truncated, 5)
	f(`DELETE FROM audit WHERE seq > 4; UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)`, audit.Rewritten, 4)
	f(`INSERT INTO audit SELECT 7, time, body, hash FROM audit WHERE seq = 6`, audit.Added, 7)
	f(`UPDATE audit_anchor SET hash = '\x00'`, audit.Rewritten, 6)
}
