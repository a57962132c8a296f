package storetest

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// till is the one who deals with a bank.
type till struct {
	t    *testing.T
	bank store.Bank
	seq  int64
}

func newTill(t *testing.T, s store.Store) *till {
	t.Helper()
	b := s.Bank()
	st, err := b.State(t.Context())
	if err != nil || st.Generation == 0 {
		t.Fatalf("the bank is %+v, %v", st, err)
	}
	return &till{t, b, st.Seq}
}

// op carries out one op, twice, and compares what it comes to.
func (b *till) op(op call.BankOp, amount, granted int64) call.BankGrant {
	b.t.Helper()
	b.seq++
	if op.Row == 0 && op.Window == "" {
		op.Scope, op.Window, op.End = "key/a", "1 day UTC", noon.Unix()
	}
	if op.From == 0 {
		op.From = op.Start
	}
	got, err := b.bank.Apply(b.t.Context(), b.seq, []call.BankOp{op})
	if err != nil || len(got) != 1 || got[0].Amount != amount || got[0].Granted != granted {
		b.t.Fatalf("op %+v gives %+v, %v; want amount %d of %d", op, got, err, amount, granted)
	}
	again, err := b.bank.Apply(b.t.Context(), b.seq, []call.BankOp{op})
	if err != nil || !slices.Equal(again, got) {
		b.t.Fatalf("the same batch again gives %+v, %v; want %+v", again, err, got)
	}
	return got[0]
}

func bank(t *testing.T, open Opener) {
	s := open()
	b := newTill(t, s)
	row := b.op(call.BankOp{Max: 1000, Need: 10, Want: 80}, 80, 80).Row
	b.op(call.BankOp{Max: 1000, Want: 2000}, 460, 540) // half of what is left
	b.op(call.BankOp{Max: 1000, Need: 400}, 400, 940)  // all that is asked for
	b.op(call.BankOp{Max: 1000, Need: 400}, 60, 1000)  // all that is left
	b.op(call.BankOp{Max: 1000, Need: 1}, 0, 1000)     // nothing is
	b.op(call.BankOp{Max: 900, Need: 1}, 0, 1000)      // the limit was lowered
	b.op(call.BankOp{Max: 1100, Need: 500}, 100, 1100) // and raised
	b.op(call.BankOp{Row: row, Return: 300}, 0, 800)   // handed back
	b.op(call.BankOp{Row: row, Return: -500}, 0, 1300) // spent beyond the lease
	b.op(call.BankOp{Row: row, Return: 250, Max: 1100, Need: 9, Held: 30, Reserved: 4}, 9, 1059)
	b.op(call.BankOp{Row: 12345, Return: 9}, 0, 0)                 // long forgotten
	b.op(call.BankOp{Start: 1, Max: math.MaxInt64, Need: 5}, 5, 5) // another window
	b.op(call.BankOp{Max: 2000, Need: 100, Least: 50, Held: 30, Reserved: 4}, 100, 1159)
	list, err := b.bank.Accounts(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("accounts %+v, %v", list, err)
	}
	first := list[0]
	if first.Scope != "key/a" || first.Window != "1 day UTC" || first.Granted != 1159 || first.Max != 2000 || first.Row != row || !first.End.Equal(noon) ||
		len(first.Leases) != 1 || first.Leases[0].Held != 130 || first.Leases[0].Reserved != 4 {
		t.Errorf("account %+v", first)
	}
	for _, seq := range []int64{b.seq + 2, b.seq - 1} {
		if _, err := b.bank.Apply(t.Context(), seq, []call.BankOp{{Row: row}}); !errors.Is(err, call.ErrBankSequence) {
			t.Errorf("batch %d after %d gives %v", seq, b.seq, err)
		}
	}
	if err := b.bank.Forfeit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err = b.bank.Accounts(t.Context()); err != nil || len(list) != 2 || list[0].Granted != 1159 || len(list[0].Leases) != 0 {
		t.Errorf("what was forfeited is not spent: %+v, %v", list, err)
	}
	was, err := b.bank.State(t.Context())
	if err != nil || was.Seq != b.seq || len(was.Grants) != 1 {
		t.Errorf("state %+v, %v", was, err)
	}
	closed(t, s)
	if st, err := open().Bank().State(t.Context()); err != nil || st.Generation != was.Generation || st.Seq != was.Seq || !slices.Equal(st.Grants, was.Grants) {
		t.Errorf("opened again, the bank is %+v, %v; want %+v", st, err, was)
	}
}

// rollingBank: a limit on a window that rolls is on the sum of its buckets.
func rollingBank(t *testing.T, open Opener) {
	b := newTill(t, open())
	op := func(start, returned, need, amount, granted int64) {
		t.Helper()
		b.op(call.BankOp{Scope: "team/a", Window: "1 day rolling", Start: start, From: start - 24, End: start + 25, Max: 1000, Return: returned, Need: need}, amount, granted)
	}
	op(100, 0, 600, 600, 600)
	op(101, 0, 600, 400, 1000)
	op(124, 0, 600, 0, 1000)
	op(125, 0, 900, 600, 1000) // the first bucket counts no more
	op(101, 300, 0, 0, 1300)   // a straggler hands back: all that starts from 77 on counts
	op(125, 0, 900, 300, 1000)
	op(90, 0, 50, 0, 1600) // a clock that is behind gets nothing from the past
}

// manyOps: a batch of several ops is carried out in order, also on one account.
func manyOps(t *testing.T, open Opener) {
	b := newTill(t, open())
	one := call.BankOp{Scope: "key/a", Window: "total", End: math.MaxInt64, Max: 100, Need: 60}
	two := one
	two.Scope = "key/b"
	got, err := b.bank.Apply(t.Context(), 1, []call.BankOp{one, two, one})
	if err != nil || len(got) != 3 || got[0].Amount != 60 || got[1].Amount != 60 || got[2].Amount != 40 || got[0].Row != got[2].Row || got[2].Granted != 100 {
		t.Fatalf("got %+v, %v", got, err)
	}
	large := make([]call.BankOp, 200)
	for i := range large {
		large[i] = call.BankOp{Scope: "key/" + time.Unix(int64(i), 0).String(), Window: "total", End: math.MaxInt64, Max: 10, Need: 1}
	}
	if got, err = b.bank.Apply(t.Context(), 2, large); err != nil || len(got) != 200 || got[199].Amount != 1 {
		t.Fatalf("200 ops give %d grants, %v", len(got), err)
	}
}
