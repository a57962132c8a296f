package storetest

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

func pledges(t *testing.T, open Opener) {
	s := open()
	b := newTill(t, s)
	b.op(call.BankOp{Max: 1000, Need: 700}, 700, 700)
	put := func(id call.ID, amount int64, want bool) {
		t.Helper()
		p := call.Pledge{ID: id, Owner: "batch/b", Parts: []call.PledgePart{
			{Scope: "key/a", Window: "1 day UTC", Amount: amount}, {Scope: "key/gone", Window: "1 day UTC", Start: 7, Unit: call.UnitTokens, Amount: 9}}}
		if got, err := s.PutPledge(t.Context(), p); err != nil || got != want {
			t.Errorf("putting %d gives %v, %v; want %v", id, got, err, want)
		}
	}
	known := func(id call.ID, want bool) {
		t.Helper()
		if got, err := s.Pledged(t.Context(), id); err != nil || got != want {
			t.Errorf("%d was put: %v, %v; want %v", id, got, err, want)
		}
	}
	redeem := func(id call.ID, want bool, spent ...int64) {
		t.Helper()
		if got, err := s.RedeemPledge(t.Context(), id, spent); err != nil || got != want {
			t.Errorf("redeeming %d gives %v, %v; want %v", id, got, err, want)
		}
	}
	stands := func(granted int64, reserved ...int64) {
		t.Helper()
		all, err := s.Bank().Accounts(t.Context())
		if err != nil || len(all) != 1 || all[0].Granted != granted {
			t.Fatalf("the bank has %+v, %v; want %d granted", all, err, granted)
		}
		var leases []store.Lease
		for _, l := range all[0].Leases {
			if l.Node == "batch/b" {
				leases = append(leases, l)
			}
		}
		for i, n := range reserved {
			if len(leases) != len(reserved) || leases[i].Reserved != n {
				t.Fatalf("reserved is %+v; want %d", leases, reserved)
			}
		}
	}
	put(1, 300, true)
	put(1, 300, false)
	put(2, 200, true)
	stands(700, 300, 200)
	known(1, true)
	known(3, false)
	redeem(1, true, 120, 5) // 180 of it goes back, once
	redeem(1, true, 0, 0)
	stands(520, 200)
	redeem(3, false, 0)
	put(3, 100, false) // it comes too late
	known(3, false)
	known(1, true)
	redeem(2, true, 230) // it has cost more
	stands(550)
}
