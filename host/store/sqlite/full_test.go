package sqlite

import (
	"errors"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/storetest"
)

// TestAFullDiskIsGotOver: what the disk has no room for is refused whole, by its
// name, and taken once there is room again.
func TestAFullDiskIsGotOver(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	rows := make([]call.Record, 2000)
	for i := range rows {
		rows[i] = storetest.Record(call.FirstID(noon)+call.ID(i), 40)
		rows[i].Asked = strings.Repeat("x", 200)
	}
	grow := func(n int64) error {
		_, err := s.Bank().Apply(ctx, n, []call.BankOp{{Scope: "key/a", Window: "total", Max: 100, Need: 1}})
		return err
	}
	if err := grow(1); err != nil {
		t.Fatal(err)
	}
	limit := func(pages string) {
		for _, d := range []*db{s.state, s.ledger.db} {
			if _, err := d.number("PRAGMA max_page_count = " + pages); err != nil {
				t.Fatal(err)
			}
		}
	}
	limit("1") // as many as there are
	full := func(what string, err error) {
		t.Helper()
		if sqlite.ErrCode(err).ToPrimary() != sqlite.ResultFull {
			t.Errorf("%s: got %v; want that the disk is full", what, err)
		}
	}
	full("rows", s.Fold(ctx, 1, rows, false))
	full("rows, durably", s.Fold(ctx, 1, rows, true))
	var err error
	for i := 0; i < 1000 && err == nil; i++ { // until the pages that are there are used up
		err = s.CreateKey(ctx, store.Key{MAC: []byte{1}, Created: time.Now(), Principal: call.Principal{KeyID: rows[i].ID.String(), KeyName: rows[i].ID.String(), Team: rows[i].Asked}})
	}
	full("a key", err)
	if upto, _, err := s.Folded(ctx); err != nil || upto != 0 {
		t.Errorf("the journal is in up to %d, %v", upto, err)
	}
	limit("1000000")
	if err := errors.Join(s.Fold(ctx, 1, rows, true), grow(2)); err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage(ctx, call.UsageQuery{By: []string{"team"}})
	n := int64(0)
	for _, r := range u.Rows {
		n += r.Requests
	}
	if err != nil || n != int64(len(rows)) {
		t.Errorf("%d requests are summed up, %v; want %d", n, err, len(rows))
	}
}
