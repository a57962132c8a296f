package call

import (
	"strings"
	"testing"
)

const (
	aTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	aSpan   = "00f067aa0ba902b7"
	aParent = "00-" + aTrace + "-" + aSpan + "-01"
)

func TestTraceIsRead(t *testing.T) {
	f := func(parent, state, wantState string, sampled bool) {
		t.Helper()
		got, ok := ParseTrace([]byte(parent), []byte(state))
		if !ok || got.ID.String() != aTrace || got.Parent.String() != aSpan || got.Sampled != sampled || got.State != wantState || !got.Remote {
			t.Errorf("%q, %q: got %+v, %t", parent, state, got, ok)
		}
	}
	f(aParent, "", "", true)
	f("00-"+aTrace+"-"+aSpan+"-00", "", "", false)
	f("00-"+aTrace+"-"+aSpan+"-03", "congo=t61rcWkgMzE,rojo=1", "congo=t61rcWkgMzE,rojo=1", true)
	f("cc-"+aTrace+"-"+aSpan+"-01-what-the-future-brings", "", "", true)
	f(aParent, "a=b\r\nX-Evil: 1", "", true)
	f(aParent, strings.Repeat("a", maxState), strings.Repeat("a", maxState), true)
	f(aParent, strings.Repeat("a", maxState+1), "", true)
}

func TestTraceIsRefused(t *testing.T) {
	f := func(parent string) {
		t.Helper()
		if got, ok := ParseTrace([]byte(parent), []byte("a=b")); ok || got.On() {
			t.Errorf("%q: got %+v", parent, got)
		}
	}
	f("")
	f("00")
	f(aParent[:54])
	f(aParent + "-more") // not of version 00
	f("ff" + aParent[2:])
	f("cc" + aParent[2:] + "x")
	f("00-" + strings.ToUpper(aTrace) + "-" + aSpan + "-01")
	f("00-" + strings.Repeat("0", 32) + "-" + aSpan + "-01")
	f("00-" + aTrace + "-" + strings.Repeat("0", 16) + "-01")
	f("00_" + aParent[3:])
	f("0g" + aParent[2:])
	f(aParent[:53] + "zz")
}

func TestTraceGoesOn(t *testing.T) {
	root, _ := ParseTrace([]byte(aParent), []byte("a=b"))
	root.Span = NewSpanID()
	kid := root.Child()
	if kid.ID != root.ID || kid.Parent != root.Span || kid.Span == root.Span || kid.Remote || !kid.Sampled || kid.State != "a=b" {
		t.Errorf("the child is %+v", kid)
	}
	if none := (&Trace{}).Child(); none.On() || none.Span != (SpanID{}) {
		t.Errorf("a child of none is %+v", none)
	}
	again, ok := ParseTrace(kid.AppendParent(nil, kid.Span), nil)
	if !ok || again.ID != kid.ID || again.Parent != kid.Span || !again.Sampled {
		t.Errorf("read back: %+v, %t", again, ok)
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add([]byte(aParent), []byte("congo=1"))
	f.Add([]byte("cc-"+aTrace+"-"+aSpan+"-01-x"), []byte(""))
	f.Add([]byte("00-"), []byte("\r\n"))
	f.Fuzz(func(t *testing.T, parent, state []byte) {
		got, ok := ParseTrace(parent, state)
		if !ok {
			if got != (Trace{}) {
				t.Fatalf("refused, and yet %+v", got)
			}
			return
		}
		if !got.On() || got.Parent == (SpanID{}) || len(got.State) > maxState || strings.ContainsAny(got.State, "\r\n\x00") {
			t.Fatalf("got %+v", got)
		}
		text := got.AppendParent(nil, got.Parent)
		if string(text[3:52]) != string(parent[3:52]) || len(text) != parentLen {
			t.Fatalf("%q became %q", parent, text)
		}
	})
}
