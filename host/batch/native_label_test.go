package batch

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

// FuzzLabel: what a provider gives back as custom_id is either what was made
// here, to the byte, or refused.
func FuzzLabel(f *testing.F) {
	f.Add(label{17, 3, call.ID(12345), "a/b.c"}.String())
	f.Add(label{}.String())
	for _, bad := range []string{"", "/", "1.2/x", "01.0." + call.ID(1).String() + "/", "-1.0." + call.ID(1).String() + "/", "1.0.req_/", "99999999999.0." + call.ID(1).String() + "/x"} {
		if _, ok := parseLabel(bad); ok {
			f.Errorf("%q is taken for a label", bad)
		}
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if l, ok := parseLabel(s); ok && l.String() != s {
			t.Errorf("%q reads as %+v, which is %q", s, l, l.String())
		}
	})
}

// FuzzShortLabel: as FuzzLabel.
func FuzzShortLabel(f *testing.F) {
	f.Add(label{n: 99999, group: 63, id: call.ID(1 << 60)}.short("0123456789abcdef01234567"))
	f.Add("-0-" + call.ID(1).String() + "-t")
	f.Fuzz(func(t *testing.T, s string) {
		for _, tag := range []string{"t", "0123456789abcdef01234567"} {
			if l, ok := parseShort(s, tag); ok && l.short(tag) != s {
				t.Errorf("%q reads as %+v, which is %q", s, l, l.short(tag))
			}
		}
	})
}
