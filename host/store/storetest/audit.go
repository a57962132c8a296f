package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// chained adds n rows after the head.
func chained(n int, at time.Time) func(call.AuditHead) ([]call.AuditRow, call.AuditHead, error) {
	return func(head call.AuditHead) (rows []call.AuditRow, _ call.AuditHead, err error) {
		for range n {
			hash := fmt.Appendf(nil, "hash %d", head.Seq+1)
			rows = append(rows, call.AuditRow{Seq: head.Seq + 1, Time: at, Body: fmt.Appendf(nil, `{"prev":%q}`, head.Hash), Hash: hash})
			head = call.AuditHead{Seq: head.Seq + 1, Hash: hash, MAC: []byte("mac")}
		}
		return rows, head, nil
	}
}

func auditLog(t *testing.T, open Opener) {
	s := open()
	if head, anchors, err := s.AuditMarks(t.Context()); err != nil || head.Seq != 0 || head.Hash != nil || anchors != nil {
		t.Errorf("at first: %+v %+v %v", head, anchors, err)
	}
	for i := range 4 {
		if err := s.AppendAudit(t.Context(), chained(2, noon.Add(time.Duration(i)*time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	no := errors.New("no")
	if err := s.AppendAudit(t.Context(), func(call.AuditHead) ([]call.AuditRow, call.AuditHead, error) { return nil, call.AuditHead{}, no }); !errors.Is(err, no) {
		t.Errorf("a refused append: %v", err)
	}
	closed(t, s)
	s = open()
	check := func(q call.AuditQuery, rows []call.AuditRow, err error, want []int64) {
		t.Helper()
		var got []int64
		for _, r := range rows {
			got = append(got, r.Seq)
			if string(r.Hash) != fmt.Sprintf("hash %d", r.Seq) || len(r.Body) == 0 || r.Time.Before(noon) {
				t.Errorf("row %+v", r)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v finds %d, %v; want %d", q, got, err, want)
		}
	}
	f := func(q call.AuditQuery, want ...int64) {
		t.Helper()
		rows, err := s.AuditRows(t.Context(), q)
		check(q, rows, err, want)
	}
	back := func(before int64, q call.AuditQuery, want ...int64) {
		t.Helper()
		rows, err := s.AuditBack(t.Context(), before, q)
		check(q, rows, err, want)
	}
	back(math.MaxInt64, call.AuditQuery{Most: 3}, 8, 7, 6)
	back(6, call.AuditQuery{}, 5, 4, 3, 2, 1)
	back(6, call.AuditQuery{After: 2, Most: 2}, 5, 4)
	back(6, call.AuditQuery{From: noon.Add(time.Minute), To: noon.Add(2 * time.Minute)}, 4, 3)
	back(1, call.AuditQuery{Most: 3})
	f(call.AuditQuery{}, 1, 2, 3, 4, 5, 6, 7, 8)
	f(call.AuditQuery{After: 3, Most: 2}, 4, 5)
	f(call.AuditQuery{From: noon.Add(time.Minute), To: noon.Add(2 * time.Minute)}, 3, 4)
	anchors(t, s)
	f(call.AuditQuery{}, 6, 7, 8)
	back(math.MaxInt64, call.AuditQuery{}, 8, 7, 6)
}

func anchors(t *testing.T, s store.Store) {
	t.Helper()
	for _, a := range []call.AuditAnchor{{Seq: 4}, {Seq: 8}, {Seq: 8, Hash: []byte("another")}, {Seq: 5, Cut: true}} {
		a.Time, a.MAC = noon, []byte("mac")
		if a.Hash == nil {
			a.Hash = []byte("hash")
		}
		if err := s.AnchorAudit(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	head, list, err := s.AuditMarks(t.Context())
	if err != nil || head.Seq != 8 || string(head.Hash) != "hash 8" || string(head.MAC) != "mac" {
		t.Errorf("head %+v, %v", head, err)
	}
	if len(list) != 2 || !list[0].Cut || list[0].Seq != 5 || list[1].Cut || list[1].Seq != 8 || string(list[1].Hash) != "hash" || !list[1].Time.Equal(noon) {
		t.Errorf("anchors %+v", list)
	}
}

// auditAtOnce has many append: no number is given twice, none left out.
func auditAtOnce(t *testing.T, open Opener) {
	s := open()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if err := s.AppendAudit(context.Background(), chained(2, noon)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	rows, err := s.AuditRows(t.Context(), call.AuditQuery{})
	if err != nil || len(rows) != 80 || rows[79].Seq != 80 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i := 1; i < len(rows); i++ {
		if string(rows[i].Body) != fmt.Sprintf(`{"prev":%q}`, rows[i-1].Hash) {
			t.Errorf("row %d does not follow the one before: %s", i+1, rows[i].Body)
		}
	}
}

func alerts(t *testing.T, open Opener) {
	s := open()
	raise := func(a call.Alert, want bool, to ...string) {
		t.Helper()
		if raised, err := s.RaiseAlert(t.Context(), a, to); err != nil || raised != want {
			t.Errorf("%s of %s: raised %v, %v; want %v", a.Mark, a.Scope, raised, err, want)
		}
	}
	a := call.Alert{Kind: "budget", Scope: "team/core", Window: "1 day UTC", Start: noon.Unix(), End: noon.Add(24 * time.Hour).Unix(), Mark: "50", Time: noon, Body: []byte(`{"x":1}`)}
	raise(a, true, "ops", "mail")
	raise(a, false, "ops", "mail")
	b := a
	b.Mark, b.End = "80", math.MaxInt64
	raise(b, true)
	closed(t, s)
	s = open()
	raise(a, false, "ops")
	claim := func(now time.Time, want ...string) []call.Delivery {
		t.Helper()
		list, err := s.ClaimDeliveries(t.Context(), now, now.Add(time.Minute), 10)
		var got []string
		for _, d := range list {
			got = append(got, d.To)
			if d.Alert.Mark != "50" || string(d.Alert.Body) != `{"x":1}` || d.Alert.Scope != "team/core" || d.Alert.End != a.End || !d.Alert.Time.Equal(noon) {
				t.Errorf("delivery of %+v", d.Alert)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("at %s: %q, %v; want %q", now, got, err, want)
		}
		return list
	}
	claim(noon.Add(-time.Second))
	list := claim(noon, "ops", "mail")
	claim(noon.Add(time.Second)) // somebody has them
	list[0].Tries, list[0].Next, list[0].Done = 1, time.Time{}, noon.Add(time.Second)
	list[1].Tries, list[1].Next, list[1].Err = 1, noon.Add(time.Hour), "refused"
	for _, d := range list {
		if err := s.SettleDelivery(t.Context(), d); err != nil {
			t.Error(err)
		}
	}
	claim(noon.Add(2 * time.Minute))
	all, err := s.Alerts(t.Context(), 10)
	if err != nil || len(all) != 2 || all[0].Mark != "80" || len(all[0].Deliveries) != 0 || len(all[1].Deliveries) != 2 {
		t.Fatalf("alerts %+v, %v", all, err)
	}
	if d := all[1].Deliveries; !d[0].Done.Equal(noon.Add(time.Second)) || d[0].Tries != 1 || d[1].Err != "refused" || !d[1].Done.IsZero() {
		t.Errorf("deliveries %+v", d)
	}
	claim(noon.Add(time.Hour), "mail")
	late := a
	late.Mark, late.Time = "100", noon.AddDate(0, 3, 0)
	late.Start, late.End = late.Time.Unix(), late.Time.Unix()+60
	raise(late, true, "ops")
	if all, err := s.Alerts(t.Context(), 10); err != nil || len(all) != 2 || all[1].Mark != "80" {
		t.Errorf("alerts of windows long gone stay: %+v, %v", all, err)
	}
}

// alertsAtOnce has many notice one crossing, and take one delivery: one does.
func alertsAtOnce(t *testing.T, open Opener) {
	s := open()
	for round := range int64(4) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		raised, claimed := 0, 0
		for range 8 {
			wg.Go(func() {
				ok, err := s.RaiseAlert(context.Background(), call.Alert{Kind: "budget", Scope: "team/core", Window: "1 day UTC", Start: round,
					End: math.MaxInt64, Mark: "50", Time: noon, Body: []byte("{}")}, []string{"ops"})
				if err != nil {
					t.Error(err)
				}
				list, err := s.ClaimDeliveries(context.Background(), noon, noon.Add(time.Hour), 10)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				claimed += len(list)
				if ok {
					raised++
				}
			})
		}
		wg.Wait()
		list, err := s.ClaimDeliveries(t.Context(), noon, noon.Add(time.Hour), 10)
		if err != nil || raised != 1 || claimed+len(list) != 1 {
			t.Errorf("raised %d times, claimed %d, %v; want once each", raised, claimed+len(list), err)
		}
	}
}

// reseal keeps another seal only in the place of the one that is known.
func reseal(t *testing.T, open Opener) {
	s := open()
	c := store.Credential{Provider: "acme", Name: "main", Sealed: []byte("one"), Weight: 3, Created: noon}
	if err := s.AddCredential(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c.Sealed = []byte("two")
	if err := s.ResealCredential(t.Context(), c, []byte("one")); err != nil {
		t.Error(err)
	}
	if err := s.ResealCredential(t.Context(), c, []byte("one")); !errors.Is(err, store.ErrCredentialUnknown) {
		t.Errorf("in the place of what is gone: %v", err)
	}
	list, err := s.Credentials(t.Context(), noon)
	if err != nil || len(list) != 1 || string(list[0].Sealed) != "two" || list[0].Weight != 3 {
		t.Errorf("credentials %+v, %v", list, err)
	}
}
