package call

import (
	"math"
	"testing"
)

func TestParseUSD(t *testing.T) {
	f := func(s string, want int64) {
		t.Helper()
		got, err := ParseUSD(s)
		if err != nil || got != want {
			t.Errorf("ParseUSD(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	f("0", 0)
	f("5", 5e9)
	f("0.15", 150_000_000)
	f("0.000000001", 1)
	f("0.0000000010000", 1)
	f("007.5", 7_500_000_000)
	f("0.1", 100_000_000)
	f("9223372036.854775807", math.MaxInt64)
}

func TestParseUSDRefuses(t *testing.T) {
	f := func(s string) {
		t.Helper()
		if got, err := ParseUSD(s); err == nil {
			t.Errorf("ParseUSD(%q) = %d; want an error", s, got)
		}
	}
	for _, s := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "1.2.3", "$5", "1,5", " 1", "0.0000000001", "9223372036.854775808", "99999999999999999999", "NaN", "Inf"} {
		f(s)
	}
}

func FuzzParseUSD(f *testing.F) {
	f.Add("0.15")
	f.Add("9223372036.854775807")
	f.Fuzz(func(t *testing.T, s string) {
		nano, err := ParseUSD(s)
		if err != nil {
			return
		}
		text := string(AppendUSD(nil, nano))
		if again, err := ParseUSD(text); err != nil || again != nano {
			t.Fatalf("ParseUSD(%q) = %d, printed %q, read back as %d, %v", s, nano, text, again, err)
		}
	})
}
