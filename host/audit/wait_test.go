package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signalbox-ai/signalbox/host/audit"
	"github.com/signalbox-ai/signalbox/host/call"
)

// unwritable is a store that cannot be written.
type unwritable struct{ *file }

var errDisk = errors.New("no space left on device")

func (unwritable) AppendAudit(context.Context, func(call.AuditHead) ([]call.AuditRow, call.AuditHead, error)) error {
	return errDisk
}

func TestCannotBeWritten(t *testing.T) {
	l := audit.Open(unwritable{newFile(t)}, audit.Settings{}, audit.Options{Key: key})
	defer l.Close()
	if _, err := l.Record(t.Context(), audit.Entry{Action: "x"}); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	if tampered, unwritten := l.Trouble(); tampered != "" || unwritten != errDisk.Error() {
		t.Errorf("trouble %q, %q", tampered, unwritten)
	}
}

// moody is a store that takes entries when it is up.
type moody struct {
	*file
	down atomic.Bool
}

func (m *moody) AppendAudit(ctx context.Context, add func(call.AuditHead) ([]call.AuditRow, call.AuditHead, error)) error {
	if m.down.Load() {
		return errDisk
	}
	return m.file.AppendAudit(ctx, add)
}

// TestOutageLosesNothing: what the store does not take waits in a file, beyond
// the end of the process, and comes in its order.
func TestOutageLosesNothing(t *testing.T) {
	db := &moody{file: newFile(t)}
	wait := filepath.Join(t.TempDir(), "waiting")
	opt := audit.Options{Key: key, Wait: wait}
	l := audit.Open(db, audit.Settings{}, opt)
	db.down.Store(true)
	for i := range 300 { // more than one batch
		l.Note(audit.Entry{Action: "login", On: fmt.Sprint(i), Outcome: audit.Refused})
	}
	l.Later(audit.Entry{Action: "PUT /admin/x", Outcome: audit.Done})
	l.Close()
	if info, err := os.Stat(wait); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("nothing waits, or everybody reads it: %v, %v", info, err)
	}
	if f, err := os.OpenFile(wait, os.O_APPEND|os.O_WRONLY, 0); err != nil { // and then it was killed
		t.Fatal(err)
	} else if _, err = f.WriteString(`{"action":"ha`); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	db.down.Store(false)
	audit.Open(db, audit.Settings{}, opt).Close()
	rows, err := db.AuditRows(t.Context(), call.AuditQuery{Most: 1000})
	if err != nil || len(rows) != 301 {
		t.Fatalf("%d entries, %v; want 301", len(rows), err)
	}
	logins := 0
	for _, r := range rows {
		var e audit.Entry
		if err := json.Unmarshal(r.Body, &e); err != nil || e.Time.IsZero() {
			t.Fatalf("%s, %v", r.Body, err)
		}
		if e.Action == "login" {
			if e.On != fmt.Sprint(logins) {
				t.Errorf("entry %d is of login %s; want %d", e.Seq, e.On, logins)
			}
			logins++
		}
	}
	if _, err := os.Stat(wait); !errors.Is(err, os.ErrNotExist) || logins != 300 {
		t.Errorf("%d logins came, and of the file: %v", logins, err)
	}
	if v := db.verdict(t); !v.OK {
		t.Errorf("%+v", v)
	}
}

// TestAHalfLineCostsNoOther: what a killed process had begun to write takes
// nothing with it that comes after.
func TestAHalfLineCostsNoOther(t *testing.T) {
	db := &moody{file: newFile(t)}
	db.down.Store(true)
	wait := filepath.Join(t.TempDir(), "waiting")
	if err := os.WriteFile(wait, []byte(`{"action":"ha`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := audit.Open(db, audit.Settings{}, audit.Options{Key: key, Wait: wait})
	l.Later(audit.Entry{Action: "PUT /admin/x", Outcome: audit.Done})
	db.down.Store(false)
	l.Close()
	rows, err := db.AuditRows(t.Context(), call.AuditQuery{})
	if err != nil || len(rows) != 1 || !strings.Contains(string(rows[0].Body), "/admin/x") {
		t.Errorf("%d entries came, %v; want the one", len(rows), err)
	}
}

// TestLostIsCounted: without room for what waits, the next entry says how many
// are missing.
func TestLostIsCounted(t *testing.T) {
	db := &moody{file: newFile(t)}
	l := audit.Open(db, audit.Settings{}, audit.Options{Key: key})
	db.down.Store(true)
	for range 3 {
		l.Later(audit.Entry{Action: "login"})
	}
	db.down.Store(false)
	l.Note(audit.Entry{Action: "login"})
	l.Close()
	rows, err := db.AuditRows(t.Context(), call.AuditQuery{})
	if err != nil || len(rows) != 1 || !strings.Contains(string(rows[0].Body), `"missed":3`) {
		t.Errorf("%d entries, %v", len(rows), err)
	}
}
