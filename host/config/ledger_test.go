package config

import (
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	f := func(in any, want time.Duration) {
		t.Helper()
		var a Age
		if err := a.read(in); err != nil || time.Duration(a) != want {
			t.Errorf("%v is %v, %v; want %v", in, time.Duration(a), err, want)
		}
	}
	f("90d", 90*24*time.Hour)
	f("36h", 36*time.Hour)
	f(0, 0)
	f("0d", 0)
	bad := func(in any) {
		t.Helper()
		var a Age
		if err := a.read(in); err == nil {
			t.Errorf("%v is taken as %v", in, time.Duration(a))
		}
	}
	bad(90)
	bad("90")
	bad("-1d")
	bad("1.5d")
	bad("-1h")
	bad("36501d")
	bad(true)
	now := time.Unix(1e9, 0)
	if got := Age(time.Hour).Before(now); got != now.Add(-time.Hour) || !Age(0).Before(now).IsZero() {
		t.Errorf("before an hour: %v", got)
	}
}
