package audit

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Keep selects entries.
type Keep = func(who, action, on, outcome string) bool

// Newest returns, in their order, the newest q.Most entries of lower numbers
// than before, 0: of any, that q and keep select. What is older is not read. An
// entry that cannot be read is always shown, as far as it can be.
func (l *Log) Newest(ctx context.Context, before int64, q call.AuditQuery, keep Keep) (list []json.RawMessage, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	list, err = pages(q.Most, keep, func(most int) ([]call.AuditRow, error) {
		q.Most = most
		rows, err := l.store.AuditBack(ctx, before, q)
		if n := len(rows); n > 0 {
			before = rows[n-1].Seq
		}
		return rows, err
	})
	slices.Reverse(list)
	return list, err
}

// Oldest is Newest from the other end: the first entries after q.After.
func (l *Log) Oldest(ctx context.Context, before int64, q call.AuditQuery, keep Keep) ([]json.RawMessage, error) {
	return pages(q.Most, keep, func(most int) ([]call.AuditRow, error) {
		q.Most = most
		rows, err := l.store.AuditRows(ctx, q)
		if n := len(rows); n > 0 {
			q.After = rows[n-1].Seq
		}
		if i := slices.IndexFunc(rows, func(r call.AuditRow) bool { return before > 0 && r.Seq >= before }); i >= 0 {
			rows = rows[:i] // a short page is the last
		}
		return rows, err
	})
}

// pages reads on until it has most entries that keep selects: as many at first,
// whole pages where others lie between.
func pages(most int, keep Keep, read func(most int) ([]call.AuditRow, error)) ([]json.RawMessage, error) {
	list := []json.RawMessage{}
	for n := most; ; n = page {
		rows, err := read(n)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			var e Entry
			body := json.RawMessage(rows[i].Body)
			if json.Unmarshal(body, &e) != nil {
				body = damaged(&rows[i])
			} else if !keep(e.Who, e.Action, e.On, e.Outcome) {
				continue
			}
			if list = append(list, body); len(list) == most {
				return list, nil
			}
		}
		if len(rows) < n {
			return list, nil
		}
	}
}

func damaged(r *call.AuditRow) json.RawMessage {
	b, err := json.Marshal(map[string]any{"seq": r.Seq, "time": r.Time, "damaged": hex.EncodeToString(r.Body)})
	if err != nil {
		panic("BUG: plain values do not encode: " + err.Error())
	}
	return b
}
