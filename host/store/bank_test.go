package store

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestBank(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	s := open(t, dir)
	b := s.Bank()
	st, err := b.State(ctx)
	if err != nil || st.Generation == 0 || st.Seq != 0 {
		t.Fatalf("a new bank is %+v, %v", st, err)
	}
	seq := int64(0)
	f := func(op call.BankOp, amount, granted int64) call.BankGrant {
		t.Helper()
		seq++
		if op.Row == 0 {
			op.Scope, op.Window, op.End = "key/a", "1 day UTC", noon.Unix()
		}
		got, err := b.Apply(ctx, seq, []call.BankOp{op})
		if err != nil || len(got) != 1 || got[0].Amount != amount || got[0].Granted != granted {
			t.Fatalf("op %+v gives %+v, %v; want amount %d of %d", op, got, err, amount, granted)
		}
		again, err := b.Apply(ctx, seq, []call.BankOp{op})
		if err != nil || !slices.Equal(again, got) {
			t.Fatalf("the same batch again gives %+v, %v; want %+v", again, err, got)
		}
		return got[0]
	}
	row := f(call.BankOp{Max: 1000, Need: 10, Want: 80}, 80, 80).Row
	f(call.BankOp{Max: 1000, Want: 2000}, 460, 540) // half of what is left
	f(call.BankOp{Max: 1000, Need: 400}, 400, 940)  // all that is asked for
	f(call.BankOp{Max: 1000, Need: 400}, 60, 1000)  // all that is left
	f(call.BankOp{Max: 1000, Need: 1}, 0, 1000)     // nothing is
	f(call.BankOp{Max: 900, Need: 1}, 0, 1000)      // the limit was lowered
	f(call.BankOp{Max: 1100, Need: 500}, 100, 1100) // and raised
	f(call.BankOp{Row: row, Return: 300}, 0, 800)   // handed back
	f(call.BankOp{Row: row, Return: -500}, 0, 1300) // spent beyond the lease
	f(call.BankOp{Row: row, Return: 250, Max: 1100, Need: 9}, 9, 1059)
	f(call.BankOp{Row: 12345, Return: 9}, 0, 0)                 // long forgotten
	f(call.BankOp{Start: 1, Max: math.MaxInt64, Need: 5}, 5, 5) // another window
	if _, err := b.Apply(ctx, seq+2, nil); !errors.Is(err, call.ErrBankSequence) {
		t.Errorf("a batch was left out: got %v", err)
	}
	if _, err := b.Apply(ctx, seq-1, nil); !errors.Is(err, call.ErrBankSequence) {
		t.Errorf("an old batch: got %v", err)
	}
	if _, err := b.Apply(ctx, seq, make([]call.BankOp, 2)); !errors.Is(err, call.ErrBankSequence) {
		t.Errorf("another batch under the last number: got %v", err)
	}
	s.Close()
	again, err := open(t, dir).Bank().State(ctx)
	if err != nil || again.Generation != st.Generation || again.Seq != seq || len(again.Grants) != 1 {
		t.Errorf("the bank came back as %+v, %v", again, err)
	}
}

func TestOldAccountsAreForgotten(t *testing.T) {
	s, ctx := open(t, t.TempDir()), context.Background()
	if err := s.state.run("UPDATE bank SET seq = ?", pruneEvery-2); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, age := range []time.Duration{2 * keepAccounts, 0} {
		ops := []call.BankOp{{Scope: "a", Window: "1 day UTC", Start: int64(i), End: now.Add(-age).Unix(), Max: 10, Need: 1}}
		if _, err := s.Bank().Apply(ctx, int64(pruneEvery-1+i), ops); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.state.number("SELECT count(*) FROM account"); n != 1 || err != nil {
		t.Errorf("%d accounts are left, %v; want 1", n, err)
	}
}

// BenchmarkBankApply is one batch of four grants, on the disk when it returns.
func BenchmarkBankApply(b *testing.B) {
	s, ctx := open(b, b.TempDir()), context.Background()
	bank, seq := s.Bank(), int64(0)
	ops := make([]call.BankOp, 4)
	for i := range ops {
		ops[i] = call.BankOp{Scope: string(rune('a' + i)), Window: "1 day UTC", End: math.MaxInt64, Max: math.MaxInt64, Need: 1}
	}
	start := cpu()
	for b.Loop() {
		seq++
		if _, err := bank.Apply(ctx, seq, ops); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-start).Nanoseconds())/1000/float64(seq), "cpu-µs/op")
}
