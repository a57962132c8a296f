package proto

import (
	"testing"
	"time"
)

func TestParseReset(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	f := func(s string, want time.Duration, ok bool) {
		t.Helper()
		if got, fine := ParseReset(s, now); fine != ok || fine && got != want {
			t.Errorf("%q: got %v, %v; want %v, %v", s, got, fine, want, ok)
		}
	}
	f("1", time.Second, true)
	f("0.5", 500*time.Millisecond, true)
	f(" 59.7 ", 59700*time.Millisecond, true)
	f("6m0s", 6*time.Minute, true) // OpenAI
	f("120ms", 120*time.Millisecond, true)
	f("2m59.56s", 2*time.Minute+59560*time.Millisecond, true) // Groq
	f("2026-11-01T12:00:20Z", 20*time.Second, true)           // Anthropic
	f("2026-11-01T11:00:00Z", 0, true)
	f("1793534430", 30*time.Second, true)
	f("1793534430000", 30*time.Second, true) // OpenRouter
	f("", 0, false)
	f("-1", 0, false)
	f("soon", 0, false)
	f("NaN", 0, false)
	f("1e300", 0, false)
	f("9999-01-01T00:00:00Z", 0, false)
}

func FuzzParseReset(f *testing.F) {
	f.Add("6m0s")
	f.Add("1793534430")
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := ParseReset(s, time.Unix(1793534400, 0)); ok && (d < 0 || d >= maxReset) {
			t.Errorf("%q: %v", s, d)
		}
	})
}
