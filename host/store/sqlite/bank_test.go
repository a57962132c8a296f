package sqlite

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

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
